"""What formats and providers say of themselves, and what holds for all of them."""

from dataclasses import replace

import pytest

from adapters.registry import FORMATS, PROVIDERS, SIDE_NOTES, format_named, provider_entry
from gateway.domain.prompt import Data, History, Instruction, Prompt, Speaker, Tool, ToolCall, Trust, Turn
from gateway.domain.target import Endpoint, FormatOptions

ASKED = Turn(speaker=Speaker.USER, segments=(Instruction(id="i", origin="user", text="Look it up.", trust=Trust.USER),))
CALLED = Turn(speaker=Speaker.ASSISTANT, segments=(), tool_calls=(ToolCall(id="c", name="look", arguments="{}"),))
RESULT = Turn(speaker=Speaker.TOOL, call_id="c", segments=(Data(id="d", origin="tool:look", text="No such file."),))
PROMPT = Prompt(turns=(ASKED, CALLED, RESULT))


def test_every_format_is_made_for_a_route_that_some_provider_speaks() -> None:
    spoken = {endpoint for name in PROVIDERS for endpoint in provider_entry(name).endpoints}
    assert {format_named(name).endpoint for name in FORMATS} <= spoken
    assert format_named("struq").endpoint is Endpoint.COMPLETIONS


@pytest.mark.rows
@pytest.mark.parametrize("name", [name for name in FORMATS if "tool-error" in format_named(name).says])
def test_a_format_that_can_say_that_a_tool_failed_says_it(name: str) -> None:
    options = FormatOptions(
        remove_reserved=lambda text: (text, 0),
        break_reserved=lambda text: (text, 0),
        reserved=(),
        draw_nonce=lambda: "0",
    )
    failed = replace(PROMPT, turns=(ASKED, CALLED, replace(RESULT, failed=True)))
    lay_out = format_named(name).lay_out
    assert "is_error" in str(lay_out(failed, options).body)
    assert "is_error" not in str(lay_out(PROMPT, options).body)


def test_side_notes_are_for_what_a_prompt_really_holds() -> None:
    assert not any(asked(PROMPT) for asked in SIDE_NOTES.values())
    said = Turn(speaker=Speaker.ASSISTANT, segments=(History(id="h", text="x", cache="1h"),))
    marked = [
        replace(PROMPT, turns=(replace(ASKED, cache="5m"), CALLED, RESULT)),
        replace(PROMPT, turns=(ASKED, said)),
        replace(PROMPT, tools=(Tool(name="look", cache="5m"),)),
    ]
    assert all(SIDE_NOTES["cache-marks"](prompt) for prompt in marked)
    assert SIDE_NOTES["tool-error"](replace(PROMPT, turns=(ASKED, CALLED, replace(RESULT, failed=True))))
