from concurrent.futures import ThreadPoolExecutor

import pytest

from gateway.domain.detection import FactValue
from policies.engine.expression.engine import Program, build
from policies.engine.expression.errors import ConditionFailed
from policies.engine.expression.parse import MAX_DEPTH, parse

HOSTS = {"lists.hosts": ("a.example", "b.example"), "lists.name": "n"}


def built(source: str) -> Program:
    return build(parse(source), HOSTS)


@pytest.mark.rows
@pytest.mark.parametrize(
    ("source", "values", "held"),
    [
        ("a.on", [True], True),
        ("a.on && !b.on", [True, False], True),
        ("a || b && c", [True, False, False], True),
        ("(a || b) && c", [True, False, False], False),
        ("a == (b == c)", [False, False, True], True),
        ("n - (2 - 1) == 1", [2], True),
        ("n - 2 - 1 == 1", [2], False),
        ("(a ? b : c) ? b : c", [True, False, True], True),
        ("a ? b : c ? b : c", [True, False, True], False),
        ("(a ? b : c) == c", [True, False, True], False),
        ("size(s) == 2", ["\u00e9\U0001f600"], True),
        ("s.size() == 2", [("a", "b")], True),
        ("lists.hosts.size() == 2", [], True),
        ("s in lists.hosts", ["a.example"], True),
        ("s in lists.hosts", ["a.exampl"], False),
        ("lists.name in s", [("n",)], True),
        ("s in ['a', 'b']", ["b"], True),
        ("s in ['a', t]", ["b", "b"], True),
        ("n in [1, 2]", [3], False),
        ("'x' in s", [("x", "y")], True),
        ("s == lists.name", ["n"], True),
        ("(s + 'b').startsWith('ab')", ["a"], True),
        ("s.matches('^a+$')", ["aaa"], True),
        ("s.matches('^a+$')", ["aab"], False),
        ("int(d) == 2", [2.9], True),
        ("double(n) / 0.0 > 1.0", [1], True),
        ("1.0 / d > 0.0", [-0.0], True),
        ("n == 9223372036854775807", [2**63 - 1], True),
        ("a || 1 / 0 == 1", [True], True),
        ("1 / 0 == 1 || a", [True], True),
        ("1 / 0 == 1 && a", [False], False),
    ],
)
def test_a_tree_runs_as_it_reads(source: str, values: list[FactValue], held: bool) -> None:
    assert built(source).run(values) is held


@pytest.mark.rows
@pytest.mark.parametrize(
    ("source", "values"),
    [
        ("1 / n == 1", [0]),
        ("1 % n == 1", [0]),
        ("n + 1 > 0", [2**63 - 1]),
        ("n - 1 < 0", [-(2**63)]),
        ("n / -1 > 0", [-(2**63)]),
        ("n * 2 > 0", [2**62]),
        ("n > 0", [2**63]),
        ("n > 0", [-(2**63) - 1]),
        ("int(d) > 0", [1e30]),
        ("d == 0.5", [float("nan")]),
        ("d == 0.5", [float("inf")]),
        ("0.0 / d < 1.0", [0.0]),
        ("s == 'a'", ["\ud800"]),
        ("s.matches('a')", ["\ud800"]),
        ("a || 1 / 0 == 1", [False]),
        ("n", [1]),
    ],
)
def test_what_has_no_value_fails_without_a_word_about_the_facts(source: str, values: list[FactValue]) -> None:
    with pytest.raises(ConditionFailed, match="guard divisions") as failed:
        built(source).run(values)
    assert failed.value.__context__ is None or failed.value.__suppress_context__
    assert failed.value.__cause__ is None


def test_facts_are_read_in_the_order_of_their_first_use() -> None:
    assert built("b && a.x == lists.name && b && c in lists.hosts").refs == ("b", "a.x", "c")


@pytest.mark.rows
@pytest.mark.parametrize(
    ("opening", "closing"),
    [
        ("(a && ", ")"),
        ("!(", ")"),
        ("(1 + 2 * ", ") * 3"),
        ("a ? b : (b && ", ")"),
        ("[", "]"),
        ("f(", ")"),
        ("a == (", ")"),
    ],
)
def test_the_deepest_condition_compiles(opening: str, closing: str) -> None:
    times = MAX_DEPTH // 2 - 1
    build(parse(opening * times + "a" + closing * times), {})


def test_the_longest_chain_compiles_and_runs() -> None:
    assert built("||".join(["a"] * 100)).run([True])


def test_threads_share_a_program() -> None:
    program = built("n == m && s in lists.hosts && s.matches('^b')")

    def asked(number: int) -> bool:
        return program.run([number, number if number % 2 else 0, "b.example"])

    with ThreadPoolExecutor(8) as threads:
        assert list(threads.map(asked, range(1, 2001))) == [number % 2 == 1 for number in range(1, 2001)]
