"""Which items make up an answer in OpenAI's responses API?

Written once for whole answers and for the last events of streams, so that both say the same. An answer's items are
named after the request: whoever reads the gateway's log finds them there.
"""

from collections.abc import Collection, Sequence
from typing import Final, Literal, TypeAlias

from gateway.dialects._seals import packed
from gateway.domain.exchange import Choice, Handling
from gateway.domain.jsonvalue import JsonObject, JsonValue
from gateway.domain.prompt import Seal, ToolCall
from gateway.domain.value import value

ItemStatus: TypeAlias = Literal["in_progress", "completed", "incomplete"]
# An item of an answer: its reasoning, what it says, or one of its calls by number.
ItemKey: TypeAlias = Literal["reasoning", "message"] | int
PartKind: TypeAlias = Literal["output_text", "refusal"]

_PARTS: Final[tuple[PartKind, PartKind]] = ("output_text", "refusal")


@value
class Order:
    """In which order items, and the parts of the message, came; what is not named comes behind, in the usual order."""

    items: Collection[ItemKey] = ()
    parts: Collection[PartKind] = ()


def response_id(handling: Handling) -> str:
    return f"resp_{handling.request_id}"


def item_id(key: ItemKey, handling: Handling) -> str:
    match key:
        case "reasoning":
            return f"rs_{handling.request_id}"
        case "message":
            return f"msg_{handling.request_id}"
        case number:
            return f"fc_{handling.request_id}_{number}"


def summarises(handling: Handling) -> bool:
    """Whether the client asked for a summary, and so looks for visible reasoning there."""
    asked = handling.echo.get("reasoning")
    return isinstance(asked, dict) and bool(asked.get("summary") or asked.get("generate_summary"))


def output(choice: Choice, handling: Handling, status: ItemStatus, order: Order | None = None) -> list[JsonValue]:
    """The items of an answer of which there is something, each in this ``status``."""
    items: dict[ItemKey, JsonObject] = {}
    if choice.reasoning or choice.seals:
        items["reasoning"] = reasoning_item(choice.reasoning or "", choice.seals, handling)
    parts = _parts(choice, () if order is None else order.parts)
    if parts:
        items["message"] = message_item(parts, handling, status)
    for number, call in enumerate(choice.tool_calls):
        items[number] = call_item(call, number, handling, status)
    keys = dict.fromkeys((*(() if order is None else order.items), *items))
    return [items[key] for key in keys if key in items]


def reasoning_item(text: str, seals: tuple[Seal, ...], handling: Handling) -> JsonObject:
    """What can be seen of the reasoning, and the seals that clients send back."""
    item: dict[str, JsonValue] = {"id": item_id("reasoning", handling), "type": "reasoning", "summary": []}
    if text and summarises(handling):
        item["summary"] = [summary_part(text)]
    elif text:
        item["content"] = [reasoning_part(text)]
    return {**item, "encrypted_content": packed(text, seals)}


def summary_part(text: str) -> JsonObject:
    return {"type": "summary_text", "text": text}


def reasoning_part(text: str) -> JsonObject:
    return {"type": "reasoning_text", "text": text}


def message_item(parts: Sequence[JsonValue], handling: Handling, status: ItemStatus) -> JsonObject:
    """What the assistant says."""
    return {
        "id": item_id("message", handling),
        "type": "message",
        "status": status,
        "role": "assistant",
        "content": list(parts),
    }


def _parts(choice: Choice, order: Collection[PartKind]) -> list[JsonValue]:
    parts: dict[PartKind, JsonObject] = {}
    if choice.text:
        notes = annotations(choice.extra.get("annotations"))
        parts["output_text"] = text_part(choice.text, logprobs(choice.logprobs), notes)
    if choice.refusal:
        parts["refusal"] = refusal_part(choice.refusal)
    return [parts[kind] for kind in dict.fromkeys((*order, *_PARTS)) if kind in parts]


def text_part(text: str, told: Sequence[JsonValue] = (), notes: Sequence[JsonValue] = ()) -> JsonObject:
    return {"type": "output_text", "annotations": list(notes), "logprobs": list(told), "text": text}


def refusal_part(text: str) -> JsonObject:
    return {"type": "refusal", "refusal": text}


def call_item(call: ToolCall, number: int, handling: Handling, status: ItemStatus) -> JsonObject:
    """A call of one of the application's functions."""
    return {
        "id": item_id(number, handling),
        "type": "function_call",
        "status": status,
        "arguments": call.arguments,
        "call_id": call.id,
        "name": call.name,
    }


def logprobs(told: JsonObject | None) -> list[JsonValue]:
    """The log-probabilities of a text, from chat's form; refusals have a place for none."""
    return [] if told is None else _tokens(told.get("content"))


def _tokens(value: JsonValue) -> list[JsonValue]:
    return [_token(entry) for entry in value if isinstance(entry, dict)] if isinstance(value, list) else []


def _token(entry: JsonObject) -> JsonObject:
    token: dict[str, JsonValue] = {
        "token": entry.get("token"),
        "logprob": entry.get("logprob"),
        "bytes": entry.get("bytes") or [],
    }
    if "top_logprobs" in entry:
        token["top_logprobs"] = _tokens(entry["top_logprobs"])
    return token


def annotations(value: JsonValue) -> list[JsonValue]:
    """Where a text says that it is from, out of chat's form."""
    notes: list[JsonValue] = []
    for note in value if isinstance(value, list) else []:
        if isinstance(note, dict):
            kind = note.get("type")
            inner = note.get(kind) if isinstance(kind, str) else None
            notes.append({"type": kind, **inner} if isinstance(inner, dict) else note)
    return notes
