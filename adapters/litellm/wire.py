"""Does a vendor get what was asked, each text in a place of its own kind?

litellm rewrites a request for each vendor. For some it moves a tool's result or a system message into the user's text,
for many it leaves out what the vendor has no word for, and mostly it says nothing of that. So what is about to be sent
is held against what was asked: every text must stand in it, a tool's results where the vendor has its tools' results,
system messages where it has those, and every option must be there in some form. What is missing is refused by its path
before anything is sent. So is a conversation that litellm has end with the assistant's words. Sources for the names of
places: the vendors' references (Bedrock's Converse, Gemini's generateContent, Cohere's v2 chat, Anthropic's Messages,
OpenAI's chat completions).
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

import orjson

from adapters._refusal import Refused
from adapters.litellm._options import Said, plain, unsaid
from gateway.domain.jsonvalue import JsonObject, JsonValue


class Place(StrEnum):
    """Whose words stand somewhere."""

    SYSTEM = "system"
    USER = "user"
    ASSISTANT = "assistant"
    TOOL = "tool"
    DOCUMENTS = "documents"
    TOOLS = "tools"  # their definitions
    ARGUMENTS = "arguments"  # of calls
    ELSEWHERE = "elsewhere"


# Under which keys, in which roles and in which types of blocks vendors put what is whose.
_BY_KEY: Final[Mapping[str, Place]] = {
    "system": Place.SYSTEM,
    "systeminstruction": Place.SYSTEM,
    "toolresult": Place.TOOL,
    "functionresponse": Place.TOOL,
    "documents": Place.DOCUMENTS,
    "tools": Place.TOOLS,
}
_BY_ROLE: Final[Mapping[str, Place]] = {
    "system": Place.SYSTEM,
    "developer": Place.SYSTEM,
    "user": Place.USER,
    "assistant": Place.ASSISTANT,
    "model": Place.ASSISTANT,
    "tool": Place.TOOL,
}
_BY_TYPE: Final[Mapping[str, Place]] = {"tool_result": Place.TOOL}
# Where vendors put a conversation's turns.
_TURNS: Final = ("messages", "contents")
# What stands in these stays there, whatever its keys: they are an application's or a model's own.
_SEALED: Final = frozenset({Place.TOOL, Place.TOOLS, Place.ARGUMENTS, Place.DOCUMENTS})
# Where a tool's result may stand as an object.
_RESULTS: Final = frozenset({"json", "response"})
_ARGUMENTS: Final = frozenset({"args", "arguments", "input"})


@dataclass(frozen=True, slots=True)
class Sent:
    """What stands on the wire: texts by place, keys beside users' texts, objects in calls and results, and all else."""

    texts: Mapping[Place, set[str]] = field(default_factory=lambda: {place: set[str]() for place in Place})
    beside_users: set[str] = field(default_factory=set[str])
    arguments: set[bytes] = field(default_factory=set[bytes])
    results: set[bytes] = field(default_factory=set[bytes])
    else_said: Said = field(default_factory=Said)

    def holds(self, text: str, place: Place) -> bool:
        """Whether a text stands in ``place``, alone or within another one; blanks alone are nothing."""
        if text in self.texts[place]:
            return True
        bare = text.strip()
        return not bare or any(bare in whole for whole in self.texts[place])


def read(body: JsonValue) -> Sent:
    """Take a body apart."""
    sent = Sent()
    todo: list[tuple[JsonValue, Place]] = [(body, Place.ELSEWHERE)]
    while todo:
        value, place = todo.pop()
        match value:
            case str():
                (sent.else_said.words if place is Place.ELSEWHERE else sent.texts[place]).add(value)
            case bool() | None:
                continue
            case int() | float():
                if place is Place.ELSEWHERE:
                    sent.else_said.numbers.add(float(value))
            case Mapping():
                todo += _inside(value, _place_of(value, place), sent)
            case _:
                todo += [(inner, place) for inner in value]
    return sent


def _place_of(value: JsonObject, place: Place) -> Place:
    """Whose words an object holds that stands in ``place``."""
    if place in _SEALED:
        return place
    role, kind = value.get("role"), value.get("type")
    if isinstance(kind, str) and kind in _BY_TYPE:
        return _BY_TYPE[kind]
    return _BY_ROLE.get(role.casefold(), place) if isinstance(role, str) else place


def _inside(value: JsonObject, place: Place, sent: Sent) -> Iterator[tuple[JsonValue, Place]]:
    for key, inner in value.items():
        match place:
            case Place.ELSEWHERE:
                sent.else_said.keys.add(plain(key))
            case Place.USER:
                sent.beside_users.add(plain(key))
            case Place.TOOLS:
                sent.texts[place].add(key)  # a property's name
            case _:
                pass
        if place is Place.TOOL and key in _RESULTS and isinstance(inner, Mapping):
            sent.results.add(_canonical(inner))
        if place is Place.ASSISTANT and key in _ARGUMENTS and isinstance(inner, Mapping):
            sent.arguments.add(_canonical(inner))
            yield inner, Place.ARGUMENTS
        else:
            yield inner, place if place in _SEALED else _BY_KEY.get(plain(key), place)


def check_chat(asked: JsonObject, body: JsonValue) -> None:
    """Hold a body against the chat request that it is made of.

    Raises:
        Refused: something is missing, or stands in another place than its own.
    """
    sent = read(body)
    for index, message in enumerate(_objects(asked.get("messages"))):
        _check_message(message, f"messages[{index}]", sent)
    for index, tool in enumerate(_objects(asked.get("tools"))):
        function = tool.get("function")
        if isinstance(function, Mapping):
            _check_tool(function, f"tools[{index}].function", sent)
    for index, document in enumerate(_objects(asked.get("documents"))):
        for text in _texts_in(document):
            _expect(text, Place.DOCUMENTS, f"documents[{index}]", sent)
    options = {name: value for name, value in asked.items() if name not in {"messages", "tools", "documents"}}
    name = unsaid(options, sent.else_said)
    if name is not None:
        raise _lost(name)
    _check_end(asked.get("messages"), body)


def _check_end(asked: JsonValue, body: JsonValue) -> None:
    """Refuse what ends with the assistant's words and did not so before: the model would go on with them."""
    if _ends_as_assistant(body) and not _ends_as_assistant({"messages": asked}):
        last = len(_objects(asked)) - 1
        raise Refused(
            "not_sayable",
            f"messages[{last}] cannot stand at the end for this vendor, where the assistant's words would come "
            "to stand: end with a user message that says something, or with a tool's result.",
            param=f"messages[{last}]",
        )


def _ends_as_assistant(body: JsonValue) -> bool:
    turns = [_objects(body.get(name)) for name in _TURNS] if isinstance(body, Mapping) else []
    return any(_place_of(told[-1], Place.ELSEWHERE) is Place.ASSISTANT for told in turns if told)


def inputs_in(asked: JsonObject, body: JsonValue) -> frozenset[int]:
    """Which of the texts to be embedded stand in ``body``, by their index."""
    words = read(body).else_said.words
    texts = asked.get("input")
    return frozenset(index for index, one in enumerate(texts if isinstance(texts, list) else []) if one in words)


def _check_message(message: JsonObject, path: str, sent: Sent) -> None:
    place = _BY_ROLE[str(message["role"])]
    content = message.get("content")
    if isinstance(content, str) and not (place is Place.TOOL and _is_an_object_of(content, sent)):
        _expect(content, place, f"{path}.content", sent)
    for index, part in enumerate(_objects(content)):
        _check_part(part, place, f"{path}.content[{index}]", sent)
    for key in ("refusal", "reasoning_content", "reasoning"):
        if isinstance(text := message.get(key), str):
            _expect(text, place, f"{path}.{key}", sent)
    if isinstance(name := message.get("name"), str):
        _expect_word(name, place, f"{path}.name", sent)
    for index, call in enumerate(_objects(message.get("tool_calls"))):
        if isinstance(function := call.get("function"), Mapping):
            _check_call(function, f"{path}.tool_calls[{index}].function", sent)


def _is_an_object_of(content: str, sent: Sent) -> bool:
    """Whether a tool's result stands there as the object that its text says."""
    try:
        return bool(sent.results) and _canonical(orjson.loads(content)) in sent.results
    except orjson.JSONDecodeError:
        return False


def _texts_in(value: JsonValue) -> Iterator[str]:
    todo = [value]
    while todo:
        held = todo.pop()
        if isinstance(held, str):
            yield held
        elif isinstance(held, Mapping):
            todo.extend(held.values())
        elif isinstance(held, list):
            todo.extend(held)


def _check_part(part: JsonObject, place: Place, path: str, sent: Sent) -> None:
    kind = str(part["type"])
    held = part.get(kind)
    if isinstance(held, str):
        _expect(held, place, f"{path}.{kind}", sent)
    elif isinstance(held, Mapping):
        for key in ("url", "data", "file_data"):
            if isinstance(media := held.get(key), str):
                _expect(media.rpartition(";base64,")[2], place, f"{path}.{kind}.{key}", sent)
        if isinstance(name := held.get("filename"), str):
            _expect_word(name, place, f"{path}.{kind}.filename", sent)
        keys = sent.beside_users | sent.else_said.keys
        if held.get("detail", "auto") != "auto" and keys.isdisjoint({"detail", "mediaresolution"}):
            raise _lost(f"{path}.{kind}.detail")


def _check_call(function: JsonObject, path: str, sent: Sent) -> None:
    _expect_word(str(function["name"]), Place.ASSISTANT, f"{path}.name", sent)
    arguments = str(function["arguments"])
    if arguments in sent.texts[Place.ASSISTANT]:
        return
    try:
        value: JsonValue = orjson.loads(arguments or "{}")
    except orjson.JSONDecodeError:
        raise _lost(f"{path}.arguments") from None
    if _canonical(value) not in sent.arguments:
        raise _lost(f"{path}.arguments")


def _check_tool(function: JsonObject, path: str, sent: Sent) -> None:
    _expect_word(str(function["name"]), Place.TOOLS, f"{path}.name", sent)
    if isinstance(text := function.get("description"), str):
        _expect(text, Place.TOOLS, f"{path}.description", sent)
    if function.get("strict") is True and "strict" not in sent.texts[Place.TOOLS]:
        raise _lost(f"{path}.strict")
    for word in _words_of(function.get("parameters")):
        _expect_word(word, Place.TOOLS, f"{path}.parameters", sent)


def _words_of(schema: JsonValue) -> Iterator[str]:
    """What a model reads of a schema: names of properties, descriptions, and values to choose from."""
    todo = [schema]
    while todo:
        held = todo.pop()
        if isinstance(held, list):
            todo.extend(held)
        if not isinstance(held, Mapping):
            continue
        for key, inner in held.items():
            if key == "description" and isinstance(inner, str):
                yield inner
            elif key == "enum" and isinstance(inner, list):
                yield from [one for one in inner if isinstance(one, str)]
            elif key == "properties" and isinstance(inner, Mapping):
                yield from inner
                todo.extend(inner.values())
            else:
                todo.append(inner)


def _expect(text: str, place: Place, path: str, sent: Sent) -> None:
    if not sent.holds(text, place):
        raise _lost(path)


def _expect_word(word: str, place: Place, path: str, sent: Sent) -> None:
    if word not in sent.texts[place]:
        raise _lost(path)


def _lost(path: str) -> Refused:
    return Refused(
        "not_sayable",
        f"{path} cannot be said to this vendor in a place of its own: leave it out, or use another target.",
        param=path,
    )


def _objects(value: JsonValue) -> list[JsonObject]:
    return [one for one in value if isinstance(one, Mapping)] if isinstance(value, list) else []


def _canonical(value: JsonValue) -> bytes:
    return orjson.dumps(value, option=orjson.OPT_SORT_KEYS)
