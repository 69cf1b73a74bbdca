"""Masking: nothing that a rule wanted gone survives in what is kept, and nothing else goes."""

from collections.abc import Callable, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.audit.mask import OTHER, UNOFFERED, hides_names, kept, masked, masked_ending, masked_name, masked_origin
from gateway.domain.detection import Stage
from gateway.domain.prompt import (
    Data,
    History,
    Instruction,
    Media,
    MediaKind,
    Prompt,
    Speaker,
    ToolCall,
    Trust,
    Turn,
)
from gateway.domain.verdict import Action, Edit
from gateway.pipeline.lift import tool_origin
from gateway.pipeline.subjects import NAMES, prompt_seams


def edit_of(where: str, start: int, end: int, action: Action = Action.REDACT) -> Edit:
    assert action is Action.REDACT or action is Action.PSEUDONYMISE
    return Edit(stage=Stage.DATA, where=where, start=start, end=end, kind="SECRET", action=action)


@pytest.fixture
def edit() -> Callable[..., Edit]:
    return edit_of


@pytest.fixture
def prompt() -> Prompt:
    """A conversation in which one place's name is taken several times."""
    call = ToolCall(id="s1", name="look_up", arguments='{"q":"planted-argument"}')
    media = Media(id="s1", origin="user", kind=MediaKind.IMAGE, mime="image/png", content="cGxhbnRlZA==", attributes={})
    return Prompt(
        turns=(
            Turn(
                speaker=Speaker.USER,
                segments=(
                    Instruction(id="s1", origin="user", text="Sum up.", trust=Trust.USER),
                    Data(id="s1", origin="web", text="planted-secret stays"),
                    media,
                ),
            ),
            Turn(
                speaker=Speaker.ASSISTANT,
                segments=(History(id="s1", text="I look."),),
                tool_calls=(call,),
                reasoning="planted-reasoning",
            ),
            Turn(speaker=Speaker.TOOL, segments=(Data(id="s1", origin="tool", text="found"),), call_id="s1"),
        )
    )


def test_texts_are_kept_by_the_names_of_their_places(prompt: Prompt) -> None:
    assert kept(prompt, ()) == {
        "s1": "Sum up.", "s1#2": "planted-secret stays", "s1#4": "I look.", "s1#6": "found",
    }  # fmt: skip


@pytest.mark.parametrize("action", [Action.REDACT, Action.PSEUDONYMISE])
def test_what_a_rule_wanted_gone_is_a_mark(prompt: Prompt, edit: Callable[..., Edit], action: Action) -> None:
    texts = kept(prompt, [edit("s1#2", 0, 14, action)])
    assert texts["s1#2"] == "[SECRET] stays"
    assert texts["s1"] == "Sum up."


def test_media_arguments_and_reasoning_are_never_kept(prompt: Prompt) -> None:
    told = str(kept(prompt, ()))
    assert not any(planted in told for planted in ("cGxhbnRlZA", "planted-argument", "planted-reasoning"))


def test_edits_of_what_is_not_kept_do_no_harm(prompt: Prompt, edit: Callable[..., Edit]) -> None:
    assert kept(prompt, [edit("s1#3", 0, 1), edit("s1#5", 0, 5), edit(NAMES, 0, 2)]) == kept(prompt, ())


def letters(first: int, count: int) -> str:
    """So many characters of which none comes twice."""
    return "".join(chr(0x4E00 + first + n) for n in range(count))


SPANS = st.lists(st.tuples(st.integers(0, 70), st.integers(0, 70)), max_size=8)


@given(length=st.integers(0, 60), spans=SPANS)
def test_no_character_of_a_masked_span_survives_and_every_other_does(
    length: int, spans: Sequence[tuple[int, int]]
) -> None:
    text = letters(0, length)
    gone = {at for start, end in spans for at in range(start, end)}
    left = "".join(char for char in masked(text, [edit_of("s1", *span) for span in spans]) if char >= "\u4e00")
    assert left == "".join(char for at, char in enumerate(text) if at not in gone)


@given(lengths=st.lists(st.integers(0, 20), min_size=2, max_size=5), spans=SPANS)
def test_what_was_found_across_borders_is_gone_on_both_sides(
    lengths: Sequence[int], spans: Sequence[tuple[int, int]]
) -> None:
    texts = [letters(100 * n, length) for n, length in enumerate(lengths)]
    segments = tuple(Data(id=f"d{n}", origin="web", text=text) for n, text in enumerate(texts))
    prompt = Prompt(turns=(Turn(speaker=Speaker.USER, segments=segments),))
    (seam,) = prompt_seams(prompt)
    gone = {at for start, end in spans for at in range(start, end)}
    told = "".join(kept(prompt, [edit_of(seam.where, *span) for span in spans]).values())
    left = "".join(char for char in told if char >= "\u4e00")
    assert left == "".join(char for at, char in enumerate("".join(texts)) if at not in gone)


def test_names_that_a_rule_wants_gone_are_told_of(edit: Callable[..., Edit]) -> None:
    assert hides_names([edit("s1", 0, 1), edit(NAMES, 3, 9)])
    assert not hides_names([edit("s1", 0, 1)])


def test_a_tool_name_that_nobody_offered_is_not_repeated() -> None:
    assert masked_name("look_up", {"look_up"}) == "look_up"
    assert masked_name("planted-secret", {"look_up"}) == UNOFFERED


names = st.text("abc_-", min_size=1, max_size=64)


@given(names, st.sets(names))
def test_a_tools_result_is_told_by_its_tool_only_where_the_request_offers_it(name: str, offered: set[str]) -> None:
    offered -= {name}
    cut = {tool_origin(other) for other in offered}
    hidden = f"tool:{UNOFFERED}"
    assert masked_origin(tool_origin(name), {*offered, name}) == tool_origin(name)
    assert masked_origin(tool_origin(name), offered) == (tool_origin(name) if tool_origin(name) in cut else hidden)
    assert masked_origin("tool", offered) == "tool"


@pytest.mark.rows
@pytest.mark.parametrize("word", ["stop", "length", "tool_calls", "content_filter", "function_call", "error"])
def test_an_ending_in_openais_words_is_told(word: str) -> None:
    assert masked_ending(word) == word


@given(st.from_regex(r"[A-Za-z0-9_.:-]{1,64}", fullmatch=True))
def test_another_word_for_an_ending_is_not_told(word: str) -> None:
    assert masked_ending(f"x{word}") == OTHER
