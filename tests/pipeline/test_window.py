from collections.abc import Callable, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.detectors.text import Text
from gateway.domain.exchange import Finish, TextDelta
from gateway.domain.verdict import Action
from gateway.pipeline._window import seen, window_start
from gateway.pipeline.guard import Guard, Watch
from policies.engine.model import Rule

NOW = 1_000.0
texts = st.text(st.sampled_from("ab\u200b\u0301"), max_size=40)


# What lies between is Chinese, or no character as yet, and none of it is changed; behind it all is private.
USUAL = (*range(1, 0x20000), *range(0x2F000, 0x30000), *range(0xE0000, 0xF0000))


@pytest.mark.parametrize("codes", [USUAL, pytest.param(range(1, 0x110000), marks=pytest.mark.exhaustive)])
def test_exactly_the_characters_that_detectors_leave_out_are_not_counted(codes: Sequence[int]) -> None:
    characters = [chr(code) for code in codes if not 0xD800 <= code < 0xE000]
    folded = Text("\x00".join(characters)).matching.split("\x00")
    left_out = {character for character, matched in zip(characters, folded, strict=True) if not matched}
    assert left_out == {character for character in characters if not seen(character)}


@given(text=texts, window=st.integers(1, 12))
def test_a_window_holds_so_many_characters_that_are_seen(text: str, window: int) -> None:
    at = window_start(text, window)
    if seen(text) < window:
        assert at == 0
    else:
        assert seen(text[at:]) == window
        assert at == 0 or seen(text[at + 1 :]) <= window


class Counting:
    """Says how many characters it was shown in all."""

    def __init__(self) -> None:
        self.shown = 0

    def scan(self, subject: object, wanted: frozenset[str]) -> dict[str, object]:
        del wanted
        self.shown += len(getattr(subject, "text", ""))
        return {}

    def asks(self, wanted: frozenset[str]) -> bool:
        return not wanted


@pytest.mark.rows
@pytest.mark.parametrize(
    "unit",
    ["abcd ", "\u200b" * 5, "e\u0301 ", "\u200b" * 60 + "a", "a" + "\u200b" * 7 + "\u0301"],
)
def test_what_is_looked_at_grows_with_the_text_and_not_with_its_square(
    watch: Callable[..., Watch], rule: Callable[..., Rule], unit: str
) -> None:
    def shown(times: int) -> float:
        scanner = Counting()
        guard = Guard(None, watch(rule(action=Action.BLOCK), mode="window", window=64, scanner=scanner))
        for _ in range(times):
            guard.feed(TextDelta(choice=0, text=unit), NOW)
        guard.feed(Finish(choice=0, reason="stop"), NOW)
        return scanner.shown / times

    assert shown(4_000) < 2 * shown(500) + 100


def test_a_flood_that_nobody_sees_waits_for_the_end_as_in_a_whole_answer(
    watch: Callable[..., Watch], rule: Callable[..., Rule]
) -> None:
    guard = Guard(None, watch(rule(action=Action.BLOCK), mode="window"))
    flood = "\u200b" * 1_000
    assert guard.feed(TextDelta(choice=0, text=flood), NOW) == ()
    assert guard.feed(TextDelta(choice=0, text="x" * 100), NOW) == ()
    end = Finish(choice=0, reason="stop")
    assert guard.feed(end, NOW) == (TextDelta(choice=0, text=flood + "x" * 100), end)
