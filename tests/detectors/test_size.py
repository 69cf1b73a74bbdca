import pytest

from gateway.detectors.size import FACTS, Size
from gateway.detectors.text import Text
from gateway.domain.detection import Stage, Subject


@pytest.mark.rows
@pytest.mark.parametrize(
    ("text", "chars", "size", "tokens", "lines"),
    [
        ("", 0, 0, 0, 0),
        ("abcd", 4, 4, 1, 1),
        ("abcde", 5, 5, 2, 1),
        ("a\nb\n", 4, 4, 1, 2),
        ("a\nb", 3, 3, 1, 2),
        ("é", 1, 2, 1, 1),
        ("中文", 2, 6, 3, 1),
        ("abcd中", 5, 7, 3, 1),
        ("\ud800", 1, 3, 2, 1),
    ],
)
def test_a_text_is_measured(text: str, chars: int, size: int, tokens: int, lines: int) -> None:
    subject = Subject(stage=Stage.DATA, where="d", text=text, facts={})
    assert Size().detect(Text(text), subject).facts == {
        "det.size.chars": chars,
        "det.size.bytes": size,
        "det.size.tokens": tokens,
        "det.size.lines": lines,
    }


def test_it_is_asked_about_every_text() -> None:
    assert (Size().patterns, Size().facts) == ((), FACTS)
