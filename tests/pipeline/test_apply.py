from collections.abc import Sequence

import pytest

from gateway.domain.detection import Stage
from gateway.domain.errors import BlockedByPolicy
from gateway.domain.prompt import (
    Data,
    History,
    Instruction,
    Media,
    MediaKind,
    Prompt,
    Seal,
    Segment,
    Speaker,
    Tool,
    ToolCall,
    Trust,
    Turn,
)
from gateway.domain.request import Options
from gateway.domain.verdict import Action, Edit, Findings, Hit, Weight
from gateway.pipeline.apply import Applied, apply, replacements
from gateway.pipeline.edits import replaced
from gateway.pipeline.pseudonyms import Pseudonyms


def edit(where: str, start: int, end: int, action: Action = Action.REDACT, kind: str = "EMAIL_ADDRESS") -> Edit:
    assert action is Action.REDACT or action is Action.PSEUDONYMISE
    return Edit(stage=Stage.DATA, where=where, start=start, end=end, kind=kind, action=action)


def hit(action: Action) -> Hit:
    return Hit(
        policy="p",
        rule="r",
        stage=Stage.DATA,
        where="d",
        action=action,
        weight=Weight.ACTS,
        points=0,
        message="no",
    )


def prompt(*segments: Segment, speaker: Speaker = Speaker.USER) -> Prompt:
    return Prompt(turns=(Turn(speaker=speaker, segments=tuple(segments)),))


def told(text: str, identifier: str = "i", trust: Trust = Trust.USER) -> Instruction:
    assert trust is Trust.USER or trust is Trust.OPERATOR
    return Instruction(id=identifier, origin="user", text=text, trust=trust)


def data(text: str, identifier: str = "d") -> Data:
    return Data(id=identifier, origin="email", text=text)


def applied(whole: Prompt, *edits: Edit, options: Options | None = None, demoted: Sequence[str] = ()) -> Applied:
    found = Findings(hits=(hit(Action.REDACT),), edits=edits, demoted=tuple(demoted))
    return apply(whole, options or Options(), found, None)


def texts(whole: Prompt) -> list[str]:
    return [segment.text for segment in whole.segments() if not isinstance(segment, Media)]


def test_without_findings_the_very_same_prompt_goes_on() -> None:
    whole, options = prompt(told("x"), data("y")), Options()
    made = apply(whole, options, Findings(), None)
    assert made.prompt is whole
    assert made.options is options
    assert made.pseudonyms is None


def test_walking_a_prompt_that_nothing_changes_comes_to_the_same() -> None:
    call = ToolCall(id="c", name="find", arguments='{ "q":"x"}')
    said = Turn(speaker=Speaker.ASSISTANT, segments=(History(id="h", text="A"),), tool_calls=(call,), reasoning="r")
    turns = (*prompt(told("x"), data("y"), told("z", "j")).turns, said)
    whole, options = Prompt(turns=turns, tools=(Tool(name="find"),), roleless=True), Options(values={"stop": ["x"]})
    walked = apply(whole, options, Findings(demoted=("nowhere",)), None)
    assert walked.prompt is not whole
    assert walked == apply(whole, options, Findings(), None) == Applied(prompt=whole, options=options)


def test_a_redaction_takes_out_its_span_and_nothing_else() -> None:
    made = applied(prompt(told("keep"), data("mail a@b.c now")), edit("d", 5, 10))
    assert texts(made.prompt) == ["keep", "mail [REDACTED:EMAIL_ADDRESS] now"]


def test_overlapping_edits_leave_nothing_that_either_wanted_gone() -> None:
    edits = [edit("d", 2, 6, kind="A"), edit("d", 4, 9, kind="B"), edit("d", 3, 3)]
    assert replaced("0123456789", replacements(edits, "0123456789", None)) == "01[REDACTED:A]9"


def test_redaction_wins_over_a_placeholder_where_both_fall_on_one_place() -> None:
    edits = [edit("d", 0, 4, Action.PSEUDONYMISE), edit("d", 2, 6)]
    assert replaced("0123456", replacements(edits, "0123456", Pseudonyms())) == "[REDACTED:EMAIL_ADDRESS]6"


def test_one_value_has_one_placeholder_in_all_segments() -> None:
    whole = prompt(told("ask a@b.c"), data("a@b.c x@y.z"))
    edits = [edit("i", 4, 9, Action.PSEUDONYMISE), edit("d", 0, 5, Action.PSEUDONYMISE)]
    made = applied(whole, *edits, edit("d", 6, 11, Action.PSEUDONYMISE))
    assert texts(made.prompt) == ["ask <EMAIL_1>", "<EMAIL_1> <EMAIL_2>"]
    assert made.pseudonyms is not None
    assert made.pseudonyms.restore("<EMAIL_2>", anywhere=False)[0] == "x@y.z"


def test_a_clients_own_placeholder_never_passes_for_ours() -> None:
    whole = prompt(told("say <EMAIL_1>"), data("a@b.c"))
    made = applied(whole, edit("d", 0, 5, Action.PSEUDONYMISE))
    assert texts(made.prompt)[1] == "<EMAIL_1>"
    assert "<EMAIL_1>" not in texts(made.prompt)[0]
    assert made.pseudonyms is not None
    assert made.pseudonyms.restore(texts(made.prompt)[0], anywhere=False)[0] == "say <EMAIL_1>"


def test_a_lookalike_that_an_edit_cuts_is_left_to_the_edit() -> None:
    text = "<EMAIL_1> <EMAIL_2>"
    put = replacements([edit("d", 3, 6, Action.PSEUDONYMISE)], text, Pseudonyms())
    assert [(start, end) for start, end, _ in put] == [(3, 6), (10, 19)]


def test_a_demoted_instruction_is_data_and_leaves_the_system_turn() -> None:
    whole = Prompt(
        turns=(
            Turn(speaker=Speaker.SYSTEM, segments=(told("a", "one"), told("b", "two"), told("c", "three"))),
            Turn(speaker=Speaker.USER, segments=(told("d", "four"),)),
        )
    )
    made = applied(whole, demoted=["two", "four"])
    assert [turn.speaker for turn in made.prompt.turns] == [
        Speaker.SYSTEM,
        Speaker.INPUT,
        Speaker.SYSTEM,
        Speaker.USER,
    ]
    assert [segment.id for segment in made.prompt.data] == ["two", "four"]


def test_a_demoted_instruction_keeps_its_cache_mark() -> None:
    marked = Instruction(id="i", origin="user", text="x", trust=Trust.USER, cache="1h")
    lowered = applied(prompt(told("y", "j"), marked), demoted=["i"]).prompt
    assert list(lowered.segments())[1] == Data(id="i", origin="user", text="x", cache="1h")


def test_a_request_without_any_instruction_left_is_refused() -> None:
    found = Findings(hits=(hit(Action.SET_CHANNEL),), demoted=("i",))
    with pytest.raises(BlockedByPolicy) as caught:
        apply(prompt(told("x"), data("y")), Options(), found, None)
    assert caught.value.rules == ("r",)


def test_segments_of_one_id_are_told_apart() -> None:
    made = applied(prompt(data("abc", "same"), data("abc", "same"), told("x")), edit("same#2", 0, 3))
    assert texts(made.prompt) == ["abc", "[REDACTED:EMAIL_ADDRESS]", "x"]


def test_history_its_reasoning_and_its_calls_are_edited_too() -> None:
    turn = Turn(
        speaker=Speaker.ASSISTANT,
        segments=(History(id="h", text="secret"),),
        reasoning="secret",
        tool_calls=(
            ToolCall(id="c1", name="f", arguments='{"q":"secret","n":1}'),
            ToolCall(id="c2", name="f", arguments="secret {"),
            ToolCall(id="c3", name="f", arguments='{ "q": 1 }'),
        ),
    )
    edits = [edit("h", 0, 6), edit("reasoning", 0, 6), edit("c1", 4, 10), edit("c2", 2, 8)]
    made = applied(Prompt(turns=(turn,)), *edits).prompt.turns[0]
    mark = "[REDACTED:EMAIL_ADDRESS]"
    assert [segment.text for segment in made.segments if isinstance(segment, History)] == [mark]
    assert made.reasoning == mark
    assert [call.arguments for call in made.tool_calls] == [f'{{"q":"{mark}","n":1}}', f"{mark} {{", '{ "q": 1 }']


def test_reasoning_that_was_edited_loses_its_seals_and_only_that() -> None:
    seal = Seal(length=5, token="c2VhbGVk")
    turn = Turn(speaker=Speaker.ASSISTANT, segments=(History(id="h", text="a@b.c"),), reasoning="a@b.c", seals=(seal,))
    of_text = applied(Prompt(turns=(turn,)), edit("h", 0, 5)).prompt.turns[0]
    assert (of_text.reasoning, of_text.seals) == ("a@b.c", (seal,))
    of_reasoning = applied(Prompt(turns=(turn,)), edit("reasoning", 0, 5)).prompt.turns[0]
    assert (of_reasoning.reasoning, of_reasoning.seals) == ("[REDACTED:EMAIL_ADDRESS]", ())


def test_a_tools_description_and_schema_are_edited() -> None:
    tool = Tool(name="t", description="secret", parameters={"description": "secret", "type": "object"})
    whole = Prompt(turns=(Turn(speaker=Speaker.USER, segments=(told("x"),)),), tools=(tool, Tool(name="u")))
    where = "t\ndescription\nsecret\nparameters\ndescription\nsecret"
    made = applied(whole, edit("t", 14, 20), edit("t", len(where) - 6, len(where)))
    mark = "[REDACTED:EMAIL_ADDRESS]"
    assert made.prompt.tools[0].description == mark
    assert made.prompt.tools[0].parameters == {"description": mark, "type": "object"}
    assert made.prompt.tools[1] == Tool(name="u")


def test_an_edit_that_falls_on_a_name_refuses_the_request() -> None:
    tool = Tool(name="t", parameters={"secret": 1})
    whole = Prompt(turns=(Turn(speaker=Speaker.USER, segments=(told("x"),)),), tools=(tool,))
    with pytest.raises(BlockedByPolicy, match="would replace a name"):
        applied(whole, edit("t", len("t\ndescription\n\nparameters\n"), len("t\ndescription\n\nparameters\nsecret")))


def test_an_edit_that_falls_on_an_image_refuses_the_request() -> None:
    image = Media(id="m", origin="image", kind=MediaKind.IMAGE, mime="image/png", content="", attributes={})
    with pytest.raises(BlockedByPolicy, match="an image"):
        applied(prompt(told("x"), image), edit("m", 0, 1))
    assert applied(prompt(told("xy"), image), edit("i", 0, 1)).prompt.data == (image,)


def test_the_texts_among_options_are_edited() -> None:
    options = Options(values={"stop": ["secret"], "seed": 1}, extra={"note": "secret"})
    first = len("stop\n")
    last = first + len("secret\nnote\n")
    made = applied(
        prompt(told("x")), edit("options", first, first + 6), edit("options", last, last + 6), options=options
    )
    mark = "[REDACTED:EMAIL_ADDRESS]"
    assert made.options.values == {"stop": [mark], "seed": 1}
    assert made.options.extra == {"note": mark}


def test_the_canary_stands_at_the_end_of_the_operators_words() -> None:
    whole = Prompt(
        turns=(
            Turn(speaker=Speaker.USER, segments=(told("user"), data("d"))),
            Turn(speaker=Speaker.SYSTEM, segments=(told("operator", "o", Trust.OPERATOR),)),
        )
    )
    made = apply(whole, Options(), Findings(), "tok")
    assert made.canary == "tok"
    assert "tok" in texts(made.prompt)[2]
    assert texts(made.prompt)[:2] == ["user", "d"]
    assert texts(apply(prompt(data("d"), told("user")), Options(), Findings(), "tok").prompt)[1].startswith("user\n")


def test_no_canary_stands_where_there_is_no_instruction() -> None:
    whole = prompt(data("d"))
    assert apply(whole, Options(), Findings(), "tok").prompt is whole


def test_what_is_found_across_a_border_is_taken_out_of_both_texts() -> None:
    whole = prompt(data("AKIA1234", "a"), data("5678 rest", "b"), told("x"))
    made = applied(whole, edit("a+b", 0, 12))
    mark = "[REDACTED:EMAIL_ADDRESS]"
    assert texts(made.prompt) == [mark, f"{mark} rest", "x"]


def test_instructions_lowered_across_a_border_are_both_data() -> None:
    whole = prompt(told("one", "a"), told("two", "b"), data("d"), told("three", "c"))
    made = applied(whole, demoted=["a+b"])
    assert [segment.id for segment in made.prompt.data] == ["a", "b", "d"]


def test_an_edit_that_falls_on_a_clients_name_refuses_the_request() -> None:
    with pytest.raises(BlockedByPolicy, match="would replace a name"):
        applied(prompt(told("x")), edit("#names", 0, 3))
    # An id with the digits of a telephone number is an id.
    assert texts(applied(prompt(told("x")), edit("#names", 0, 3, Action.PSEUDONYMISE)).prompt) == ["x"]
