"""Types of parts and calls: ``check.py``, ``functions.py`` and ``kinds.py`` together."""

import pytest

from gateway.domain.detection import Fact, FactType, Stage
from policies.engine.expression.check import MAX_JOINS, check
from policies.engine.expression.errors import ConditionError
from policies.engine.expression.names import Names
from policies.engine.expression.parse import parse


@pytest.fixture(scope="module")
def names() -> Names:
    facts = {"b": FactType.BOOL, "n": FactType.INT, "d": FactType.DOUBLE, "s": FactType.STRING, "l": FactType.STRINGS}
    return Names(
        vocabulary={name: Fact(name=name, type=kind, doc="") for name, kind in facts.items()},
        stage=Stage.DATA,
        constants={},
    )


@pytest.mark.rows
@pytest.mark.parametrize(
    "source",
    [
        "b",
        "true",
        "!b && b || !b",
        "b == true",
        "n < 3 && n >= -9223372036854775808 && n <= 9223372036854775807",
        "d > 0.5 && d != -1e3",
        "'a' < s && s == \"b\"",
        "l == ['a', s]",
        "[n, 2] != [1]",
        "s in l && 'a' in ['a'] && n in [1, n] && d in [1.0] && b in [true]",
        "n + 1 - 2 * 3 / 4 % 5 == 0",
        "d + 1.0 - 2.0 * 3.0 / 4.0 == d",
        "s + 'a' == 'ba'",
        "b ? b : !b",
        "(b ? 1 : n) == 2",
        "size(s) == s.size() && size(l) == l.size() && [1].size() == 1",
        "s.startsWith('a') && s.endsWith(s) && s.contains('b') && (s + 'x').contains('a')",
        r"s.matches(r'^\w+$')",
        "int(d) == n && int(n) == n && double(n) == d && double(d) == d",
        "string(n) == s && string(s) == s",
        "s" + " + s" * MAX_JOINS + " == s",
        "n" + " + n" * (MAX_JOINS + 1) + " == n",
    ],
)
def test_a_condition_whose_types_fit_passes(names: Names, source: str) -> None:
    check(parse(source), names)


@pytest.mark.rows
@pytest.mark.parametrize(
    ("source", "offset", "instead"),
    [
        ("n", 0, "this is int: compare it"),
        ("s + 'a'", 2, "this is string"),
        ("['a']", 0, r"this is list\(string\)"),
        ("x", 0, "`x` is not known"),
        ("9223372036854775808 > n", 0, "64 bits"),
        ("n > -9223372036854775809", 4, "64 bits"),
        ("!n", 1, "`!` takes true or false, and this is int"),
        ("n && b", 0, "`&&` takes"),
        ("b || s", 5, "`\\|\\|` takes"),
        ("n == 1.0", 2, "write `2.0` instead of `2`"),
        ("d > 1", 2, "write `2.0` instead of `2`"),
        ("n + d == d", 2, "double\\(x\\)"),
        ("s == 1", 2, "need one type"),
        ("s == l", 2, "write `x in list`"),
        ("['a'] == s", 6, "write `x in list`"),
        ("n < n < n", 6, "bool on its left"),
        ("b < b", 2, "numbers or texts"),
        ("l >= l", 2, "numbers or texts"),
        ("d % d == d", 2, "`%` takes int, and these are double"),
        ("l + l == l", 2, "`\\+` takes double or int or string"),
        ("s * s == s", 2, "`\\*` takes double or int"),
        ("b - b", 2, "`-` takes"),
        ("s in 'ab'", 2, "x.contains"),
        ("n in l", 2, "need one type"),
        ("l in l", 2, "need one type"),
        ("l == []", 5, "size\\(x\\) == 0"),
        ("l in [l]", 6, "lists hold no lists"),
        ("s in ['a', 1]", 11, "the first is string"),
        ("n ? b : b", 0, "`\\?` takes"),
        ("b ? b : n", 8, "both choices have one type"),
        ("b ? n : n", 2, "this is int"),
        ("len(s) == 1", 0, "there is no function `len`: write one of size"),
        ("s.startswith('a')", 2, "did you mean `startsWith`"),
        ("startsWith(s, 'a')", 0, r"write `x.startsWith\('a'\)`"),
        ("n.string() == s", 2, r"write `string\(2\)`"),
        ("size(s, s) == 1", 0, r"write `size\(x\)`"),
        ("size() == 1", 0, r"write `size\(x\)`"),
        ("size(n) == 1", 5, "and not int here"),
        ("s.contains(n)", 11, "takes string and not int"),
        ("l.contains('a')", 0, r"takes string and not list\(string\)"),
        ("string(d) == s", 7, "takes int or string and not double"),
        ("int(s) == 1", 4, "takes double or int and not string"),
        ("(s + s).matches('a')", 3, "only a name"),
        ("s.matches(s)", 10, "written out"),
        ("s.matches('(')", 10, "RE2"),
        ("s" + " + s" * (MAX_JOINS + 1) + " == s", 34, "joined at most 8 times"),
    ],
)
def test_a_condition_whose_types_do_not_fit_is_refused_with_what_to_write(
    names: Names, source: str, offset: int, instead: str
) -> None:
    with pytest.raises(ConditionError, match=instead) as refused:
        check(parse(source), names)
    assert refused.value.offset == offset
