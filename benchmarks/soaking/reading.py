"""What did a client get, and is any of it somebody else's?

Pure, and about bytes alone: whether an answer came to its end, which error it is if it is one, and which requests'
numbers it repeats.
"""

import re
from dataclasses import dataclass
from typing import Final

from benchmarks.soaking.faults import ECHO, Told
from benchmarks.soaking.mix import Ask, Dialect

_ENDS: Final[dict[Dialect, bytes]] = {
    "chat": b"data: [DONE]\n\n",
    "responses": b"event: response.completed\n",
    "messages": b"event: message_stop\n",
    "split": b"event: done\n",
}
_CODE: Final = re.compile(rb'"code": ?"([a-z0-9_]+)"')
_ERROR: Final = re.compile(rb'"error": ?\{|event: error\n')


@dataclass(frozen=True, slots=True, kw_only=True)
class Got:
    """What a request came to: the gateway's id of it, the status (0 without an answer), an error's code, the times.

    ``whole`` says that the answer came to an end of its own; ``why`` is what went wrong with the connection.
    """

    ask: Ask
    request: str
    status: int
    code: str | None
    whole: bool
    foreign: bool
    at_s: float
    took_ms: float
    first_ms: float | None = None
    why: str | None = None

    @property
    def as_told(self) -> bool:
        """Whether that is what was to be told."""
        told = self.ask.told
        if self.ask.leaves:
            return self.status == 200 and self.why is None
        if told is None:
            return self.status == 200 and self.whole and self.code is None
        ended = not self.whole if told.begun else True
        return (self.status, self.code) == (told.status, told.code) and ended


def code_in(body: bytes) -> str | None:
    """The code of the error that an answer is, or that a stream ends with; the last one counts."""
    if _ERROR.search(body) is None and b'"urn:splitgate:problem:' not in body:
        return None
    found = _CODE.findall(body)
    return found[-1].decode() if found else "(none)"


def is_whole(ask: Ask, status: int, body: bytes) -> bool:
    """Whether an answer came to an end of its own."""
    if status != 200:
        return False
    return _ENDS[ask.dialect] in body if ask.stream else ECHO.search(body) is not None


def is_foreign(ask: Ask, body: bytes) -> bool:
    """Whether it repeats the number of another request."""
    own = ask.number.encode()
    return any(number != own for number in ECHO.findall(body))


def expected(told: Told | None) -> str:
    """What was to be told, for people."""
    if told is None:
        return "a whole answer"
    return f"{told.status} {told.code}" + (" at the end of a stream" if told.begun else "")
