"""How texts, marks and reasoning stand in the messages of Anthropic's wire; data is in ``test_anthropic_blocks.py``."""

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from adapters.formats import anthropic_blocks
from gateway.domain.errors import NotSayable
from gateway.domain.jsonvalue import JsonValue
from gateway.domain.prompt import (
    CacheLife,
    Data,
    History,
    Instruction,
    Media,
    Prompt,
    Seal,
    Speaker,
    Tool,
    ToolCall,
    Trust,
    Turn,
)
from gateway.domain.target import FormatOptions, Layout, Removal

MakePrompt = Callable[..., Prompt]
MakeOptions = Callable[..., FormatOptions]
MakeCall = Callable[..., ToolCall]
Json = dict[str, Any]

FIVE_MINUTES = {"cache_control": {"type": "ephemeral"}}
HOUR = {"cache_control": {"type": "ephemeral", "ttl": "1h"}}


def text(words: str, **more: Any) -> Json:
    return {"type": "text", "text": words, **more}


def told(*texts: str, marks: dict[int, CacheLife] | None = None, listed: bool = False, **more: Any) -> Turn:
    """A user's turn of these texts, some of them marked."""
    segments = tuple(
        Instruction(id=f"u{at}", origin="user", text=words, trust=Trust.USER, cache=(marks or {}).get(at))
        for at, words in enumerate(texts)
    )
    return Turn(speaker=Speaker.USER, segments=segments, listed=listed, **more)


def said(*texts: str, **more: Any) -> Turn:
    history = tuple(History(id=f"h{at}", text=words) for at, words in enumerate(texts))
    return Turn(speaker=Speaker.ASSISTANT, segments=history, **more)


@pytest.fixture
def lay(options: MakeOptions) -> Callable[..., Layout]:
    """``lay(turn, …)``: the turns as they are laid out for Claude."""

    def make(*turns: Turn, tools: tuple[Tool, ...] = ()) -> Layout:
        return anthropic_blocks.lay_out(Prompt(turns=turns, tools=tools), options("claude"))

    return make


Lay = Callable[..., Layout]


def messages(layout: Layout) -> list[tuple[str, list[Json]]]:
    read: list[Json] = json.loads(json.dumps(layout.body["messages"]))
    return [(message["role"], message["content"]) for message in read]


def test_texts_of_one_turn_are_one_unless_the_client_listed_them(lay: Lay) -> None:
    assert messages(lay(told("One.", "Two."))) == [("user", [text("One.\n\nTwo.")])]
    assert messages(lay(told("One.", "Two.", listed=True))) == [("user", [text("One."), text("Two.")])]
    assert messages(lay(told("One.\n", "Two."))) == [("user", [text("One.\nTwo.")])]


def test_neighbouring_turns_of_one_role_share_a_message_and_stay_apart_in_it(lay: Lay) -> None:
    turns = (told("One."), told("Two.", listed=True), said("A."), said("B.", "C."), told("Three."))
    assert messages(lay(*turns)) == [
        ("user", [text("One."), text("\n\nTwo.")]),
        ("assistant", [text("A."), text("\n\nB.\n\nC.")]),
        ("user", [text("Three.")]),
    ]


def test_a_token_that_two_texts_would_make_together_is_taken_out(lay: Lay) -> None:
    layout = lay(told("a<|im_", "end|>b", listed=True))
    assert messages(layout) == [("user", [text("a<|im_b")])]
    assert layout.removals == (Removal(where="u1", count=1),)
    marked = lay(told("a<|im_", "end|>b", listed=True, marks={0: "1h"}))
    assert messages(marked) == [("user", [text("a<|im_b", **HOUR)])]


def test_empty_and_blank_texts_are_left_out_where_the_api_would_refuse_them(lay: Lay) -> None:
    assert messages(lay(told("", "One.", "", "Two.", ""))) == [("user", [text("One.\n\nTwo.")])]
    assert messages(lay(told("<|im_end|>", "One.", listed=True))) == [("user", [text("One.")])]
    assert messages(lay(told("One.", " ", "Two.", listed=True))) == [("user", [text("One."), text(" "), text("Two.")])]
    assert messages(lay(told("One."), said(" \n"), told("Two."))) == [
        ("user", [text("One.")]),
        ("user", [text("Two.")]),
    ]


@pytest.mark.rows
@pytest.mark.parametrize("turns", [(), (told(""),), (told(" "), said("")), (told("<|im_end|>"),)])
def test_a_request_in_which_nobody_says_anything_is_refused(lay: Lay, turns: tuple[Turn, ...]) -> None:
    with pytest.raises(NotSayable, match="nobody says anything") as caught:
        lay(*turns)
    assert caught.value.param == "messages"


def test_an_operator_who_speaks_alone_speaks_in_the_users_message(prompt_of: MakePrompt, options: MakeOptions) -> None:
    layout = anthropic_blocks.lay_out(prompt_of(("system", "Tell a joke.")), options())
    assert messages(layout) == [("user", [text("Tell a joke.")])]
    assert "system" not in layout.body
    beside_nothing = anthropic_blocks.lay_out(prompt_of(("system", "Tell a joke."), ("user", "")), options())
    assert messages(beside_nothing) == messages(layout)


def test_operator_texts_are_gathered_in_front_and_the_reply_says_so(
    prompt_of: MakePrompt, options: MakeOptions
) -> None:
    prompt = prompt_of(("system", "A."), ("system", "B."), ("user", "Hi"), ("system", "C."), ("user", "Bye"))
    layout = anthropic_blocks.lay_out(prompt, options())
    assert layout.body["system"] == [text("A."), text("\n\nB."), text("\n\nC.")]
    assert messages(layout) == [("user", [text("Hi"), text("\n\nBye")])]
    assert layout.notes == ("operator-text-gathered",)
    in_front = anthropic_blocks.lay_out(prompt_of(("system", "A."), ("system", "B."), ("user", "Hi")), options())
    assert in_front.notes == ()


def test_the_user_speaks_first(prompt_of: MakePrompt, options: MakeOptions) -> None:
    opening = ("user", [text("(The conversation so far follows.)")])
    greeted = anthropic_blocks.lay_out(prompt_of(("assistant", "Hello!"), ("user", "Hi")), options())
    assert messages(greeted)[:2] == [opening, ("assistant", [text("Hello!")])]
    material = anthropic_blocks.lay_out(prompt_of(("user", {"d": "x"}, "Sum.")), options())
    assert messages(material)[0] == opening
    assert [role for role, _ in messages(material)] == ["user", "assistant", "user"]
    assert greeted.notes == material.notes == ("opening-added",)


def test_a_refusal_is_sent_as_the_text_that_it_was(lay: Lay) -> None:
    refused = Turn(speaker=Speaker.ASSISTANT, segments=(History(id="h", text="No.", refusal=True),))
    assert messages(lay(told("Do."), refused, told("Why?")))[1] == ("assistant", [text("No.")])


@pytest.mark.rows
@pytest.mark.parametrize(
    ("arguments", "sent"),
    [
        ('{"a": [1, 2.5, null], "b": {"c": "d"}}', {"a": [1, 2.5, None], "b": {"c": "d"}}),
        ("", {}),
        ("  ", {}),
        ('{"a": "x<|im_end|>y"}', {"a": "xy"}),
        ('{"a": "x\\u003c|im_end|>y"}', {"a": "xy"}),
        ("[1]", {"malformed_arguments": "[1]"}),
        ("null", {"malformed_arguments": "null"}),
        ('{"a": 1', {"malformed_arguments": '{"a": 1'}),
        ('{"a": 1, "a": 2}', {"malformed_arguments": '{"a": 1, "a": 2}'}),
        ('{"a": 36893488147419103232}', {"malformed_arguments": '{"a": 36893488147419103232}'}),
        ('{"a": "\\ud800"}', {"malformed_arguments": '{"a": "\\ud800"}'}),
        ('{"a": NaN}', {"malformed_arguments": '{"a": NaN}'}),
        ("[" * 100_000, {"malformed_arguments": "[" * 100_000}),
    ],
)
def test_arguments_are_an_object_or_one_string_in_an_object(
    lay: Lay, call: MakeCall, arguments: str, sent: JsonValue
) -> None:
    result = Turn(speaker=Speaker.TOOL, call_id="a", segments=(Data(id="r", origin="tool", text="x"),))
    layout = lay(told("Go."), said(tool_calls=(call("a", arguments),)), result)
    assert messages(layout)[1][1][0]["input"] == sent


def thought(reasoning: str | None, *seals: Seal, **more: Any) -> Turn:
    return said("So.", reasoning=reasoning, seals=seals, **more)


def test_sealed_reasoning_goes_back_as_it_came(lay: Lay) -> None:
    seals = (
        Seal(length=3, token="sig-1"),
        Seal(length=0, token="hid", hidden=True),
        Seal(length=2, token="sig-2"),
        Seal(length=0, token="sig-3"),
    )
    layout = lay(told("Think."), thought("abcde", *seals), told("Go on."))
    assert messages(layout)[1][1] == [
        {"type": "thinking", "thinking": "abc", "signature": "sig-1"},
        {"type": "redacted_thinking", "data": "hid"},
        {"type": "thinking", "thinking": "de", "signature": "sig-2"},
        {"type": "thinking", "thinking": "", "signature": "sig-3"},
        text("So."),
    ]
    assert layout.notes == ()


def test_hidden_reasoning_alone_goes_back(lay: Lay) -> None:
    layout = lay(told("Think."), thought(None, Seal(length=0, token="hid", hidden=True)), told("Go on."))
    assert messages(layout)[1][1][0] == {"type": "redacted_thinking", "data": "hid"}


@pytest.mark.rows
@pytest.mark.parametrize(
    "turn",
    [
        thought("abc"),
        thought("abc", Seal(length=2, token="sig")),
        thought("abc", Seal(length=4, token="sig")),
        thought("a<|im_end|>", Seal(length=11, token="sig")),
        thought("abc", Seal(length=3, token="s<|im_end|>")),
    ],
    ids=["unsealed", "sealed in part", "sealed beyond", "a token in it", "a token in the seal"],
)
def test_reasoning_that_the_vendor_would_not_take_back_is_left_out_and_told(lay: Lay, turn: Turn) -> None:
    layout = lay(told("Think."), turn, told("Go on."))
    assert messages(layout)[1] == ("assistant", [text("So.")])
    assert layout.notes == ("reasoning-left-out",)
    assert layout.removals == ()


def test_marks_stand_behind_what_they_mark(lay: Lay, call: MakeCall, image: Media) -> None:
    operator = Instruction(id="o", origin="operator", text="Help.", trust=Trust.OPERATOR, cache="1h")
    data = (Data(id="d1", origin="web", text="1", cache="5m"), Data(id="d2", origin="web", text="2"), image)
    layout = lay(
        Turn(speaker=Speaker.SYSTEM, segments=(operator,)),
        told("One.", "Two.", "Three.", marks={1: "5m"}),
        Turn(speaker=Speaker.INPUT, segments=data),
        said("Well.", tool_calls=(call("a"),), cache="5m"),
        Turn(speaker=Speaker.TOOL, call_id="a", segments=(Data(id="r", origin="tool", text="r"),)),
    )
    assert layout.body["system"] == [text("Help.", **HOUR)]
    user, first_read, first, second_read, second, asked, result = messages(layout)
    assert user[1] == [text("One.\n\nTwo.", **FIVE_MINUTES), text("\n\nThree.")]
    assert first_read[1][0]["id"] != second_read[1][0]["id"]
    assert first[1][0]["cache_control"] == {"type": "ephemeral"}
    assert "cache_control" not in second[1][0]
    assert [part["type"] for part in second[1][0]["content"]] == ["text", "text", "image"]
    assert [("cache_control" in block) for block in asked[1]] == [False, True]
    assert "cache_control" not in result[1][0]
    assert layout.notes == ()


@pytest.mark.rows
@pytest.mark.parametrize("speaker", [Speaker.USER, Speaker.INPUT, Speaker.TOOL, Speaker.ASSISTANT])
def test_a_mark_behind_a_turn_is_one_behind_its_last_block(lay: Lay, call: MakeCall, speaker: Speaker) -> None:
    called = said("Hm.", tool_calls=(call("a"),))
    turns = {
        Speaker.USER: (told("One.", "Two.", cache="5m"),),
        Speaker.INPUT: (
            told("Sum."),
            Turn(speaker=speaker, segments=(Data(id="d", origin="w", text="x"),), cache="5m"),
        ),
        Speaker.TOOL: (told("Go."), called, Turn(speaker=speaker, segments=(), call_id="a", cache="5m")),
        Speaker.ASSISTANT: (told("Go."), said("Done.", cache="5m")),
    }
    layout = lay(*turns[speaker])
    assert messages(layout)[-1][1][-1]["cache_control"] == {"type": "ephemeral"}
    assert json.dumps(layout.body).count("cache_control") == 1


def test_a_result_that_is_marked_inside_is_marked_as_a_whole(lay: Lay, call: MakeCall) -> None:
    inside = (Data(id="r1", origin="tool", text="1", cache="1h"), Data(id="r2", origin="tool", text="2"))
    result = Turn(speaker=Speaker.TOOL, segments=inside, call_id="a")
    block = messages(lay(told("Go."), said(tool_calls=(call("a"),)), result))[-1][1][0]
    assert block["cache_control"] == {"type": "ephemeral", "ttl": "1h"}
    both = replace(result, cache="5m")
    block = messages(lay(told("Go."), said(tool_calls=(call("a"),)), both))[-1][1][0]
    assert block["cache_control"] == {"type": "ephemeral"}


@pytest.mark.parametrize("place", ["document", "search_result"])
def test_marks_stand_on_blocks_of_data_in_the_users_message(options: MakeOptions, image: Media, place: str) -> None:
    data = (Data(id="d", origin="web", text="1", cache="1h"), replace(image, cache="5m"))
    prompt = Prompt(turns=(told("Sum."), Turn(speaker=Speaker.INPUT, segments=data)))
    ((_, blocks),) = messages(anthropic_blocks.lay_out(prompt, options(place=place)))
    marks = [block.get("cache_control") for block in blocks]
    assert marks == [None, {"type": "ephemeral", "ttl": "1h"}, None, {"type": "ephemeral"}]


def test_a_mark_on_an_empty_text_stands_behind_what_came_before(lay: Lay) -> None:
    layout = lay(told("One.", "", marks={1: "5m"}))
    assert messages(layout) == [("user", [text("One.", **FIVE_MINUTES)])]


@pytest.mark.rows
@pytest.mark.parametrize(
    "turns",
    [
        (told("", "One.", marks={0: "5m"}),),
        (told("<|im_end|>", "One.", marks={0: "5m"}, listed=True),),
        (told("One."), said(reasoning="abc", seals=(Seal(length=3, token="sig"),), cache="5m"), told("Two.")),
    ],
    ids=["before anything", "on what was taken out", "on reasoning"],
)
def test_a_mark_that_no_block_can_carry_is_left_out_and_told(lay: Lay, turns: tuple[Turn, ...]) -> None:
    layout = lay(*turns)
    assert "cache_control" not in json.dumps(layout.body)
    assert layout.notes == ("cache-marks-left-out",)


def test_so_many_marks_may_stand_in_a_request_and_no_more(lay: Lay) -> None:
    tool = Tool(name="search", cache="5m")
    at_most = told("1", "2", "3", "4", marks={0: "5m", 1: "5m", 2: "5m"}, listed=True)
    assert json.dumps(lay(at_most, tools=(tool,)).body).count("cache_control") == 4
    one_more = told("1", "2", "3", "4", marks={0: "5m", 1: "5m", 2: "5m", 3: "5m"}, listed=True)
    with pytest.raises(NotSayable, match="more than 4 cache marks") as caught:
        lay(one_more, tools=(tool,))
    assert caught.value.param == "cache_control"


def test_a_longer_mark_comes_first(lay: Lay) -> None:
    assert lay(told("1", "2", marks={0: "1h", 1: "5m"}))
    with pytest.raises(NotSayable, match="one hour behind one of five minutes") as caught:
        lay(told("1", "2", marks={0: "5m", 1: "1h"}))
    assert caught.value.param == "cache_control"
