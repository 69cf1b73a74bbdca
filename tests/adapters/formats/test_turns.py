from collections.abc import Callable
from dataclasses import replace

import pytest

from adapters.formats._turns import Given, Returned, Said, Shown, Told, in_a_row, piece, read, refuse
from gateway.domain.errors import NotSayable
from gateway.domain.prompt import Data, History, Instruction, Media, Prompt, Speaker, ToolCall, Trust, Turn

MakePrompt = Callable[..., Prompt]


def _user(text: str) -> Instruction:
    return Instruction(id="u", origin="client", text=text, trust=Trust.USER)


def test_a_system_turn_that_was_lowered_speaks_in_the_user_role(prompt_of: MakePrompt) -> None:
    prompt = prompt_of(("system", "A.", _user("B."), "C."))
    assert [(block.role, block.turn) for block in read(prompt) if isinstance(block, Told)] == [
        ("system", 0),
        ("user", None),
        ("system", 0),
    ]


def test_data_in_a_system_turn_is_data(prompt_of: MakePrompt) -> None:
    blocks = read(prompt_of(("system", "A.", {"d": "x"}), ("user", "B.")))
    assert [type(block) for block in blocks] == [Told, Given, Told]


def test_operator_text_is_promoted_only_where_data_meets_no_user_instruction(prompt_of: MakePrompt) -> None:
    def roles(prompt: Prompt) -> list[str]:
        return [block.role for block in read(prompt) if isinstance(block, Told)]

    assert roles(prompt_of(("system", "A."), ("input", {"d": "x"}))) == ["user"]
    assert roles(prompt_of(("system", "A."), ("user", "B."), ("input", {"d": "x"}))) == ["system", "user"]
    assert roles(prompt_of(("system", "A."))) == ["system"]


def test_without_roles_a_lone_instruction_is_the_users(prompt_of: MakePrompt) -> None:
    def roles(*turns: tuple[object, ...]) -> list[str]:
        prompt = Prompt(turns=prompt_of(*turns).turns, roleless=True)
        return [block.role for block in read(prompt) if isinstance(block, Told)]

    assert roles(("system", "A.")) == ["user"]
    assert roles(("system", "A."), ("user", "B.")) == ["system", "user"]


def test_data_with_nothing_between_is_one_block(prompt_of: MakePrompt) -> None:
    blocks = read(prompt_of(("user", "A.", {"a": "1"}, {"b": "2"}), ("input", {"c": "3"}), ("user", {"d": "4"})))
    assert [[d.id for d in block.data] for block in blocks if isinstance(block, Given)] == [["a", "b", "c", "d"]]


def test_media_and_data_in_an_assistants_turn_follow_it(image: Media) -> None:
    history = History(id="h", text="Yes.")
    data = Data(id="d", origin="web", text="x")
    turn = Turn(speaker=Speaker.ASSISTANT, segments=(history, image, data))
    assert [type(block) for block in read(Prompt(turns=(turn,)))] == [Said, Shown, Given]


def test_a_name_is_refused_where_data_alone_would_bear_it(prompt_of: MakePrompt, image: Media) -> None:
    for turn in prompt_of(("user", {"d": "x"}), ("input", {"d": "x"}), ("system", {"d": "x"})).turns:
        with pytest.raises(NotSayable, match="participant's name") as caught:
            read(Prompt(turns=(replace(turn, name="ann"),)))
        assert caught.value.param == "messages"
        read(Prompt(turns=(turn,)))
    for turn in prompt_of(("user", "A.", {"d": "x"}), ("user", {"d": "x"}, image)).turns:
        blocks = read(Prompt(turns=(replace(turn, name="ann"),)))
        assert [block.name for block in blocks if isinstance(block, Told | Shown)] == ["ann"]


def test_results_come_directly_behind_their_calls(
    prompt_of: MakePrompt, call: Callable[..., ToolCall], image: Media
) -> None:
    prompt = prompt_of(
        ("assistant", call("a"), call("b")),
        ("input", {"d": "x"}, image),
        ("tool:a", {"r": "y"}),
        ("tool:b",),
        ("user", "Go."),
        ("input", {"e": "y"}),
    )
    assert [type(block) for block in read(prompt)] == [Said, Returned, Returned, Given, Shown, Told, Given]


def test_a_blank_line_parts_texts_unless_white_space_does() -> None:
    def row(*texts: str) -> str:
        parts = in_a_row([(piece(Data(id="d", origin="web", text=text)),) for text in texts])
        return "".join(part if isinstance(part, str) else part.text for part in parts)

    assert row("a", "b") == "a\n\nb"
    assert row("a ", "b", "\nc") == "a b\nc"
    assert row("a", "", "b") == "a\n\nb"
    assert row("", "a") == "a"
    assert row("a\x1f", "b") == "a\x1f\n\nb"
    assert "".join(map(str, in_a_row([("=", "="), ("=",)]))) == "==\n\n="


def test_a_refusal_says_what_to_do() -> None:
    error = refuse("struq", "tools", param="tools")
    assert error.message == (
        "format struq cannot say tools: leave it out, or give the model a target with another format"
    )
    assert error.param == "tools"
