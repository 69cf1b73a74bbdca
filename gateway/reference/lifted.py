"""What does each role, item and part of a request become, in each dialect? Asked of the code that lifts requests."""

from collections.abc import Sequence
from typing import Final, TypeAlias

from gateway.dialects import anthropic_messages, openai_chat, openai_responses
from gateway.dialects.registry import Dialect
from gateway.domain.identity import ANONYMOUS
from gateway.domain.jsonvalue import JsonObject, JsonValue
from gateway.domain.model import Model
from gateway.domain.prompt import Data, History, Instruction, Media, Segment, Turn
from gateway.pipeline.lift import lift
from gateway.reference.tables import table

# What an application writes, the messages that show it, and further request fields.
Case: TypeAlias = tuple[str, tuple[JsonObject, ...], JsonObject]

_MODEL: Final = Model(name="m", targets=())
_QUESTION: Final = "q"
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

CASES: Final[tuple[Case, ...]] = (
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

_FUNCTION_CALL: Final[JsonObject] = {"type": "function_call", "call_id": "c1", "name": "search", "arguments": "{}"}
_OUTPUT: Final[JsonObject] = {"type": "function_call_output", "call_id": "c1", "output": "x"}
_ANSWER: Final[JsonObject] = {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "x"}]}
_LABELLED_INPUT: Final[JsonObject] = {"type": "input_text", "text": "x", "trust": "untrusted"}

# The same for the responses API: items of `input`.
ITEMS: Final[tuple[Case, ...]] = (
    ("`instructions`", (), {"instructions": "x"}),
    ("`input` as a text, role `user`", _by_itself("user"), {}),
    ("role `system`", _by_itself("system"), {}),
    ("role `developer`", _by_itself("developer"), {}),
    ("role `input`", _by_itself("input"), {}),
    ("`message` of the role `assistant`: `output_text`, `refusal`", (_ANSWER,), {}),
    ("`function_call`", (_FUNCTION_CALL,), {}),
    ("`function_call_output` of a call of `search`", (_FUNCTION_CALL, _OUTPUT), {}),
    ('part `input_text` with `"trust": "untrusted"`', _user(_LABELLED_INPUT), {}),
    ("part `data` with an `origin`", _user({"type": "data", "origin": "email", "text": "x"}), {}),
    ("part `input_image`, a `data:` URL", _user({"type": "input_image", "image_url": _PIXEL}), {}),
    ("part `input_audio`", _user(_SOUND), {}),
    ("part `input_file` with `file_data`", _user({"type": "input_file", "file_data": "AAAA"}), {}),
    ("top-level `data`: text, a segment or a list of them", (), {"data": "x"}),
)


_CALL: Final[JsonObject] = {
    "role": "assistant",
    "content": [{"type": "tool_use", "id": "t1", "name": "search", "input": {}}],
}
_PAGE: Final[JsonObject] = {"type": "document", "source": {"type": "content", "content": "x"}}
_PDF: Final[JsonObject] = {"type": "base64", "media_type": "application/pdf", "data": "AAAA"}
_PNG: Final[JsonObject] = {"type": "base64", "media_type": "image/png", "data": "AAAA"}
_THOUGHT: Final[JsonObject] = {"type": "thinking", "thinking": "x", "signature": "c2ln"}


def _found(**more: JsonValue) -> JsonObject:
    return {"type": "search_result", "source": "", "title": "", "content": [_text("x")], **more}


def _returned(content: JsonValue) -> tuple[JsonObject, ...]:
    return (_CALL, *_user({"type": "tool_result", "tool_use_id": "t1", "content": content}))


MESSAGES_CASES: Final[tuple[Case, ...]] = (
    ("`system`: text, or `text` blocks", (), {"system": "x"}),
    ("role `user`: text, or `text` blocks", _by_itself("user"), {}),
    ("role `system`, in the middle of a conversation", _by_itself("system"), {}),
    ("role `assistant`: text, or `text` blocks", _by_itself("assistant"), {}),
    ("role `assistant`: `tool_use`", (_CALL,), {}),
    ("role `assistant`: `thinking`, `redacted_thinking`", ({"role": "assistant", "content": [_THOUGHT]},), {}),
    ("role `input`", _by_itself("input"), {}),
    ('block `text` with `"trust": "untrusted"`', _user(_LABELLED), {}),
    ("block `data` with an `origin`", _user({"type": "data", "origin": "email", "text": "x"}), {}),
    ("block `image`, `base64`", _user({"type": "image", "source": _PNG}), {}),
    ("block `document`: `text` or `content`", _user(_PAGE), {}),
    ("block `document`: a PDF in `base64`", _user({"type": "document", "source": _PDF}), {}),
    ("its `title`", _user({**_PAGE, "title": "x"}), {}),
    ("its `context`", _user({**_PAGE, "context": "x"}), {}),
    ("block `search_result`", _user(_found()), {}),
    ("its `title`", _user(_found(title="x")), {}),
    ("its `source`", _user(_found(source="x")), {}),
    ("block `tool_result`, the result of a call of `search`", _returned("x"), {}),
    ("a `document` or `search_result` in it, title and source too", _returned([{**_PAGE, "title": "x"}]), {}),
    ("top-level `data`: text, a segment or a list of them", (), {"data": "x"}),
)


def lifted() -> str:
    """One row for each case of OpenAI's chat: what it becomes, who may say it, where it came from."""
    return _table(openai_chat, CASES, {})


def lifted_items() -> str:
    """The same for OpenAI's responses API."""
    return _table(openai_responses, ITEMS, {}, turns="input")


def messages_lifted() -> str:
    """The same for Anthropic's Messages."""
    return _table(anthropic_messages, MESSAGES_CASES, {"max_tokens": 1})


def _table(dialect: Dialect, cases: Sequence[Case], needed: JsonObject, turns: str = "messages") -> str:
    rows = ((said, *_fate(dialect, listed, {**needed, **more}, turns)) for said, listed, more in cases)
    return table(("in the request", "becomes", "trust", "origin"), rows)


def _fate(dialect: Dialect, told: tuple[JsonObject, ...], more: JsonObject, turns: str) -> tuple[str, ...]:
    # A user's word at the end, since the last turn must not be the assistant's.
    listed: list[JsonValue] = [*told, {"role": "user", "content": _QUESTION}]
    prompt = lift(dialect.read({"model": "m", turns: listed, **more}), _MODEL, ANONYMOUS)
    return _told(next(turn for turn in reversed(prompt.turns) if not _asks(turn)))


def _asks(turn: Turn) -> bool:
    return [segment.text for segment in turn.segments if isinstance(segment, Instruction)] == [_QUESTION]


def _told(turn: Turn) -> tuple[str, ...]:
    if turn.segments:
        return _segment(turn.segments[0])
    said = "call" if turn.tool_calls else "reasoning"
    return (f"the assistant's {said}, as history", "none", "—")


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
