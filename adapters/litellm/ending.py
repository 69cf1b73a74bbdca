"""Has a vendor's stream said that it is at its end?

Vendors say so in each event's own words: a reason for the end, or the name of a last event. A model may write the same
words, as a text or as the arguments of a call, which some vendors send as objects: lines of JSON are therefore read,
and what a call was given is not looked into. Only what is no JSON by the line is searched as bytes.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Final

import orjson

from gateway.domain.jsonvalue import JsonValue

_REASONS: Final = frozenset({"finish_reason", "finishReason", "stop_reason", "stopReason", "done_reason"})
# Under these names vendors send what a call was given, where that is an object.
_GIVEN: Final = frozenset({"args", "arguments", "input", "parameters"})
# Amazon's event streams: a text (7) of length 11. In JSON such a byte has a backslash before it.
_LAST_EVENT: Final = b":event-type\x07\x00\x0bmessageStop"
# Inside a JSON text a quotation mark has a backslash before it, so that no answer's own words can look like this.
_REASON_GIVEN: Final = re.compile(rb'(?:^|[{,\s])"(?:finish_?[rR]eason|stop_?[rR]eason|done_reason)"\s*:\s*"')
_LINE_END: Final = re.compile(rb"[\r\n]+")
_DATA: Final = b"data:"
_DONE: Final = b"[DONE]"


class Ending:
    """Feed it the stream's bytes as they come; ``said`` is whether the end was among them. ``finish`` at the end."""

    def __init__(self) -> None:
        self.said = False
        self._line: list[bytes] = []
        self._tail = b""

    def feed(self, chunk: bytes) -> None:
        """More of the stream."""
        seen = self._tail + chunk
        self.said = self.said or _LAST_EVENT in seen
        self._tail = seen[1 - len(_LAST_EVENT) :]
        *lines, rest = _LINE_END.split(chunk)
        for line in lines:
            self._line.append(line)
            self.finish()
        self._line.append(rest)

    def finish(self) -> None:
        """The last line is whole."""
        line, self._line = b"".join(self._line).strip(), []
        if line and not self.said:
            self.said = _ends(line)


def _ends(line: bytes) -> bool:
    told = line.removeprefix(_DATA).lstrip()
    if line.startswith(_DATA) and told.startswith(_DONE):
        return True
    try:
        event: JsonValue = orjson.loads(told)
    except orjson.JSONDecodeError:
        return _REASON_GIVEN.search(line) is not None
    return _tells(event)


def _tells(event: JsonValue) -> bool:
    """Whether a reason for the end stands anywhere but in what a call was given."""
    left = [event]
    while left:
        value = left.pop()
        if isinstance(value, Mapping):
            if any(isinstance(value.get(name), str) for name in _REASONS):
                return True
            left += [inner for name, inner in value.items() if name not in _GIVEN]
        elif isinstance(value, Sequence) and not isinstance(value, str):
            left += value
    return False
