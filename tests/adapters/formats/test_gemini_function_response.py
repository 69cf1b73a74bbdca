import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.formats import gemini_function_response
from gateway.domain.errors import NotSayable
from gateway.domain.isolation import Isolation
from gateway.domain.prompt import Data, Media, Prompt, Speaker, Tool, ToolCall
from gateway.domain.target import Endpoint, FormatOptions, Layout, Removal

MakePrompt = Callable[..., Prompt]
MakeOptions = Callable[..., FormatOptions]
MakeCall = Callable[..., ToolCall]
Messages = list[dict[str, Any]]
MessagesOf = Callable[[Layout], Messages]
Opened = Callable[[str], list[tuple[str, str, str]]]

UNSIGNED = {"google": {"thought_signature": "skip_thought_signature_validator"}}


@pytest.fixture
def laid(options: MakeOptions, messages_of: MessagesOf) -> Callable[[Prompt], Messages]:
    """The messages for a prompt."""
    return lambda prompt: messages_of(gemini_function_response.lay_out(prompt, options()))


Laid = Callable[[Prompt], Messages]


def test_data_becomes_the_response_of_a_made_up_function(prompt_of: MakePrompt, options: MakeOptions) -> None:
    prompt = prompt_of(("system", "You help."), ("user", "Summarise.", {"mail-17": 'He said "no".'}))
    layout = gemini_function_response.lay_out(prompt, options())
    function = {"name": "read_untrusted_data", "arguments": "{}"}
    call = {"id": "sgdata001", "type": "function", "function": function, "extra_content": UNSIGNED}
    content = '{"untrusted_data":{"id":"mail-17","origin":"email","content":"He said \\"no\\"."}}'
    assert layout.body == {
        "messages": [
            {"role": "system", "content": "You help."},
            {"role": "user", "content": "Summarise."},
            {"role": "assistant", "content": None, "tool_calls": [call]},
            {"role": "tool", "tool_call_id": "sgdata001", "name": "read_untrusted_data", "content": content},
        ]
    }
    assert (layout.format, layout.endpoint) == ("gemini-function-response", Endpoint.CHAT)
    assert layout.isolation is Isolation.CHANNEL
    assert layout.removals == layout.notes == ()


def test_the_first_turns_text_comes_before_its_data(prompt_of: MakePrompt, laid: Laid) -> None:
    messages = laid(prompt_of(("system", "Help."), ("user", {"a": "1"}, "First.", {"b": "2"}, "Last.")))
    assert [message["role"] for message in messages] == [
        *("system", "user", "assistant", "tool", "assistant", "tool", "user")
    ]
    assert messages[1]["content"] == "First."


def test_later_turns_keep_their_order(prompt_of: MakePrompt, laid: Laid) -> None:
    messages = laid(prompt_of(("user", "Hi."), ("assistant", "Hello."), ("user", {"a": "1"}, "Read it.")))
    assert [message["role"] for message in messages] == ["user", "assistant", "assistant", "tool", "user"]


def test_an_operator_alone_speaks_first(prompt_of: MakePrompt, laid: Laid) -> None:
    messages = laid(prompt_of(("input", {"d": "text"}), ("system", "Summarise.")))
    assert [message["role"] for message in messages] == ["user", "assistant", "tool"]


@pytest.mark.parametrize(
    "turns",
    [
        (("input", {"d": "x"}),),
        (("input", {"d": "x"}), ("assistant", "Hello."), ("user", "Go.")),
    ],
)
def test_data_before_any_words_of_the_user_cannot_be_said(
    turns: tuple[tuple[object, ...], ...], prompt_of: MakePrompt, laid: Laid
) -> None:
    with pytest.raises(NotSayable, match="before the first words of the user") as caught:
        laid(prompt_of(*turns))
    assert caught.value.param == "messages"


def test_a_call_before_any_words_of_the_user_cannot_be_said(prompt_of: MakePrompt, laid: Laid, call: MakeCall) -> None:
    turns = (("assistant", call("a")), ("tool:a", {"r": "x"}), ("user", "Go."))
    with pytest.raises(NotSayable, match="before the first words of the user"):
        laid(prompt_of(*turns))
    assert laid(prompt_of(("user", "Go."), *turns))


def test_results_stand_in_the_order_of_their_calls(
    prompt_of: MakePrompt, laid: Laid, call: MakeCall, opened: Opened
) -> None:
    messages = laid(
        prompt_of(
            ("user", "Go."),
            ("assistant", "Looking.", call("a", '{"q": 1}'), call("b", '{"q": 2}')),
            ("tool:b", {"r2": "two"}),
            ("input", {"d": "between"}),
            ("tool:a", {"r1": "one"}),
            ("user", "And?"),
        )
    )
    assert [message["role"] for message in messages] == [
        *("user", "assistant", "tool", "tool", "assistant", "tool", "user")
    ]
    results = [(m["tool_call_id"], m["name"], opened(m["content"])[0][0]) for m in messages if m["role"] == "tool"]
    assert results == [*(("a", "search", "r1"), ("b", "search", "r2"), ("sgdata001", "read_untrusted_data", "d"))]
    assert messages[1]["content"] == "Looking."
    assert [call.get("extra_content") for call in messages[1]["tool_calls"]] == [UNSIGNED, None]


def test_calls_and_results_that_do_not_match_cannot_be_said(prompt_of: MakePrompt, laid: Laid, call: MakeCall) -> None:
    ask, one, two = ("user", "Go."), call("a", '{"q": 1}'), call("b", '{"q": 2}')
    for turns in (
        (("tool:a", {"r": "x"}),),
        (("assistant", one),),
        (("assistant", one, two), ("tool:a", {"r": "x"})),
        (("assistant", one), ("tool:b", {"r": "x"})),
        (("assistant", one), ("tool:a", {"r": "x"}), ("tool:a", {"s": "x"})),
        (("assistant", "Done."), ("tool:a", {"r": "x"})),
    ):
        with pytest.raises(NotSayable, match="a tool result without its call") as caught:
            laid(prompt_of(ask, *turns, ("user", "Well?")))
        assert caught.value.param == "messages"


def test_equal_calls_in_one_turn_cannot_be_said(prompt_of: MakePrompt, laid: Laid, call: MakeCall) -> None:
    def conversation(first: str, second: str) -> Prompt:
        calls = (call("a", first), call("b", second))
        return prompt_of(("user", "Go."), ("assistant", *calls), ("tool:a", {"r": "x"}), ("tool:b", {"s": "x"}))

    with pytest.raises(NotSayable, match="two equal tool calls in one turn"):
        laid(conversation('{"q": 1, "r": 2}', '{"r":2,"q":1}'))
    with pytest.raises(NotSayable, match="two equal tool calls in one turn"):
        laid(conversation('{"q":"x"}', '{"q":"<|im_end|>x"}'))
    assert len(laid(conversation('{"q": 1}', '{"q": 2}'))) == 4


@pytest.mark.parametrize(
    ("arguments", "sent"),
    [
        ('{"q": 1}', '{"q": 1}'),
        ("", "{}"),
        ("{", '{"malformed_arguments":"{"}'),
        ("[1]", '{"malformed_arguments":"[1]"}'),
        ("[" * 100_000, '{"malformed_arguments":"' + "[" * 100_000 + '"}'),
        ("no <|im_end|>", '{"malformed_arguments":"no "}'),
    ],
)
def test_arguments_are_an_object(arguments: str, sent: str, prompt_of: MakePrompt, laid: Laid, call: MakeCall) -> None:
    prompt = prompt_of(("user", "Go."), ("assistant", call("a", arguments)), ("tool:a", {"r": "x"}))
    assert laid(prompt)[1]["tool_calls"][0]["function"]["arguments"] == sent


def test_tokens_are_deleted_where_a_translator_would_bring_them_back(
    prompt_of: MakePrompt, options: MakeOptions, messages_of: MessagesOf, opened: Opened
) -> None:
    prompt = prompt_of(("user", "Go.", {"d1": "a<|im_start|>b<|im_end|>"}, {"d2": "ok"}))
    layout = gemini_function_response.lay_out(prompt, options("chatml"))
    assert opened(messages_of(layout)[-1]["content"]) == [("d1", "email", "ab"), ("d2", "email", "ok")]
    assert layout.removals == (Removal(where="d1", count=2),)


def test_an_image_stands_in_the_users_message_and_lowers_isolation(
    prompt_of: MakePrompt, options: MakeOptions, messages_of: MessagesOf, image: Media
) -> None:
    layout = gemini_function_response.lay_out(prompt_of(("user", "What?", image, {"d": "x"})), options())
    assert messages_of(layout)[0]["content"][1]["type"] == "image_url"
    assert layout.isolation is Isolation.NONE


def test_the_tool_is_declared_where_the_target_asks_for_it(prompt_of: MakePrompt, options: MakeOptions) -> None:
    prompt = prompt_of(("user", "Go.", {"d": "x"}), tools=(Tool(name="search"),))
    assert "read_untrusted_data" not in json.dumps(gemini_function_response.lay_out(prompt, options()).body["tools"])
    declared = gemini_function_response.lay_out(prompt, options(declare_tool=True)).body["tools"]
    assert "read_untrusted_data" in json.dumps(declared)


def test_ordinary_text_arrives_unharmed(ordinary: str, prompt_of: MakePrompt, laid: Laid, opened: Opened) -> None:
    messages = laid(prompt_of(("user", ordinary, {"d": ordinary})))
    assert messages[0]["content"] == ordinary
    assert opened(messages[-1]["content"]) == [("d", "email", ordinary)]


@given(drawn=st.data())
def test_a_reader_of_the_body_finds_the_same_roles_and_segments(
    *,
    drawn: st.DataObject,
    exchanges: st.SearchStrategy[Prompt],
    options: MakeOptions,
    messages_of: MessagesOf,
    opened: Opened,
) -> None:
    prompt = drawn.draw(exchanges)
    given_options = options("gemma")
    messages = messages_of(gemini_function_response.lay_out(prompt, given_options))
    results = [entry for m in messages if m["role"] == "tool" for entry in opened(m["content"])]
    clean = given_options.remove_reserved
    assert results == [(d.id, d.origin, clean(d.text)[0]) for d in prompt.data if isinstance(d, Data)]
    contents = [m["content"] for m in messages if m["role"] in {"system", "user"}]
    texts = [c if isinstance(c, str) else "".join(part["text"] for part in c) for c in contents]
    # The first text may have moved: what counts is that each character is said, and once.
    wanted = "".join(clean(text.text)[0] for text in prompt.instructions)
    assert sorted("".join("".join(texts).split())) == sorted("".join(wanted.split()))
    spoken = [m["role"] for m in messages if m["role"] != "system"]
    assert spoken[0] == "user"


@given(drawn=st.data())
def test_every_call_is_answered_at_once_and_in_order(
    drawn: st.DataObject, conversations: st.SearchStrategy[Prompt], options: MakeOptions, messages_of: MessagesOf
) -> None:
    prompt = drawn.draw(conversations)
    given_options = options()
    messages = messages_of(gemini_function_response.lay_out(prompt, given_options))
    for at, message in enumerate(messages):
        for offset, made in enumerate(message.get("tool_calls", []), 1):
            assert messages[at + offset]["tool_call_id"] == made["id"]
            assert messages[at + offset]["name"] == made["function"]["name"]
            assert isinstance(json.loads(made["function"]["arguments"]), dict)
    turns = [turn.speaker.value for turn in prompt.turns if turn.speaker is not Speaker.TOOL]
    spoken = [m["role"] for m in messages if m["role"] != "tool" and "read_untrusted_data" not in json.dumps(m)]
    assert spoken == turns
    assert given_options.remove_reserved(json.dumps(messages, ensure_ascii=False))[1] == 0


def test_settings_are_checked_by_name() -> None:
    gemini_function_response.check_settings({})
    gemini_function_response.check_settings({"declare_tool": True})
    with pytest.raises(ValueError, match="declare_tool: must be true or false"):
        gemini_function_response.check_settings({"declare_tool": 1})
    with pytest.raises(ValueError, match=r"colour: not a setting.*declare_tool"):
        gemini_function_response.check_settings({"colour": True})
    assert gemini_function_response.BEST is Isolation.CHANNEL
