import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.detectors.regex import InvalidPattern, Pattern, PatternSet


@pytest.mark.parametrize("text", ["an apple, one apple", "ein Äpfel, an apple — one apple"])
def test_spans_count_characters(text: str) -> None:
    spans = list(Pattern("(an|one) (apple)").spans(text, group=2))
    assert [text[start:end] for start, end in spans] == ["apple", "apple"]


def test_group_that_took_no_part_is_left_out() -> None:
    assert list(Pattern("a(b)?").spans("a ab", group=1)) == [(3, 4)]


def test_occurs() -> None:
    assert Pattern("é+").occurs("caféé")
    assert not Pattern("é+").occurs("cafe")


def test_set_names_those_that_occur() -> None:
    patterns = PatternSet(["apple", "pear", "p+"])
    assert sorted(patterns.hits("apple")) == [0, 2]
    assert list(patterns.hits("fig")) == []


@pytest.mark.rows
@pytest.mark.parametrize("source", ["(?<=a)b", r"(a)\1", "("])
def test_what_is_no_re2_is_refused(source: str) -> None:
    with pytest.raises(InvalidPattern, match="RE2"):
        Pattern(source)
    with pytest.raises(InvalidPattern, match="RE2"):
        PatternSet(["fine", source])


@given(st.text("abcé", max_size=30))
def test_set_and_single_patterns_agree(text: str) -> None:
    sources = ["a+b", "^c", "é.?a", "(?:ab|bc){2}"]
    assert sorted(PatternSet(sources).hits(text)) == [
        index for index, source in enumerate(sources) if Pattern(source).occurs(text)
    ]


def test_lone_surrogate_is_one_character_like_any_other() -> None:
    text = "é\ud800 apple"
    assert Pattern("apple").occurs(text)
    assert list(Pattern("apple").spans(text)) == [(3, 8)]
    assert list(PatternSet(["apple"]).hits(text)) == [0]
