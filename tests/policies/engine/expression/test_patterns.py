import pytest

from policies.engine.expression.errors import ConditionError
from policies.engine.expression.patterns import MAX_PATTERN, compiled


@pytest.mark.rows
@pytest.mark.parametrize(
    ("pattern", "text", "matches"),
    [
        ("^a+$", "aaa", True),
        ("^a+$", "aab", False),
        ("b", "abc", True),
        (r"\d", "\u0661", False),
        (r"^\p{L}$", "\u00e9", True),
        ("^.$", "\U0001f600", True),
        ("", "", True),
    ],
)
def test_a_pattern_matches_as_re2_does(pattern: str, text: str, matches: bool) -> None:
    assert compiled(pattern, 0)(text) is matches


@pytest.mark.rows
@pytest.mark.parametrize("pattern", ["(", "(?=a)", r"(a)\1", "(((a{100}){100}){100})", "a" * (MAX_PATTERN + 1)])
def test_a_pattern_that_re2_cannot_use_or_that_is_too_long_is_refused(pattern: str) -> None:
    with pytest.raises(ConditionError) as refused:
        compiled(pattern, 3)
    assert refused.value.offset == 3


def test_the_longest_pattern_is_used() -> None:
    assert compiled("a" * MAX_PATTERN, 0)("a" * MAX_PATTERN)
