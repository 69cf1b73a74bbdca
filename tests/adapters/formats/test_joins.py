import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.formats._joins import Piece, join_clean


def _piece(text: str, where: str = "d") -> Piece:
    return Piece(text=text, where=where)


@pytest.mark.rows
@pytest.mark.parametrize(
    ("parts", "token", "joined", "cuts"),
    [
        (["a\n", _piece("Human: x")], "\nHuman:", "a\n x", 1),
        (["a\n", _piece("Human: x")], "\nHumans:", "a\nHuman: x", 0),
        ([_piece("x Hum"), "an: b"], "Human:", "x an: b", 1),
        (["<", _piece("end"), ">"], "<end>", "<>", 1),
        (["<", _piece("e"), _piece("nd"), ">"], "<end>", "<e>", 1),
        (["<", _piece("e"), _piece("n"), "d>"], "<end>", "<ed>", 1),
        (["\n", _piece("HHH x")], "\nH", "\n x", 3),
        ([_piece("x HHH"), "\n"], "H\n", "x \n", 3),
        (["<end>", _piece("end>"), "x"], "<end>", "<end>end>x", 0),
        ([_piece("a<"), "<end>"], "<end>", "a<<end>", 0),
        (["\n", _piece("")], "\nH", "\n", 0),
        (["\n", _piece("H" * 40 + "x")], "\nH", "\n", 32),
        ([_piece("x" + "H" * 40), "\n"], "H\n", "\n", 32),
        ([_piece("xassistant"), "}", "\n"], "assistant}\n", "x}\n", 1),
    ],
)
def test_characters_go_from_the_prompts_text_until_the_join_is_clean(
    parts: list[str | Piece], token: str, joined: str, cuts: int
) -> None:
    text, counted = join_clean(parts, lambda text: token in text, len(token))
    assert text == joined
    assert sum(number for _, number in counted) == cuts


@given(
    st.lists(st.text("ab\n", max_size=6), min_size=1, max_size=4),
    st.lists(st.text("b\n", max_size=3), min_size=4, max_size=4),
    st.sets(st.text("ab\n", min_size=2, max_size=4).filter(lambda token: "a" in token), min_size=1, max_size=3),
)
def test_no_join_makes_a_token_and_no_text_of_ours_is_touched(
    texts: list[str], between: list[str], tokens: set[str]
) -> None:
    def has_token(text: str) -> bool:
        return any(token in text for token in tokens)

    def clean(text: str) -> str:
        while has_token(text):
            for token in tokens:
                text = text.replace(token, "")
        return text

    parts: list[str | Piece] = []
    for number, text in enumerate(texts):
        parts += [f"{between[number]}X{between[number]}", _piece(clean(text), str(number))]
    joined, _ = join_clean([*parts, "\nX"], has_token, 4)
    assert not has_token(joined)
    ours = [part for part in parts if isinstance(part, str)]
    at = 0
    for part in (*ours, "\nX"):
        at = joined.index(part, at) + len(part)
    assert joined.count("X") == len(ours) + 1
