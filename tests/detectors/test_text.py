# ruff: noqa: RUF001 - lookalikes are what these tests are about
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.detectors._confusables import CONFUSABLES, LOOKALIKES, NEAR_LOOKALIKES
from gateway.detectors._folding import IGNORABLE_RANGES
from gateway.detectors.text import Text


def test_ascii_is_lower_cased_in_place() -> None:
    text = Text("Hello WORLD")
    assert text.ascii
    assert text.matching == "hello world"
    assert text.span(6, 11) == (6, 11)


@pytest.mark.rows
@pytest.mark.parametrize(
    ("original", "matching"),
    [
        ("Ｉｇｎｏｒｅ", "ignore"),
        ("ignоrе", "ignore"),
        ("ΙGΝΟRΕ", "ignore"),
        ("𝐈𝐠𝐧𝐨𝐫𝐞", "ignore"),
        ("🅸🅶🅽🅾🆁🅴", "ignore"),
        ("ⓘⓖⓝⓞⓡⓔ", "ignore"),
        ("ɪɢɴᴏʀᴇ", "ignore"),
        ("i\u0301g\u0336nöre", "ignore"),
        ("ig\u200bno\u00adr\U000e0041e", "ignore"),
        ("Straße über Fluß", "strasse uber fluss"),
        ("“don’t” – ﬁne…", '"don\'t" - fine...'),
        ("a\u00a0b\u2003c\u2028d", "a b c\nd"),
        ("İstanbul", "istanbul"),
        ("中文 한국어", "中文 한국어"),
        ("\ud800x\u00e9", "\ufffdxe"),
    ],
)
def test_non_ascii_is_folded(original: str, matching: str) -> None:
    text = Text(original)
    assert not text.ascii
    assert text.matching == matching


def test_span_is_the_fewest_characters_that_give_the_match() -> None:
    text = Text("«\u200bﬁ\u200bne\u200b»")
    start = text.matching.index("fine")
    assert text.original[slice(*text.span(start, start + 4))] == "ﬁ\u200bne"
    assert text.original[slice(*text.span(start + 1, start + 2))] == "ﬁ"
    assert text.span(start, start) == (2, 2)


def test_what_stands_for_a_sentence_is_cut_to_four() -> None:
    assert len(Text("\ufdfa").matching) == 4


SAMPLES = st.text(
    st.one_of(
        st.characters(),
        st.sampled_from("aZ é\u200b\ufdfaﬁ㍿½İßжо\u0301\U000e0041\U0001f1e9\u2028\U0002f801\U000e0fff"),
    ),
    max_size=40,
)


@given(SAMPLES, st.data())
def test_span_maps_back_exactly(original: str, data: st.DataObject) -> None:
    text = Text(original)
    end = data.draw(st.integers(0, len(text.matching)))
    start = data.draw(st.integers(0, end))
    first, last = text.span(start, end)
    assert 0 <= first <= last <= len(original)
    assert text.matching[start:end] in Text(original[first:last]).matching
    if start < end:
        width = [len(Text(original[:cut]).matching) for cut in (first, first + 1, last - 1, last)]
        assert width[0] <= start < width[1]
        assert width[2] < end <= width[3]


@given(SAMPLES)
def test_folding_is_by_character_and_leaves_no_capitals(original: str) -> None:
    matching = Text(original + "é").matching
    assert matching == "".join(Text(one + "é").matching[:-1] for one in original) + "e"
    assert matching == Text("é" + original).matching[1:] + "e"
    assert not any("A" <= one <= "Z" for one in matching)


@given(SAMPLES)
def test_sparse_and_dense_texts_fold_alike(original: str) -> None:
    padding = "x" * (16 * len(original) + 16)
    assert Text("é" + padding + original).matching == "e" + padding + Text("é" + original).matching[1:]


def test_ignorable_characters_have_no_letters_among_them() -> None:
    codes = [code for first, last in IGNORABLE_RANGES for code in range(first, last + 1)]
    categories = {unicodedata.category(chr(code)) for code in codes}
    # Hangul fillers and Khmer inherent vowels are letters in name only.
    assert categories <= {"Cf", "Mn", "Cn", "Lo"}


def test_lookalikes_are_folded_to_ascii_letters() -> None:
    for letter in LOOKALIKES | NEAR_LOOKALIKES:
        assert Text(letter).matching.isascii()
        assert Text(letter).matching.isalpha()


def test_no_ascii_character_is_a_confusable_and_all_are_read_as_ascii() -> None:
    assert not any(letter.isascii() for letter in CONFUSABLES)
    assert all(read.isascii() and read == read.lower() for read in CONFUSABLES.values())


@pytest.mark.rows
@pytest.mark.parametrize(
    "text",
    [
        "Größe und Maß" * 9,
        "中文，全角" + "".join(map(chr, range(0x4E00, 0x4F00))) + "ﬁ",
        "".join(map(chr, range(0x400, 0x500))) + "e\u0301",
        "😀 Straße 👍",
        "\ufffe½\uffff",
        "".join(map(chr, range(0xFF01, 0xFF5F))) + "".join(map(chr, range(0x4E00, 0x4F00))),
    ],
    ids=["known page", "few to replace", "own page too small", "emoji", "no characters", "many to replace"],
)
def test_every_way_of_folding_gives_what_single_characters_give(text: str) -> None:
    pieces = [Text(one).matching for one in text]
    whole = Text(text)
    assert whole.matching == "".join(pieces)
    at = 0
    for place, piece in enumerate(pieces):
        if piece:
            assert whole.span(at, at + len(piece)) == (place, place + 1)
        at += len(piece)
