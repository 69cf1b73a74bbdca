"""What do the items of a request's input say?

Every key of every item is known, or the request is refused with its path; so that an answer's items can be sent back
as they came, what SDKs put into them is accepted, nulls included. Items of tools that the provider runs or defines
are refused.
"""

from collections.abc import Callable, Mapping
from typing import Final

from gateway.dialects._checks import Check, items, members, name, one_of, record, short_string, string, tool_name, wrong
from gateway.dialects._openai_responses_parts import content
from gateway.dialects._openai_responses_said import Reasoning, Said
from gateway.dialects._seals import unpacked
from gateway.domain.errors import ContentByReference, InvalidField, RequestError
from gateway.domain.jsonvalue import JsonObject, JsonValue
from gateway.domain.prompt import ToolCall
from gateway.domain.request import MOST_SEGMENTS, Message, Role, TextPart

_ID: Final = short_string(512)
_STATUS: Final = one_of("in_progress", "completed", "incomplete")
_MESSAGE: Final = frozenset({"type", "id", "role", "content", "status", "phase"})
_CALL: Final = frozenset({
    "type", "id", "call_id", "name", "arguments", "status", "caller", "namespace", "parsed_arguments",
})  # fmt: skip
_RESULT: Final = frozenset({"type", "id", "call_id", "output", "status", "caller", "name", "namespace", "created_by"})
_REASONING: Final = frozenset({"type", "id", "summary", "content", "encrypted_content", "status"})
_ROLES: Final = ("system", "developer", "user", "assistant", "input")


def messages_of(value: JsonValue, path: str) -> list[Message]:
    """The input as messages.

    Raises:
        RequestError: an item is of no known kind, or wrong.
    """
    if isinstance(value, str):
        return [Message(role=Role.USER, parts=(TextPart(text=value, path=path),), path=path)]
    if not isinstance(value, list) or not value:
        raise wrong(path, "be a string or a list of at least one item")
    if len(value) > MOST_SEGMENTS:
        raise wrong(path, f"hold at most {MOST_SEGMENTS} items")
    said = Said([])
    for index, item in enumerate(value):
        _take(item, f"{path}[{index}]", said)
    said.end()
    return said.messages


def _take(value: JsonValue, path: str, said: Said) -> None:
    found = members(value, path)
    kind = found.get("type")
    if kind is None:
        kind = "message" if "role" in found else "item_reference" if "id" in found else None
    reader = _READERS.get(kind) if isinstance(kind, str) else None
    if reader is not None:
        reader(found, path, said)
        return
    refused = _REFUSED.get(kind) if isinstance(kind, str) else None
    if refused is None:
        raise wrong(f"{path}.type", f"be one of {', '.join(_READERS)}")
    error, why = refused
    raise error(f"{path} is not supported: {why}.", param=path)


def _about(found: JsonObject, path: str) -> None:
    """Check what says nothing of the conversation: it is left out."""
    for key, check in _ASIDE.items():
        if found.get(key) is not None:
            check(found[key], f"{path}.{key}")


def _direct(value: JsonValue, path: str) -> JsonValue:
    if record(value, path, ("type", "caller_id")).get("type") != "direct":
        raise wrong(f"{path}.type", "be direct: no program of the provider's calls functions here")
    return value


def _absent(why: str) -> Check:
    """A check that nothing passes."""

    def check(_: JsonValue, path: str) -> JsonValue:
        raise wrong(path, f"be left out: {why}")

    return check


_ASIDE: Final[Mapping[str, Check]] = {
    "id": _ID,
    "status": _STATUS,
    "caller": _direct,
    "created_by": _ID,
    "namespace": _absent("functions stand in no namespace here"),
    "phase": _absent("no other API has words for it"),
}


def _message(found: JsonObject, path: str, said: Said) -> None:
    record(found, path, _MESSAGE)
    _about(found, path)
    role = found.get("role")
    if not isinstance(role, str) or role not in _ROLES:
        raise wrong(f"{path}.role", f"be one of {', '.join(_ROLES)}")
    held = found.get("content")
    parts = content(held, Role(role), f"{path}.content")
    if role == "assistant":
        said.say(parts, path)
        return
    said.end()
    said.messages.append(Message(role=Role(role), parts=parts, path=path, listed=isinstance(held, list)))


def _call(found: JsonObject, path: str, said: Said) -> None:
    record(found, path, _CALL)
    _about(found, path)
    call = ToolCall(
        id=name(found.get("call_id"), f"{path}.call_id"),
        name=tool_name(found.get("name"), f"{path}.name"),
        arguments=string(found.get("arguments"), f"{path}.arguments"),
    )
    said.call(call, path)


def _result(found: JsonObject, path: str, said: Said) -> None:
    record(found, path, _RESULT)
    _about(found, path)
    author = found.get("name")
    held = found.get("output")
    said.end()
    said.messages.append(
        Message(
            role=Role.TOOL,
            parts=content(held, Role.TOOL, f"{path}.output"),
            path=path,
            name=None if author is None else tool_name(author, f"{path}.name"),
            call_id=name(found.get("call_id"), f"{path}.call_id"),
            listed=isinstance(held, list),
        )
    )


def _reasoning(found: JsonObject, path: str, said: Said) -> None:
    record(found, path, _REASONING)
    _about(found, path)
    summary = _texts(found.get("summary"), f"{path}.summary", "summary_text")
    # A summary is of the very content: where both are there, it says the same once more.
    text = _texts(found.get("content"), f"{path}.content", "reasoning_text") or summary
    seals = unpacked(found.get("encrypted_content"), text, f"{path}.encrypted_content")
    said.think(Reasoning(text=text, seals=seals, path=path))


def _texts(value: JsonValue, path: str, kind: str) -> str:
    texts: list[str] = []
    for index, entry in enumerate([] if value is None else items(value, path)):
        where = f"{path}[{index}]"
        found = record(entry, where, ("type", "text"))
        if found.get("type") != kind:
            raise wrong(f"{where}.type", f"be {kind}")
        texts.append(string(found.get("text"), f"{where}.text"))
    return "\n\n".join(texts)


_READERS: Final[Mapping[str, Callable[[JsonObject, str, Said], None]]] = {
    "message": _message,
    "function_call": _call,
    "function_call_output": _result,
    "reasoning": _reasoning,
}

_HOSTED: Final = (
    ContentByReference,
    "it is of a tool that the provider runs, whose results the gateway cannot see; send what was found as data",
)
_SHAPED: Final = (
    InvalidField,
    "it is of a tool in the provider's own form; define a function, and send function_call and function_call_output",
)
_COMPACTED: Final = (
    ContentByReference,
    "it stands for turns that the gateway cannot see; send the turns themselves",
)
_REFUSED: Final[Mapping[str, tuple[type[RequestError], str]]] = {
    "item_reference": (ContentByReference, "nothing is kept here that could be referred to; send the item itself"),
    "compaction": _COMPACTED,
    "compaction_trigger": _COMPACTED,
    "additional_tools": (InvalidField, "tools are offered for a whole request; put them into tools"),
    **dict.fromkeys(
        (
            "file_search_call", "web_search_call", "code_interpreter_call", "image_generation_call", "tool_search_call",
            "tool_search_output", "mcp_list_tools", "mcp_call", "mcp_approval_request", "mcp_approval_response",
            "program", "program_output",
        ),
        _HOSTED,
    ),
    **dict.fromkeys(
        (
            "computer_call", "computer_call_output", "local_shell_call", "local_shell_call_output", "shell_call",
            "shell_call_output", "apply_patch_call", "apply_patch_call_output", "custom_tool_call",
            "custom_tool_call_output",
        ),
        _SHAPED,
    ),
}  # fmt: skip
