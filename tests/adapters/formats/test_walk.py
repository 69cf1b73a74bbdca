import time
from collections.abc import Callable
from itertools import count as counted

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adapters.formats._folding import fold, folds
from adapters.formats._reserved import ReservedTokens, compile_reserved
from adapters.formats._walk import stretches

WORDS = ("<ab>", "<a|", "|b|", "[<a]", "ab9", "<0>", "fib")
PIECES = (
    *WORDS,
    *"<>[]|ab07f",
    "<<<<<<<<<<",
    "ab",
    "\u200b",
    "\U000e0041",
    "\uff1c",
    "\ufb01",
    "\U0001d41a",
    "é",
    "x" * 70,
)
TABLE = folds({char for word in WORDS for char in word} | set("0123456789"))


def one_by_one(text: str, words: tuple[str, ...]) -> tuple[str, int]:
    """The rule itself, slowly: whenever a word ends, the longest goes, and reading goes on from what is left."""
    kept: list[tuple[str, str]] = []
    removed = 0
    for char in text:
        form = ""
        kept.append((char, form))
        for symbol in TABLE.get(char, "\0"):
            form += symbol
            kept[-1] = (char, form)
            view = "".join(seen for _, seen in kept)
            length = max((len(word) for word in words if view.endswith(word)), default=0)
            if length:
                removed += 1
                while length > 0:
                    length -= len(kept.pop()[1])
                break
    return "".join(char for char, _ in kept), removed


@given(st.lists(st.sampled_from(PIECES), max_size=40).map("".join))
@settings(max_examples=2 * settings().max_examples)
def test_looking_at_stretches_removes_what_looking_at_characters_would(text: str) -> None:
    kept, removed = ReservedTokens((), WORDS).remove(text)
    slow, slowly_removed = one_by_one(text, WORDS)
    assert kept == slow
    assert removed == slowly_removed


@given(st.text(alphabet="<>[]ab\u200b\uff1c\uff1e\n", max_size=300))
def test_stretches_are_the_text(text: str) -> None:
    assert "".join(stretches(text)) == text
    assert all(stretches(text))


def test_a_text_longer_than_what_is_cut_at_a_time_is_whole() -> None:
    text = "<|im_" * 40_000
    assert "".join(stretches(text)) == text
    assert compile_reserved("chatml").remove(text + "end|>" * 40_000) == ("", 40_000)


def test_more_different_stretches_than_are_remembered_change_nothing() -> None:
    numbers = counted(10_000)
    text = "".join(f"<|im_{next(numbers)}>" for _ in range(20_000))
    assert compile_reserved("chatml").remove(f"{text}<|im_end|>{text}") == (text + text, 1)


def test_what_stands_before_a_token_in_its_stretch_stays() -> None:
    reserved = compile_reserved("chatml", ("|DSML|",))
    assert reserved.remove("a b|DSML|c") == ("a bc", 1)
    assert reserved.remove("a\u200b|DS|DSML|ML|c") == ("a\u200bc", 2)
    assert reserved.remove("x|\u200bD<|im_end|>S\u200bML|y") == ("xy", 2)
    assert reserved.remove("<<<|im_<|im_end|>end|>") == ("<<", 2)


HOSTILE: dict[str, Callable[[int], str]] = {
    "nested": lambda size: "<|im_" * (size // 10) + "end|>" * (size // 10),
    "in turn": lambda size: "<|im_<|im_end|>end|>" * (size // 20),
    "flat": lambda size: "<|im_end|>" * (size // 10),
    "fullwidth": lambda size: "\uff1c|im_end|\uff1e" * (size // 10),
    "spread out": lambda size: "<|\u200bim_end|>" * (size // 11),
    "prefixes": lambda size: "<|im_" * (size // 5) + "<|im_end|>",
    "angles": lambda size: "<" * size + "|im_end|>",
    "brackets": lambda size: "[" * size + "INST]",
    "different": lambda size: "".join(f"<|im_e{number:x}" for number in range(size // 11)) + "<|im_end|>",
}


@pytest.mark.rows
@pytest.mark.parametrize("kind", sorted(HOSTILE))
def test_eight_times_the_hostile_text_takes_about_eight_times_as_long(kind: str) -> None:
    reserved = compile_reserved("all")
    took: list[float] = []
    for size in (100_000, 800_000):
        text = HOSTILE[kind](size)
        began = time.process_time()
        kept, _ = reserved.remove(text)
        took.append(time.process_time() - began)
        assert reserved.remove(kept) == (kept, 0)
    # A quadratic search would take 64 times as long. Clocks are coarse and machines shared, hence the room.
    assert took[1] < 32 * max(took[0], 0.01)


def test_the_table_of_the_oracle_folds_as_the_search_does() -> None:
    assert fold("\uff1c\ufb01\U0001d41a\u200b") == "<fia"
