import pytest

from policies.engine.expression.errors import ConditionError
from policies.engine.expression.text import text_of


@pytest.mark.rows
@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("'a'", "a"),
        ('"a"', "a"),
        ("'b'", "b"),
        ("''", ""),
        ("'say \"hi\"'", 'say "hi"'),
        (r"'\a\b\f\n\r\t\v\\\'\"\`\?'", "\a\b\f\n\r\t\v\\'\"`?"),
        (r"'\x41\u00e9\U0001F600\101'", "A\u00e9\U0001f600A"),
        (r"r'\d+\.'", r"\d+\."),
        (r'R"\n"', r"\n"),
        ("'\u00e9\U0001f600'", "\u00e9\U0001f600"),
    ],
)
def test_a_quoted_text_is_read_as_cel_reads_it(written: str, meant: str) -> None:
    assert text_of(f"x == {written} ", 5) == (meant, 5 + len(written))


@pytest.mark.rows
@pytest.mark.parametrize(
    ("written", "offset", "instead"),
    [
        ("'a", 0, "close its quote"),
        ("'a\nb'", 0, "close its quote"),
        (r"'a\'", 0, "close its quote"),
        (r"'ab\q'", 3, "an `r` before the quote"),
        (r"'\x4'", 1, "an `r` before the quote"),
        (r"'\401'", 1, "an `r` before the quote"),
        (r"'\U00110000'", 1, "code points end"),
        (r"'\ud800'", 0, "surrogate"),
        ("'\ud800'", 0, "surrogate"),
        ("b'a'", 0, "without its `b`"),
        ("rb'a'", 0, "without its `b`"),
        (r"r'a\'", 0, "end in a backslash"),
        ("'''a'''", 0, "one pair of quotes"),
        ('r"""a"""', 0, "one pair of quotes"),
    ],
)
def test_a_text_that_is_none_is_refused_with_what_to_write(written: str, offset: int, instead: str) -> None:
    with pytest.raises(ConditionError, match=instead) as refused:
        text_of(written, 0)
    assert refused.value.offset == offset
