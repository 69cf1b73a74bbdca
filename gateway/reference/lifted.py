"""What does each role, item and part of a drop-in request become? Asked of the very code that lifts requests."""

from collections.abc import Callable, Iterable
from typing import Final

from gateway.dialects import openai_chat, openai_responses
from gateway.domain.identity import ANONYMOUS
from gateway.domain.jsonvalue import JsonObject, JsonValue
from gateway.domain.model import Model
from gateway.domain.prompt import Data, History, Instruction, Media, Segment, Turn
from gateway.domain.request import ClientRequest
from gateway.pipeline.lift import lift
from gateway.reference.tables import table

_MODEL: Final = Model(name="m", targets=())
_PIXEL: Final = "data:image/png;base64,iVBORw0KGgo="
_BEDROCK: Final = "amazon-bedrock-guardrails-guardContent_SUFFIX"
_CALLED: Final[JsonObject] = {
    "role": "assistant",
    "tool_calls": [{"id": "c1", "type": "function", "function": {"name": "search", "arguments": "{}"}}],
}


def _user(part: JsonObject) -> tuple[JsonObject, ...]:
    return ({"role": "user", "content": [part]},)


def _text(text: str) -> JsonObject:
    return {"type": "text", "text": text}


def _by_itself(role: str) -> tuple[JsonObject, ...]:
    return ({"role": role, "content": "x"},)


_RESULT: Final[JsonObject] = {"role": "tool", "tool_call_id": "c1", "content": "x"}
_OLD_RESULT: Final[JsonObject] = {"role": "function", "name": "search", "content": "x"}
_LABELLED: Final[JsonObject] = {"type": "text", "text": "x", "trust": "untrusted"}
_SOUND: Final[JsonObject] = {"type": "input_audio", "input_audio": {"data": "AAAA", "format": "wav"}}
_FILE: Final[JsonObject] = {"type": "file", "file": {"file_data": "AAAA", "filename": "a.pdf"}}

# What an application writes, the messages that show it, and further request fields.
CASES: Final[tuple[tuple[str, tuple[JsonObject, ...], JsonObject], ...]] = (
    ("role `system`", _by_itself("system"), {}),
    ("role `developer`", _by_itself("developer"), {}),
    ("role `user`", _by_itself("user"), {}),
    ("role `assistant`: text, `refusal`", _by_itself("assistant"), {}),
    ("role `assistant`: `tool_calls`, `function_call`", (_CALLED,), {}),
    ("role `tool`, the result of a call of `search`", (_CALLED, _RESULT), {}),
    ("role `function` (deprecated), the result of `search`", (_OLD_RESULT,), {}),
    ("role `input`", _by_itself("input"), {}),
    ('part `text` with `"trust": "untrusted"`', _user(_LABELLED), {}),
    ("part `data` with an `origin`", _user({"type": "data", "origin": "email", "text": "x"}), {}),
    ("part `data` without one", _user({"type": "data", "text": "x"}), {}),
    ("part `image_url`, a `data:` URL", _user({"type": "image_url", "image_url": {"url": _PIXEL}}), {}),
    ("part `input_audio`", _user(_SOUND), {}),
    ("part `file` with `file_data`", _user(_FILE), {}),
    ("top-level `data`: text, a segment or a list of them", (), {"data": "x"}),
    ("text in `<documents>` … `</documents>`, role `user`", _user(_text("<documents>x</documents>")), {}),
    (f"text in `<{_BEDROCK}>` … `</{_BEDROCK}>`, role `user`", _user(_text(f"<{_BEDROCK}>x</{_BEDROCK}>")), {}),
)

_CALL: Final[JsonObject] = {"type": "function_call", "call_id": "c1", "name": "search", "arguments": "{}"}
_OUTPUT: Final[JsonObject] = {"type": "function_call_output", "call_id": "c1", "output": "x"}
_ANSWER: Final[JsonObject] = {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "x"}]}
_LABELLED_INPUT: Final[JsonObject] = {"type": "input_text", "text": "x", "trust": "untrusted"}

# The same for the responses API: items of `input`.
ITEMS: Final[tuple[tuple[str, tuple[JsonObject, ...], JsonObject], ...]] = (
    ("`instructions`", (), {"instructions": "x"}),
    ("`input` as a text, role `user`", _by_itself("user"), {}),
    ("role `system`", _by_itself("system"), {}),
    ("role `developer`", _by_itself("developer"), {}),
    ("role `input`", _by_itself("input"), {}),
    ("`message` of the role `assistant`: `output_text`, `refusal`", (_ANSWER,), {}),
    ("`function_call`", (_CALL,), {}),
    ("`function_call_output` of a call of `search`", (_CALL, _OUTPUT), {}),
    ('part `input_text` with `"trust": "untrusted"`', _user(_LABELLED_INPUT), {}),
    ("part `data` with an `origin`", _user({"type": "data", "origin": "email", "text": "x"}), {}),
    ("part `input_image`, a `data:` URL", _user({"type": "input_image", "image_url": _PIXEL}), {}),
    ("part `input_audio`", _user(_SOUND), {}),
    ("part `input_file` with `file_data`", _user({"type": "input_file", "file_data": "AAAA"}), {}),
    ("top-level `data`: text, a segment or a list of them", (), {"data": "x"}),
)


def lifted() -> str:
    """One row for each case: what it becomes, who may say it, where it came from."""
    return _table(CASES, openai_chat.read, "messages")


def lifted_items() -> str:
    """The same for the responses API."""
    return _table(ITEMS, openai_responses.read, "input")


def _table(
    cases: Iterable[tuple[str, tuple[JsonObject, ...], JsonObject]],
    read: Callable[[JsonObject], ClientRequest],
    field: str,
) -> str:
    rows = ((said, *_fate(turns, more, read, field)) for said, turns, more in cases)
    return table(("in the request", "becomes", "trust", "origin"), rows)


def _fate(
    turns: tuple[JsonObject, ...], more: JsonObject, read: Callable[[JsonObject], ClientRequest], field: str
) -> tuple[str, ...]:
    # A user's word at the end, since the last turn must not be the assistant's.
    listed: list[JsonValue] = [*turns, {"role": "user", "content": "q"}]
    prompt = lift(read({"model": "m", field: listed, **more}), _MODEL, ANONYMOUS)
    before = turns or "instructions" in more
    return _told(prompt.turns[-2 if before else -1])


def _told(turn: Turn) -> tuple[str, ...]:
    if not turn.segments:
        return ("the assistant's call, as history", "none", "—")
    return _segment(turn.segments[-1])


def _segment(segment: Segment) -> tuple[str, ...]:
    match segment:
        case Instruction():
            return ("instruction", segment.trust.label, f"`{segment.origin}`")
        case Data():
            return ("**data**", "untrusted", f"`{segment.origin}`")
        case Media():
            return (f"**data** ({segment.kind.value})", "untrusted", f"`{segment.origin}`")
        case History():
            return ("the assistant's words, as history", "none", "—")
