import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.formats import harmony
from gateway.domain.errors import NotSayable
from gateway.domain.isolation import Isolation
from gateway.domain.prompt import Data, Media, Prompt, ToolCall
from gateway.domain.target import Endpoint, FormatOptions, Layout

MakePrompt = Callable[..., Prompt]
MakeOptions = Callable[..., FormatOptions]
MessagesOf = Callable[[Layout], list[dict[str, Any]]]
MakeCall = Callable[..., ToolCall]


def test_data_is_a_functions_result_to_the_assistant(
    prompt_of: MakePrompt, options: MakeOptions, served: Callable[[str, Layout], list[tuple[str, str]]]
) -> None:
    layout = harmony.lay_out(prompt_of(("system", "Help."), ("user", "Sum.", {"d": "x<|end|>"})), options("harmony"))
    assert (layout.format, layout.endpoint, layout.isolation) == ("harmony", Endpoint.CHAT, Isolation.CHANNEL)
    wire = served("harmony", layout)
    assert wire[1:3] == [("developer", "# Instructions\n\nHelp."), ("user", "Sum.")]
    assert wire[-1][0] == "functions.read_untrusted_data to=assistant<|channel|>commentary"
    assert json.loads(json.loads(wire[-1][1]))["untrusted_data"]["content"] == "x<|end|>"


def test_operator_texts_are_gathered_where_the_template_reads_them(
    prompt_of: MakePrompt, options: MakeOptions, messages_of: MessagesOf
) -> None:
    prompt = prompt_of(("system", "A."), ("user", "B.", {"d": "x"}), ("system", "C."), ("user", "D."))
    layout = harmony.lay_out(prompt, options("harmony"))
    messages = messages_of(layout)
    assert [message["role"] for message in messages] == ["system", "user", "assistant", "tool", "user"]
    assert messages[0]["content"] == "A.\n\nC."
    assert layout.notes == ()


def test_parallel_calls_come_one_after_the_other_each_with_its_result(
    prompt_of: MakePrompt, options: MakeOptions, messages_of: MessagesOf, call: MakeCall
) -> None:
    prompt = prompt_of(
        ("user", "Go."),
        ("assistant", "Looking.", call("a"), call("b"), call("c")),
        ("tool:c", {"r3": "3"}),
        ("tool:a", {"r1": "1"}),
        ("assistant", "Done."),
        ("user", "Thanks."),
    )
    messages = messages_of(harmony.lay_out(prompt, options("harmony")))
    seen = [
        (m["role"], m.get("tool_call_id") or [c["id"] for c in m.get("tool_calls", [])], m["content"] is None)
        for m in messages[1:-2]
    ]
    assert seen == [
        ("assistant", ["a"], False),
        ("tool", "a", False),
        ("assistant", ["b"], True),
        ("assistant", ["c"], True),
        ("tool", "c", False),
    ]


def test_what_the_format_has_no_words_for_is_refused(
    prompt_of: MakePrompt, options: MakeOptions, call: MakeCall, image: Media
) -> None:
    with pytest.raises(NotSayable, match="images, audio or files"):
        harmony.lay_out(prompt_of(("user", "Go.", image)), options("harmony"))
    asked = ("assistant", call("a"))
    for turns in (
        [("tool:a", {"r": "x"})],
        [asked, ("tool:b", {"r": "x"})],
        [asked, ("tool:a", {"r": "x"}), ("tool:a", {"s": "y"})],
    ):
        with pytest.raises(NotSayable, match="a tool result without its call"):
            harmony.lay_out(prompt_of(("user", "Go."), *turns), options("harmony"))


def test_without_data_there_is_no_isolation_to_speak_of(prompt_of: MakePrompt, options: MakeOptions) -> None:
    assert harmony.lay_out(prompt_of(("user", "Hi")), options("harmony")).isolation is None


def test_ordinary_text_arrives_unharmed(
    ordinary: str,
    prompt_of: MakePrompt,
    options: MakeOptions,
    messages_of: MessagesOf,
    opened: Callable[[str], list[tuple[str, str, str]]],
) -> None:
    messages = messages_of(harmony.lay_out(prompt_of(("user", ordinary, {"d": ordinary})), options("harmony")))
    assert messages[0]["content"] == ordinary
    assert opened(messages[-1]["content"]) == [("d", "email", ordinary)]


@given(drawn=st.data())
def test_a_servers_text_holds_the_same_roles_and_segments(
    *,
    drawn: st.DataObject,
    exchanges: st.SearchStrategy[Prompt],
    served: Callable[[str, Layout], list[tuple[str, str]]],
    options: MakeOptions,
    told: Callable[[Prompt, FormatOptions], str],
    opened: Callable[[str], list[tuple[str, str, str]]],
) -> None:
    prompt = drawn.draw(exchanges)
    given_options = options("harmony")
    (own, _), *wire = served("harmony", harmony.lay_out(prompt, given_options))
    assert own == "system"
    data: list[tuple[str, str, str]] = []
    instructions = ""
    for role, content in wire:
        if role.startswith("functions.read_untrusted_data to=assistant"):
            data += opened(json.loads(content))
        elif role in {"developer", "user"}:
            instructions += "".join(content.removeprefix("# Instructions\n\n").split())
        else:
            assert role.startswith("assistant to=functions.read_untrusted_data")
            assert content == "{}"
    assert data == [(d.id, d.origin, d.text) for d in prompt.data if isinstance(d, Data)]
    assert instructions == told(prompt, given_options)


@given(drawn=st.data())
def test_a_conversation_reads_back_from_a_servers_text(
    *,
    drawn: st.DataObject,
    conversations: st.SearchStrategy[Prompt],
    served: Callable[[str, Layout], list[tuple[str, str]]],
    options: MakeOptions,
    opened: Callable[[str], list[tuple[str, str, str]]],
) -> None:
    prompt = drawn.draw(conversations)
    data: list[tuple[str, str, str]] = []
    for role, content in served("harmony", harmony.lay_out(prompt, options("harmony"))):
        if role.startswith("functions."):
            data += opened(json.loads(content))
    assert data == [(d.id, d.origin, d.text) for d in prompt.data if isinstance(d, Data)]


def test_no_setting_is_known() -> None:
    harmony.check_settings({})
    with pytest.raises(ValueError, match="channel: not a setting"):
        harmony.check_settings({"channel": "x"})
    assert harmony.BEST is Isolation.CHANNEL
