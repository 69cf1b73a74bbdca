"""How is a held reply written down so that nothing of it is lost?

As JSON, in the words of the domain. The rule: what cannot be read back to the very same JSON is not written at all, and
what is read and is not of the domain's shape is no reply.
"""

from collections.abc import Callable, Sequence
from typing import TypeVar

import orjson

from gateway.domain.detection import Stage
from gateway.domain.exchange import AppliedRevision, Choice, Handling, Reply, Usage
from gateway.domain.finding import Finding
from gateway.domain.jsonvalue import JsonObject, JsonValue
from gateway.domain.prompt import Seal, ToolCall
from gateway.domain.verdict import Weight

Kind = TypeVar("Kind")


class UnreadableError(ValueError):
    """Not what was written here, or nothing that can be written."""


def write_held(reply: Reply, handling: Handling) -> bytes:
    """Both as JSON.

    Raises:
        UnreadableError: they hold something that JSON cannot.
    """
    raw = _dump((reply, handling))
    if _dump(read_held(raw)) != raw:
        raise UnreadableError("the reply has a field that is not read back")
    return raw


def read_held(raw: bytes) -> tuple[Reply, Handling]:
    """What ``write_held`` wrote.

    Raises:
        UnreadableError: it did not write this.
    """
    both = _list(_load(raw))
    if len(both) != 2:
        raise UnreadableError("a held reply is a reply and its handling")
    return _reply(both[0]), _handling(both[1])


def write_calls(calls: Sequence[ToolCall]) -> bytes:
    """Tool calls as JSON.

    Raises:
        UnreadableError: they hold half a surrogate pair.
    """
    return _dump(calls)


def read_calls(raw: bytes) -> tuple[ToolCall, ...]:
    """What ``write_calls`` wrote.

    Raises:
        UnreadableError: it did not write this.
    """
    return tuple(map(_call, _list(_load(raw))))


def write_words(words: Sequence[str]) -> str:
    """Names as JSON.

    Raises:
        UnreadableError: they hold half a surrogate pair.
    """
    return _dump(words).decode()


def read_words(raw: str) -> tuple[str, ...]:
    """What ``write_words`` wrote.

    Raises:
        UnreadableError: it did not write this.
    """
    return tuple(map(_text, _list(_load(raw))))


def _dump(held: object) -> bytes:
    try:
        return orjson.dumps(held)
    except TypeError:
        # Its message may name a value.
        raise UnreadableError("the reply holds a value that JSON cannot") from None


def _load(raw: bytes | str) -> JsonValue:
    try:
        return orjson.loads(raw)
    except orjson.JSONDecodeError:
        raise UnreadableError("this is no JSON") from None


def _list(held: JsonValue) -> Sequence[JsonValue]:
    if isinstance(held, list):
        return held
    raise UnreadableError("a list is missing")


def _text(held: JsonValue) -> str:
    if isinstance(held, str):
        return held
    raise UnreadableError("a text is missing")


def _whole(held: JsonValue) -> int:
    if isinstance(held, int) and not isinstance(held, bool):
        return held
    raise UnreadableError("a whole number is missing")


class _Fields:
    """A JSON object whose fields have the types that they are asked for by."""

    def __init__(self, held: JsonValue) -> None:
        if not isinstance(held, dict):
            raise UnreadableError("an object is missing")
        self._held = held

    def text(self, name: str) -> str:
        return _text(self._held.get(name))

    def whole(self, name: str) -> int:
        return _whole(self._held.get(name))

    def flag(self, name: str) -> bool:
        held = self._held.get(name)
        if isinstance(held, bool):
            return held
        raise UnreadableError("a flag is missing")

    def json(self, name: str) -> JsonObject:
        held = self._held.get(name)
        if isinstance(held, dict):
            return held
        raise UnreadableError("an object is missing")

    def each(self, name: str, read: Callable[[JsonValue], Kind]) -> tuple[Kind, ...]:
        return tuple(map(read, _list(self._held.get(name))))

    def perhaps(self, name: str, read: Callable[[str], Kind]) -> Kind | None:
        return None if self._held.get(name) is None else read(name)

    def inner(self, name: str) -> JsonValue:
        return self._held.get(name)


def _reply(held: JsonValue) -> Reply:
    of = _Fields(held)
    return Reply(
        id=of.text("id"),
        model=of.text("model"),
        created=of.whole("created"),
        choices=of.each("choices", _choice),
        usage=of.perhaps("usage", lambda name: _usage(of.inner(name))),
        extra=of.json("extra"),
    )


def _choice(held: JsonValue) -> Choice:
    of = _Fields(held)
    return Choice(
        index=of.whole("index"),
        text=of.perhaps("text", of.text),
        finish_reason=of.text("finish_reason"),
        refusal=of.perhaps("refusal", of.text),
        reasoning=of.perhaps("reasoning", of.text),
        tool_calls=of.each("tool_calls", _call),
        logprobs=of.perhaps("logprobs", of.json),
        extra=of.json("extra"),
        stopped_by=of.perhaps("stopped_by", of.text),
        seals=of.each("seals", _seal),
    )


def _seal(held: JsonValue) -> Seal:
    of = _Fields(held)
    return Seal(length=of.whole("length"), token=of.text("token"), hidden=of.flag("hidden"))


def _call(held: JsonValue) -> ToolCall:
    of = _Fields(held)
    return ToolCall(id=of.text("id"), name=of.text("name"), arguments=of.text("arguments"))


def _usage(held: JsonValue) -> Usage:
    of = _Fields(held)
    return Usage(
        input_tokens=of.whole("input_tokens"), output_tokens=of.whole("output_tokens"), details=of.json("details")
    )


def _handling(held: JsonValue) -> Handling:
    of = _Fields(held)
    return Handling(
        request_id=of.text("request_id"),
        model=of.text("model"),
        created=of.whole("created"),
        isolation=of.text("isolation"),
        format=of.text("format"),
        target=of.text("target"),
        decision=of.text("decision"),
        policy=of.perhaps("policy", lambda name: _applied(of.inner(name))),
        findings=of.each("findings", _finding),
        notes=of.each("notes", _text),
        echo=of.json("echo"),
    )


def _applied(held: JsonValue) -> AppliedRevision:
    of = _Fields(held)
    return AppliedRevision(names=of.each("names", _text), revision=of.text("revision"))


def _finding(held: JsonValue) -> Finding:
    of = _Fields(held)
    try:
        weight = Weight(of.text("weight"))
        stage = of.perhaps("stage", lambda name: Stage(of.text(name)))
    except ValueError:
        raise UnreadableError("a weight or a stage is missing") from None
    return Finding(
        rule=of.text("rule"),
        where=of.text("where"),
        count=of.whole("count"),
        policy=of.perhaps("policy", of.text),
        action=of.perhaps("action", of.text),
        weight=weight,
        exception=of.perhaps("exception", of.text),
        stage=stage,
        level=of.whole("level"),
        points=of.whole("points"),
        threshold=of.whole("threshold"),
        spans=of.each("spans", _span),
    )


def _span(held: JsonValue) -> tuple[int, int]:
    ends = _list(held)
    if len(ends) != 2:
        raise UnreadableError("a span is missing")
    return _whole(ends[0]), _whole(ends[1])
