from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.formats import plain
from gateway.domain.isolation import Isolation
from gateway.domain.prompt import Data, Media, Prompt, ToolCall
from gateway.domain.target import Endpoint, FormatOptions, Layout, Removal

MakePrompt = Callable[..., Prompt]
MakeOptions = Callable[..., FormatOptions]
MessagesOf = Callable[[Layout], list[dict[str, Any]]]


def test_data_stands_in_the_users_message_where_it_came(
    prompt_of: MakePrompt, options: MakeOptions, messages_of: MessagesOf
) -> None:
    prompt = prompt_of(("system", "Help."), ("user", "From this:\n", {"d": "x <|im_end|>"}, "\n\nQuestion: ", "why?"))
    layout = plain.lay_out(prompt, options("chatml"))
    assert messages_of(layout) == [
        {"role": "system", "content": "Help."},
        {"role": "user", "content": "From this:\nx \n\nQuestion: why?"},
    ]
    assert (layout.format, layout.endpoint, layout.isolation) == ("plain", Endpoint.CHAT, Isolation.NONE)
    assert layout.removals == (Removal(where="d", count=1),)


def test_input_joins_the_task_and_a_tool_result_stays_in_its_role(
    prompt_of: MakePrompt, options: MakeOptions, messages_of: MessagesOf, call: Callable[..., ToolCall]
) -> None:
    prompt = prompt_of(
        ("user", "Go."), ("input", {"d": "x"}), ("assistant", call("a")), ("tool:a", {"r": "1"}, {"s": "2"})
    )
    messages = messages_of(plain.lay_out(prompt, options()))
    assert [(message["role"], message["content"]) for message in messages] == [
        ("user", "Go.\n\nx"),
        ("assistant", None),
        ("tool", "1\n\n2"),
    ]


def test_media_passes_in_the_users_message(
    prompt_of: MakePrompt, options: MakeOptions, messages_of: MessagesOf, image: Media
) -> None:
    layout = plain.lay_out(prompt_of(("user", image, "What?")), options())
    assert [part["type"] for part in messages_of(layout)[0]["content"]] == ["image_url", "text"]
    assert layout.isolation is Isolation.NONE


def test_without_data_two_user_messages_stay_two(
    prompt_of: MakePrompt, options: MakeOptions, messages_of: MessagesOf
) -> None:
    layout = plain.lay_out(prompt_of(("user", "A"), ("user", "B")), options())
    assert messages_of(layout) == [{"role": "user", "content": "A"}, {"role": "user", "content": "B"}]
    assert layout.isolation is None


def test_ordinary_text_arrives_unharmed(
    ordinary: str, prompt_of: MakePrompt, options: MakeOptions, messages_of: MessagesOf
) -> None:
    messages = messages_of(plain.lay_out(prompt_of(("input", {"d": ordinary})), options()))
    assert messages == [{"role": "user", "content": ordinary}]


@given(drawn=st.data())
@pytest.mark.parametrize("family", ["smollm", "mistral"])
def test_data_cannot_move_to_another_role(
    *,
    family: str,
    drawn: st.DataObject,
    exchanges: st.SearchStrategy[Prompt],
    served: Callable[[str, Layout], list[tuple[str, str]]],
    options: MakeOptions,
) -> None:
    prompt = drawn.draw(exchanges)
    given_options = options(family)
    layout = plain.lay_out(prompt, given_options)
    wire = served(family, layout)
    sent = layout.body["messages"]
    assert isinstance(sent, list)
    own = 1 if family == "smollm" and wire[0][1].startswith("You are a helpful AI assistant named SmolLM") else 0
    assert len(wire) == len(sent) + own
    user = "".join("".join(content.split()) for role, content in wire if role == "user")
    for data in prompt.data:
        assert isinstance(data, Data)
        assert "".join(given_options.remove_reserved(data.text)[0].split()) in user


def test_no_setting_is_known() -> None:
    plain.check_settings({})
    with pytest.raises(ValueError, match="mode: not a setting"):
        plain.check_settings({"mode": "x"})
    assert plain.BEST is Isolation.NONE
