from collections.abc import Callable
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.formats import defensive_token
from gateway.domain.errors import NotSayable
from gateway.domain.isolation import Isolation
from gateway.domain.prompt import Data, Media, Prompt, Tool, ToolCall
from gateway.domain.target import Endpoint, FormatOptions, Layout

MakePrompt = Callable[..., Prompt]
MakeOptions = Callable[..., FormatOptions]
FAMILY = "defensive-token"


def test_trusted_text_is_the_system_message_and_data_the_user_message(
    prompt_of: MakePrompt, options: MakeOptions
) -> None:
    prompt = prompt_of(("system", "Summarise."), ("input", {"d": "text[DefensiveToken0]"}))
    layout = defensive_token.lay_out(prompt, options(FAMILY))
    assert layout.body == {
        "messages": [{"role": "system", "content": "Summarise."}, {"role": "user", "content": "text"}],
        "chat_template_kwargs": {"add_defensive_tokens": True},
    }
    assert (layout.format, layout.endpoint, layout.isolation) == (FAMILY, Endpoint.CHAT, Isolation.NATIVE)
    assert layout.notes == ()


def test_operator_and_user_text_share_the_system_message_and_the_reply_says_so(
    prompt_of: MakePrompt, options: MakeOptions
) -> None:
    prompt = prompt_of(("system", "You help."), ("user", "Compare.", {"a": "1"}, "Now.", {"b": "2"}))
    layout = defensive_token.lay_out(prompt, options(FAMILY))
    array = '[{"id":"a","origin":"email","content":"1"},{"id":"b","origin":"email","content":"2"}]'
    assert layout.body["messages"] == [
        {"role": "system", "content": "You help.\n\nCompare.\n\nNow."},
        {"role": "user", "content": array},
    ]
    assert layout.notes == ("operator-user-merged",)


def test_without_data_the_roles_stay_and_the_tokens_stay_off(prompt_of: MakePrompt, options: MakeOptions) -> None:
    prompt = prompt_of(("system", "Help."), ("user", "Hi"), ("assistant", "Hello."), ("user", "Bye"))
    layout = defensive_token.lay_out(prompt, options(FAMILY))
    assert layout.body == {
        "messages": [
            {"role": "system", "content": "Help."},
            {"role": "user", "content": "Hi"},
            {"role": "assistant", "content": "Hello."},
            {"role": "user", "content": "Bye"},
        ],
        "chat_template_kwargs": {"add_defensive_tokens": False},
    }
    assert layout.isolation is None


def test_what_the_format_has_no_words_for_is_refused(
    prompt_of: MakePrompt, options: MakeOptions, call: Callable[..., ToolCall], image: Media
) -> None:
    for prompt, what in [
        (prompt_of(("user", "Go."), tools=(Tool(name="t"),)), "tools"),
        (prompt_of(("user", {"d": "x"})), "data without an instruction"),
        (prompt_of(("user", "Go.", image)), "images, audio or files"),
        (
            prompt_of(("user", "Go.", {"d": "x"}), ("assistant", "Yes.")),
            "tool calls, or an assistant's turn beside data",
        ),
        (prompt_of(("user", "Go."), ("assistant", call("a"))), "tool calls, or an assistant's turn beside data"),
        (prompt_of(("user", "Go."), ("tool:a", {"r": "x"})), "tool results"),
        (
            Prompt(turns=(replace(prompt_of(("user", "Go.", {"d": "x"})).turns[0], name="ann"),)),
            "a participant's name beside data",
        ),
    ]:
        with pytest.raises(NotSayable, match=f"format defensive-token cannot say {what}: "):
            defensive_token.lay_out(prompt, options(FAMILY))


def test_ordinary_text_arrives_unharmed(ordinary: str, prompt_of: MakePrompt, options: MakeOptions) -> None:
    layout = defensive_token.lay_out(prompt_of(("user", ordinary, {"d": ordinary})), options(FAMILY))
    assert layout.body["messages"] == [{"role": "system", "content": ordinary}, {"role": "user", "content": ordinary}]
    assert layout.removals == ()


@given(drawn=st.data())
def test_a_servers_text_holds_one_instruction_area_and_the_data(
    *,
    drawn: st.DataObject,
    exchanges: st.SearchStrategy[Prompt],
    served: Callable[[str, Layout], list[tuple[str, str]]],
    options: MakeOptions,
    told: Callable[[Prompt, FormatOptions], str],
    opened: Callable[[str], list[tuple[str, str, str]]],
) -> None:
    prompt = drawn.draw(exchanges)
    given_options = options(FAMILY)
    (system, instructions), (user, content) = served(FAMILY, defensive_token.lay_out(prompt, given_options))
    assert (system, user) == ("system", "user")
    assert "".join(instructions.split()) == told(prompt, given_options)
    data = [given_options.remove_reserved(d.text)[0] for d in prompt.data if isinstance(d, Data)]
    if len(data) == 1:
        assert content.strip() == data[0].strip()
    else:
        assert [text for _, _, text in opened(content)] == data


def test_no_setting_is_known() -> None:
    defensive_token.check_settings({})
    with pytest.raises(ValueError, match="tokens: not a setting"):
        defensive_token.check_settings({"tokens": 5})
    assert defensive_token.BEST is Isolation.NATIVE
    assert defensive_token.UNPROVEN is Isolation.NONE
