import pytest

from gateway.evaluation.placing import placed


@pytest.mark.parametrize(
    ("position", "expected"), [("start", "X--one two"), ("middle", "one--X--two"), ("end", "one two--X")]
)
def test_a_text_goes_where_it_is_wanted(position: str, expected: str) -> None:
    assert placed("X", "one two", position, "--", lambda text: (text[:3], text[4:])) == expected
