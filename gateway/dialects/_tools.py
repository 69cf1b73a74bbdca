"""Which functions does an application offer, and which of them may the model call?

Read here for every dialect, so that the gateway's own tool can be neither defined nor called by a client anywhere.
Schemas are passed on as they are: what a parameter is called is the application's business.
"""

from collections.abc import Callable, Mapping
from typing import Final

from gateway.dialects._checks import boolean, items, members, one_of, record, string, tool_name, wrong
from gateway.domain.errors import ContentByReference, InvalidField
from gateway.domain.jsonvalue import JsonObject, JsonValue
from gateway.domain.prompt import Tool

MAX_TOOLS: Final = 1024

_FUNCTION: Final = frozenset({"name", "description", "parameters", "strict"})
# What OpenAI's responses API knows of a function beyond that: the values that ask for nothing, and why no other one may
# stand there.
_ASIDE: Final[Mapping[str, tuple[JsonValue, str]]] = {
    "allowed_callers": (["direct"], 'be ["direct"]: no program of the provider\'s calls functions here'),
    "defer_loading": (False, "be false: the provider would look for tools by itself; offer those that are of use"),
    "output_schema": (None, "be left out: no other API has a place for it; tell of the result in the description"),
}
_FLAT: Final = _FUNCTION | _ASIDE.keys() | {"type"}
_ENTRY: Final = frozenset({"type", "function"})
_ALLOWED: Final = frozenset({"mode", "tools"})
_WORDS: Final = frozenset({"none", "auto", "required"})
_MODE: Final = one_of("auto", "required")
# How vendors begin the types of tools that run on their side.
_HOSTED: Final = (
    "advisor", "browser", "code_execution", "code_interpreter", "computer", "file_search", "google_search",
    "image_generation", "mcp", "programmatic_tool_calling", "retrieval", "shell", "local_shell", "tool_search",
    "url_context", "web_fetch", "web_search", "x_search",
)  # fmt: skip


def function(value: JsonValue, path: str) -> Tool:
    """One function's definition: name, description, parameters, strict."""
    found = record(value, path, _FUNCTION)
    description = found.get("description")
    parameters = found.get("parameters")
    strict = found.get("strict")
    return Tool(
        name=tool_name(found.get("name"), f"{path}.name"),
        description=None if description is None else string(description, f"{path}.description"),
        parameters=None if parameters is None else members(parameters, f"{path}.parameters"),
        strict=None if strict is None else boolean(strict, f"{path}.strict"),
    )


def functions(value: JsonValue, path: str) -> tuple[Tool, ...]:
    """A list of bare definitions, as the native dialect has them."""
    return each(value, path, function)


def chat_tools(value: JsonValue, path: str) -> tuple[Tool, ...]:
    """A list in OpenAI's chat form, where each definition stands beside its type."""
    return each(value, path, _entry)


def flat_tools(value: JsonValue, path: str) -> tuple[Tool, ...]:
    """A list in the form of OpenAI's responses API, where the type stands within the definition."""
    return each(value, path, _flat)


def each(value: JsonValue, path: str, read: Callable[[JsonValue, str], Tool]) -> tuple[Tool, ...]:
    """A list of definitions that ``read`` reads one by one."""
    entries = items(value, path)
    if len(entries) > MAX_TOOLS:
        raise wrong(path, f"hold at most {MAX_TOOLS} tools")
    tools = tuple([read(entry, f"{path}[{i}]") for i, entry in enumerate(entries)])
    if len({tool.name for tool in tools}) != len(tools):
        raise wrong(path, "give each tool a name of its own")
    return tools


def _entry(value: JsonValue, path: str) -> Tool:
    check_function_type(members(value, path).get("type"), f"{path}.type")
    return function(record(value, path, _ENTRY).get("function"), f"{path}.function")


def _flat(value: JsonValue, path: str) -> Tool:
    check_function_type(members(value, path).get("type"), f"{path}.type")
    found = record(value, path, _FLAT)
    for key, (nothing, must) in _ASIDE.items():
        if found.get(key) is not None and found[key] != nothing:
            raise wrong(f"{path}.{key}", must)
    return function({key: held for key, held in found.items() if key in _FUNCTION}, path)


def check_function_type(value: JsonValue, path: str) -> None:
    """Refuse every type of tool but ``function``.

    Raises:
        ContentByReference: the provider would run the tool, and its results would reach the model unseen.
        InvalidField: any other type, custom tools among them.
    """
    if value == "function":
        return
    if is_hosted(value):
        raise ContentByReference(
            f"{path} asks for a tool that the provider runs, whose results the gateway cannot see: "
            "define a function, run it yourself and send its result.",
            param=path,
        )
    if value == "custom":
        raise InvalidField(
            f"{path} asks for a custom tool, which is not supported: define a function with one string parameter.",
            param=path,
        )
    raise wrong(path, "be function")


def is_hosted(kind: JsonValue) -> bool:
    """Whether tools of this type run on a vendor's side."""
    return isinstance(kind, str) and kind.startswith(_HOSTED)


def chat_tool_choice(value: JsonValue, path: str, tools: tuple[Tool, ...]) -> JsonValue:
    """OpenAI's chat form: a word, one function, or a list of allowed ones."""
    if isinstance(value, str):
        return choice_word(value, path, tools)
    found = members(value, path)
    if found.get("type") == "allowed_tools":
        return _allowed(found, path, tools)
    return _named_entry(found, path, tools)


def choice_word(value: str, path: str, tools: tuple[Tool, ...]) -> str:
    """``none``, ``auto`` or ``required``."""
    if value not in _WORDS:
        raise wrong(path, "be none, auto, required or an object that names a function")
    if value == "required" and not tools:
        raise wrong(path, "be none or auto where tools holds no tool")
    return value


def chosen(value: JsonValue, path: str, tools: tuple[Tool, ...]) -> str:
    """The name of one of the request's tools."""
    found = tool_name(value, path)
    if all(tool.name != found for tool in tools):
        raise wrong(path, "name one of the request's tools")
    return found


def _named_entry(value: JsonValue, path: str, tools: tuple[Tool, ...]) -> JsonObject:
    check_function_type(members(value, path).get("type"), f"{path}.type")
    inner = record(record(value, path, _ENTRY).get("function"), f"{path}.function", ("name",))
    return {"type": "function", "function": {"name": chosen(inner.get("name"), f"{path}.function.name", tools)}}


def _allowed(value: JsonValue, path: str, tools: tuple[Tool, ...]) -> JsonObject:
    outer = record(value, path, ("type", "allowed_tools"))
    where = f"{path}.allowed_tools"
    return _subset(record(outer.get("allowed_tools"), where, _ALLOWED), where, tools, _named_entry)


def flat_tool_choice(value: JsonValue, path: str, tools: tuple[Tool, ...]) -> JsonValue:
    """The form of OpenAI's responses API, told in that of chat."""
    if isinstance(value, str):
        return choice_word(value, path, tools)
    found = members(value, path)
    if found.get("type") == "allowed_tools":
        return _subset(record(found, path, _ALLOWED | {"type"}), path, tools, _flat_entry)
    return _flat_entry(found, path, tools)


def _flat_entry(value: JsonValue, path: str, tools: tuple[Tool, ...]) -> JsonObject:
    check_function_type(members(value, path).get("type"), f"{path}.type")
    found = record(value, path, ("type", "name"))
    return {"type": "function", "function": {"name": chosen(found.get("name"), f"{path}.name", tools)}}


def _subset(
    found: JsonObject,
    path: str,
    tools: tuple[Tool, ...],
    read: Callable[[JsonValue, str, tuple[Tool, ...]], JsonObject],
) -> JsonObject:
    """The mode and the tools of a list of allowed ones, each entry by ``read``."""
    listed = items(found.get("tools"), f"{path}.tools")
    if len(listed) > len(tools):
        raise wrong(f"{path}.tools", "name no more tools than the request has")
    return {
        "type": "allowed_tools",
        "allowed_tools": {
            "mode": _MODE(found.get("mode"), f"{path}.mode"),
            "tools": [read(entry, f"{path}.tools[{i}]", tools) for i, entry in enumerate(listed)],
        },
    }
