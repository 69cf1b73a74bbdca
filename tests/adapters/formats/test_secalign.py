from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.formats import secalign
from gateway.domain.errors import NotSayable
from gateway.domain.isolation import Isolation
from gateway.domain.prompt import Data, Media, Prompt, Tool, ToolCall
from gateway.domain.target import Endpoint, FormatOptions, Layout, Removal

MakePrompt = Callable[..., Prompt]
MakeOptions = Callable[..., FormatOptions]
MessagesOf = Callable[[Layout], list[dict[str, str]]]


def test_the_trained_sequence_is_native(prompt_of: MakePrompt, options: MakeOptions) -> None:
    prompt = prompt_of(("system", "You help."), ("user", "Summarise.", {"d": "The Witcher (2019) "}))
    layout = secalign.lay_out(prompt, options("llama3"))
    assert layout.body == {
        "messages": [
            {"role": "system", "content": "You help."},
            {"role": "user", "content": "Summarise."},
            {"role": "input", "content": "The Witcher (2019) "},
        ]
    }
    assert (layout.format, layout.endpoint, layout.isolation) == ("secalign", Endpoint.CHAT, Isolation.NATIVE)
    assert layout.notes == ()


def test_the_native_apis_form_is_native_without_a_system_message(
    prompt_of: MakePrompt, options: MakeOptions, messages_of: MessagesOf
) -> None:
    layout = secalign.lay_out(prompt_of(("system", "Summarise."), ("input", {"d": "text"})), options("llama3"))
    assert [message["role"] for message in messages_of(layout)] == ["user", "input"]
    assert layout.isolation is Isolation.NATIVE


def test_neighbours_become_one_json_array_in_one_input(
    prompt_of: MakePrompt, options: MakeOptions, messages_of: MessagesOf
) -> None:
    prompt = prompt_of(("user", "Compare."), ("input", {"a": "1<|eot_id|>"}), ("input", {"b": "2"}))
    layout = secalign.lay_out(prompt, options("llama3"))
    array = '[{"id":"a","origin":"email","content":"1"},{"id":"b","origin":"email","content":"2"}]'
    assert messages_of(layout)[-1] == {"role": "input", "content": array}
    assert layout.isolation is Isolation.NATIVE
    assert layout.removals == (Removal(where="a", count=1),)


def test_neighbouring_instructions_of_one_role_share_a_message(
    prompt_of: MakePrompt, options: MakeOptions, messages_of: MessagesOf
) -> None:
    prompt = prompt_of(("system", "A."), ("system", "B."), ("user", "C."), ("user", "D.", {"d": "x"}))
    layout = secalign.lay_out(prompt, options("llama3"))
    assert [message["content"] for message in messages_of(layout)] == ["A.\n\nB.", "C.\n\nD.", "x"]
    assert layout.isolation is Isolation.NATIVE


@pytest.mark.rows
@pytest.mark.parametrize(
    ("turns", "roles"),
    [
        ([("user", {"d": "x"}, "Go.")], ["input", "user"]),
        ([("user", "Go.", {"d": "x"}, "Now.")], ["user", "input", "user"]),
        ([("user", {"d": "x"})], ["input"]),
        (
            [("user", "Go.", {"d": "x"}), ("assistant", "Yes."), ("user", "On.")],
            ["user", "input", "assistant", "user"],
        ),
    ],
)
def test_another_sequence_keeps_its_order_and_counts_as_wrapped(
    turns: list[tuple[object, ...]],
    roles: list[str],
    prompt_of: MakePrompt,
    options: MakeOptions,
    messages_of: MessagesOf,
) -> None:
    layout = secalign.lay_out(prompt_of(*turns), options("llama3"))
    assert [message["role"] for message in messages_of(layout)] == roles
    assert layout.isolation is Isolation.WRAPPED


def test_a_tool_result_is_input_behind_its_call(
    prompt_of: MakePrompt, options: MakeOptions, messages_of: MessagesOf, call: Callable[..., ToolCall]
) -> None:
    prompt = prompt_of(("user", "Go."), ("assistant", "Looking.", call("a")), ("tool:a", {"r": "found"}))
    layout = secalign.lay_out(prompt, options("llama3"))
    messages = messages_of(layout)
    assert [message["role"] for message in messages] == ["user", "assistant", "assistant", "input"]
    assert "tool_calls" not in messages[1]
    assert messages[2]["content"] is None
    assert layout.isolation is Isolation.WRAPPED
    silent = prompt_of(("user", "Go."), ("assistant", call("a")), ("tool:a", {"r": "found"}))
    assert len(messages_of(secalign.lay_out(silent, options("llama3")))) == 3


def test_without_data_the_conversation_passes_in_its_own_roles(
    prompt_of: MakePrompt, options: MakeOptions, messages_of: MessagesOf
) -> None:
    prompt = prompt_of(("system", "Help."), ("user", "A"), ("user", "B"), ("assistant",), ("user", "C"))
    layout = secalign.lay_out(prompt, options("llama3"))
    roles = [message["role"] for message in messages_of(layout)]
    assert roles == ["system", "user", "user", "assistant", "user"]
    assert layout.isolation is None


def test_tools_may_stand_where_the_template_writes_them_into_an_instruction(
    prompt_of: MakePrompt, options: MakeOptions
) -> None:
    tools = (Tool(name="search", description="Finds."),)
    layout = secalign.lay_out(prompt_of(("system", "S"), ("user", "Go.", {"d": "x"}), tools=tools), options("llama3"))
    assert "tools" in layout.body
    assert layout.isolation is Isolation.NATIVE
    with pytest.raises(NotSayable, match="tools in a conversation that does not begin with an instruction"):
        secalign.lay_out(prompt_of(("user", {"d": "x"}, "Go."), tools=tools), options("llama3"))


def test_what_the_format_has_no_words_for_is_refused(
    prompt_of: MakePrompt, options: MakeOptions, call: Callable[..., ToolCall], image: Media
) -> None:
    with pytest.raises(NotSayable, match="images, audio or files") as refused:
        secalign.lay_out(prompt_of(("user", "Go.", image)), options("llama3"))
    assert refused.value.param == "messages"
    with pytest.raises(NotSayable, match="parallel tool calls"):
        secalign.lay_out(prompt_of(("user", "Go."), ("assistant", call("a"), call("b"))), options("llama3"))


def test_ordinary_text_arrives_unharmed(
    ordinary: str, prompt_of: MakePrompt, options: MakeOptions, messages_of: MessagesOf
) -> None:
    layout = secalign.lay_out(prompt_of(("user", ordinary, {"d": ordinary})), options("llama3"))
    assert [message["content"] for message in messages_of(layout)] == [ordinary, ordinary]
    assert layout.removals == ()


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
    given_options = options("llama3")
    layout = secalign.lay_out(prompt, given_options)
    wire = served("llama3", layout)
    roles = [role for role, _ in wire]
    data = [given_options.remove_reserved(d.text)[0] for d in prompt.data if isinstance(d, Data)]
    found: list[str] = []
    for run in [content.strip() for role, content in wire if role == "input"]:
        alone = run == data[len(found)].strip()
        found += [data[len(found)]] if alone else [text for _, _, text in opened(run)]
    assert found == data
    assert set(roles) <= {"system", "user", "input"}
    instructions = "".join("".join(content.split()) for role, content in wire if role != "input")
    assert instructions == told(prompt, given_options)
    trained = roles in (["user", "input"], ["system", "user", "input"])
    assert layout.isolation is (Isolation.NATIVE if trained else Isolation.WRAPPED)


def test_no_setting_is_known() -> None:
    secalign.check_settings({})
    with pytest.raises(ValueError, match=r"mode: not a setting.*remove it"):
        secalign.check_settings({"mode": "x"})
    assert secalign.BEST is Isolation.NATIVE
