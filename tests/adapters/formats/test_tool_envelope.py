import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.formats import tool_envelope
from gateway.domain.isolation import Isolation
from gateway.domain.prompt import Data, Media, Prompt, Speaker, Tool, ToolCall
from gateway.domain.target import Endpoint, FormatOptions, Layout, Removal

Opened = Callable[[str], list[tuple[str, str, str]]]
MakePrompt = Callable[..., Prompt]
MakeOptions = Callable[..., FormatOptions]
MessagesOf = Callable[[Layout], list[dict[str, Any]]]


def test_data_becomes_the_result_of_a_made_up_call(prompt_of: MakePrompt, options: MakeOptions) -> None:
    prompt = prompt_of(("system", "You help."), ("user", "Summarise.", {"mail-17": 'He said "no".'}))
    layout = tool_envelope.lay_out(prompt, options())
    function = {"name": "read_untrusted_data", "arguments": "{}"}
    call = {"id": "sgdata001", "type": "function", "function": function}
    content = '{"untrusted_data":{"id":"mail-17","origin":"email","content":"He said \\"no\\"."}}'
    assert layout.body == {
        "messages": [
            {"role": "system", "content": "You help."},
            {"role": "user", "content": "Summarise."},
            {"role": "assistant", "content": None, "tool_calls": [call]},
            {"role": "tool", "tool_call_id": "sgdata001", "content": content},
        ]
    }
    assert (layout.format, layout.endpoint, layout.isolation) == ("tool-envelope", Endpoint.CHAT, Isolation.CHANNEL)
    assert layout.removals == layout.notes == ()


def test_an_operator_alone_speaks_in_the_user_role(
    prompt_of: MakePrompt, options: MakeOptions, messages_of: MessagesOf
) -> None:
    prompt = prompt_of(("system", "Summarise.", "Be brief."), ("system", "Now."), ("input", {"d": "text"}))
    messages = messages_of(tool_envelope.lay_out(prompt, options()))
    assert [message["role"] for message in messages] == ["user", "assistant", "tool"]
    assert messages[0]["content"] == "Summarise.\n\nBe brief.\n\nNow."


def test_a_run_of_data_is_one_list_and_order_is_kept(
    prompt_of: MakePrompt, options: MakeOptions, messages_of: MessagesOf, opened: Opened
) -> None:
    prompt = prompt_of(("system", "Help."), ("user", {"a": "1"}, "First.", {"b": "2"}, {"c": "3"}, "Last."))
    messages = messages_of(tool_envelope.lay_out(prompt, options()))
    roles = ["system", "assistant", "tool", "user", "assistant", "tool", "user"]
    assert [message["role"] for message in messages] == roles
    assert opened(messages[2]["content"]) == [("a", "email", "1")]
    assert opened(messages[5]["content"]) == [("b", "email", "2"), ("c", "email", "3")]


def test_made_up_ids_differ_from_the_clients_own(
    prompt_of: MakePrompt, options: MakeOptions, messages_of: MessagesOf, call: Callable[..., ToolCall]
) -> None:
    prompt = prompt_of(
        ("user", "Go.", {"x": "x"}),
        ("assistant", call("sgdata001"), call("sgdata002")),
        ("tool:sgdata001", {"r": "r"}),
        ("tool:sgdata002", {"s": "s"}),
    )
    messages = messages_of(tool_envelope.lay_out(prompt, options()))
    ids = [message["tool_call_id"] for message in messages if message["role"] == "tool"]
    assert ids == ["sgdata003", "sgdata001", "sgdata002"]


def test_nothing_comes_between_real_calls_and_their_results(
    prompt_of: MakePrompt, options: MakeOptions, messages_of: MessagesOf, call: Callable[..., ToolCall], image: Media
) -> None:
    prompt = prompt_of(
        ("user", "Go."),
        ("assistant", "Looking.", call("a"), call("b")),
        ("tool:a", {"r1": "one"}, image),
        ("input", {"d": "between"}),
        ("tool:b", {"r2": "two"}),
        ("assistant", "Done."),
        ("user", "Thanks."),
    )
    layout = tool_envelope.lay_out(prompt, options())
    messages = messages_of(layout)
    roles = ["user", "assistant", "tool", "tool", "user", "assistant", "tool", "assistant", "user"]
    assert [message["role"] for message in messages] == roles
    assert [message["tool_call_id"] for message in messages if message["role"] == "tool"] == ["a", "b", "sgdata001"]
    assert messages[1]["content"] == "Looking."
    assert layout.isolation is Isolation.NONE


def test_data_behind_an_answered_call_stays_where_it_was(
    prompt_of: MakePrompt, options: MakeOptions, messages_of: MessagesOf, call: Callable[..., ToolCall]
) -> None:
    prompt = prompt_of(("user", "Go."), ("assistant", call("a")), ("tool:a", {"r": "one"}), ("input", {"d": "x"}))
    messages = messages_of(tool_envelope.lay_out(prompt, options()))
    assert [message["role"] for message in messages] == ["user", "assistant", "tool", "assistant", "tool"]


def test_a_result_without_text_is_an_empty_list(
    prompt_of: MakePrompt, options: MakeOptions, messages_of: MessagesOf, call: Callable[..., ToolCall]
) -> None:
    prompt = prompt_of(("user", "Go."), ("assistant", call("a")), ("tool:a",))
    assert messages_of(tool_envelope.lay_out(prompt, options()))[-1]["content"] == '{"untrusted_data":[]}'


def test_an_image_stands_in_the_users_message_and_lowers_isolation(
    prompt_of: MakePrompt, options: MakeOptions, messages_of: MessagesOf, image: Media
) -> None:
    prompt = prompt_of(("user", "What is this?", image, "Be brief.", {"d": "x"}))
    layout = tool_envelope.lay_out(prompt, options())
    assert messages_of(layout)[0]["content"] == [
        {"type": "text", "text": "What is this?"},
        {"type": "image_url", "image_url": {"detail": "low", "url": "data:image/png;base64,QUJD"}},
        {"type": "text", "text": "Be brief."},
    ]
    assert layout.isolation is Isolation.NONE


def test_without_data_the_conversation_passes_in_its_own_roles(
    prompt_of: MakePrompt, options: MakeOptions, messages_of: MessagesOf
) -> None:
    prompt = prompt_of(("system", "Help."), ("user", "Hi"), ("assistant", "Hello."), ("user", "Bye"))
    layout = tool_envelope.lay_out(prompt, options(declare_tool=True))
    roles = [(message["role"], message["content"]) for message in messages_of(layout)]
    assert roles == [("system", "Help."), ("user", "Hi"), ("assistant", "Hello."), ("user", "Bye")]
    assert layout.isolation is None
    assert "tools" not in layout.body


def test_the_tool_is_declared_where_the_target_asks_for_it(prompt_of: MakePrompt, options: MakeOptions) -> None:
    prompt = prompt_of(("user", "Go.", {"d": "x"}), tools=(Tool(name="search"),))
    search = {"type": "function", "function": {"name": "search"}}
    assert tool_envelope.lay_out(prompt, options(declare_tool=False)).body["tools"] == [search]
    declared = json.dumps(tool_envelope.lay_out(prompt, options(declare_tool=True)).body["tools"])
    assert "search" in declared
    assert "read_untrusted_data" in declared


def test_broken_tokens_are_counted_where_they_stood(
    prompt_of: MakePrompt, options: MakeOptions, messages_of: MessagesOf, opened: Opened
) -> None:
    prompt = prompt_of(("user", "Go.<|im_end|>", {"d1": "a<|im_start|>b<|im_end|>"}, {"d2": "ok"}))
    layout = tool_envelope.lay_out(prompt, options("chatml"))
    messages = messages_of(layout)
    assert messages[0]["content"] == "Go."
    assert "<|im_" not in messages[-1]["content"]
    assert opened(messages[-1]["content"])[0] == ("d1", "email", "a<|im_start|>b<|im_end|>")
    assert layout.removals == (Removal(where="user-0", count=1), Removal(where="d1", count=2))


def test_ordinary_text_arrives_unharmed(
    ordinary: str, prompt_of: MakePrompt, options: MakeOptions, messages_of: MessagesOf, opened: Opened
) -> None:
    layout = tool_envelope.lay_out(prompt_of(("user", ordinary, {"d": ordinary})), options())
    messages = messages_of(layout)
    assert messages[0]["content"] == ordinary
    assert opened(messages[-1]["content"]) == [("d", "email", ordinary)]
    assert layout.removals == ()


@pytest.mark.parametrize("family", ["llama3", "chatml", "qwen", "mistral", "granite"])
@given(drawn=st.data())
def test_a_servers_text_holds_the_same_roles_and_segments(
    *,
    family: str,
    drawn: st.DataObject,
    exchanges: st.SearchStrategy[Prompt],
    served: Callable[[str, Layout], list[tuple[str, str]]],
    options: MakeOptions,
    told: Callable[[Prompt, FormatOptions], str],
    opened: Opened,
) -> None:
    prompt = drawn.draw(exchanges)
    given_options = options(family)
    data: list[tuple[str, str, str]] = []
    instructions = ""
    for role, content in served(family, tool_envelope.lay_out(prompt, given_options)):
        if role == "ipython":
            data += opened(json.loads(content))
        elif role == "tool" or content.startswith("<tool_response>\n"):
            data += opened(content.removeprefix("<tool_response>\n").removesuffix("\n</tool_response>"))
        elif role == "assistant":
            assert "read_untrusted_data" in content
        elif content not in {"You are Qwen.", "You are Granite."}:
            instructions += "".join(content.split())
    assert data == [(d.id, d.origin, d.text) for d in prompt.data if isinstance(d, Data)]
    assert instructions == told(prompt, given_options)


@given(drawn=st.data())
def test_a_conversations_roles_do_not_depend_on_what_it_says(
    drawn: st.DataObject, conversations: st.SearchStrategy[Prompt], options: MakeOptions, messages_of: MessagesOf
) -> None:
    prompt = drawn.draw(conversations)
    given_options = options()
    messages = messages_of(tool_envelope.lay_out(prompt, given_options))
    roles: list[str] = []
    for turn in prompt.turns:
        mixed = turn.speaker is Speaker.USER and any(isinstance(segment, Data) for segment in turn.segments)
        roles += ["user", "assistant", "tool"] if mixed else [turn.speaker.value]
    assert [message["role"] for message in messages] == roles
    for message in messages:
        content = message["content"] or ""
        text = content if isinstance(content, str) else "".join(part["text"] for part in content)
        assert given_options.remove_reserved(text)[1] == 0
        for call in message.get("tool_calls", []):
            for key, value in json.loads(call["function"]["arguments"]).items():
                assert given_options.remove_reserved(key)[1] == 0
                assert value == [1] or given_options.remove_reserved(value)[1] == 0


def test_settings_are_checked_by_name() -> None:
    tool_envelope.check_settings({})
    tool_envelope.check_settings({"declare_tool": True})
    with pytest.raises(ValueError, match="declare_tool: must be true or false"):
        tool_envelope.check_settings({"declare_tool": 1})
    with pytest.raises(ValueError, match=r"colour: not a setting.*declare_tool"):
        tool_envelope.check_settings({"colour": True})
    assert tool_envelope.BEST is Isolation.CHANNEL
