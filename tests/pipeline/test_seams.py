from hypothesis import given
from hypothesis import strategies as st

from gateway.domain.detection import Stage
from gateway.domain.verdict import Action, Edit, Findings
from gateway.pipeline.seams import MARGIN, seams_of, spread

_TEXTS = st.lists(st.integers(0, 3 * MARGIN), min_size=1, max_size=6)


def edit(where: str, start: int, end: int) -> Edit:
    return Edit(stage=Stage.DATA, where=where, start=start, end=end, kind="k", action=Action.REDACT)


@given(_TEXTS)
def test_every_border_is_looked_at_with_as_much_on_either_side_as_there_is(sizes: list[int]) -> None:
    texts = {f"t{number}": chr(ord("a") + number) * size for number, size in enumerate(sizes)}
    seams = seams_of([(str, where, text) for where, text in texts.items()])
    joined = "".join(seam.text for seam in seams)
    for seam in seams:
        assert seam.text == "".join(texts[p.where][p.start : p.start + p.length] for p in seam.pieces)
    for (_, left), (_, right) in zip(list(texts.items()), list(texts.items())[1:], strict=False):
        assert left[-min(MARGIN, len(left)) :] + right[: min(MARGIN, len(right))] in joined


@given(_TEXTS, st.data())
def test_an_edit_at_a_seam_covers_the_same_characters_in_the_texts(sizes: list[int], data: st.DataObject) -> None:
    texts = {f"t{number}": "".join(map(chr, range(500, 500 + size))) for number, size in enumerate(sizes)}
    for seam in seams_of([(str, where, text) for where, text in texts.items()]):
        start = data.draw(st.integers(0, len(seam.text)))
        end = data.draw(st.integers(start, len(seam.text)))
        found = spread(Findings(edits=(edit(seam.where, start, end),)), [seam])
        assert "".join(texts[e.where][e.start : e.end] for e in found.edits) == seam.text[start:end]


def test_texts_of_different_kinds_have_no_border() -> None:
    assert seams_of([(str, "a", "x"), (int, "b", "y"), (str, "c", "z")]) == []
    assert [seam.where for seam in seams_of([(str, "a", "x"), (str, "b", "y"), (int, "c", "z")])] == ["a+b"]


def test_what_is_no_seams_stays_as_it_is() -> None:
    found = Findings(edits=(edit("a", 0, 1),), demoted=("a", "a"))
    assert spread(found, []) == Findings(edits=(edit("a", 0, 1),), demoted=("a",))
