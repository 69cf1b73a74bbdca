"""Which faults can the scripted upstream have, and what is a client told of each?

One table for the soak and for the fault matrix of the tests: what stands here is what docs/operations.md says. A fault
is asked for by the request itself: its text holds the mark that ``mark`` makes, so that any target can have any fault.
"""

import re
from dataclasses import dataclass
from typing import Final

# What is asked of the upstream: who asks, by a number that no other request has, and how to answer.
MARK: Final = re.compile(rb"soak:([0-9a-f]{16}):([a-z0-9-]+)")
# Every piece of an answer holds the number of the request that it answers.
ECHO: Final = re.compile(rb"echo-([0-9a-f]{16})")

# How an upstream answers that has no fault: at once, with a call of a tool, or so slowly that clients leave.
OK: Final = "ok"
CALL: Final = "call"
SLOW: Final = "slow"
# Nobody listens where this model's target leads: all other faults are the upstream's to play.
REFUSE: Final = "refuse"


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What the client gets: a status, and the code of the error.

    ``begun`` says that the answer has begun, so that the error is the last event of a stream with status 200; ``wait``
    is the limit that runs out before, of the target's ``timeouts``.
    """

    status: int
    code: str
    begun: bool = False
    wait: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """A fault: its class, what the upstream does, and what is told of it where a whole answer or a stream is asked for.

    ``retry_after`` is what the client is told of when to come back; ``calls`` says whether the upstream sees a call.
    """

    name: str
    kind: str
    does: str
    whole: Told
    stream: Told
    retry_after: int | None = None
    calls: bool = True


_UNREACHABLE: Final = Told(status=502, code="upstream_unreachable")
_GARBLED: Final = Told(status=502, code="upstream_garbled")
_FAILED: Final = Told(status=502, code="upstream_failed")
_FULL: Final = Told(status=429, code="upstream_overloaded")


def _late(wait: str) -> Told:
    return Told(status=504, code="upstream_timeout", wait=wait)


def _in_stream(code: str, wait: str | None = None) -> Told:
    return Told(status=200, code=code, begun=True, wait=wait)


FAULTS: Final = (
    Fault(
        name=REFUSE, kind="refuse", does="refuses the connection", whole=_UNREACHABLE, stream=_UNREACHABLE, calls=False
    ),
    Fault(
        name="reset",
        kind="reset",
        does="resets the connection once the request is there",
        whole=_GARBLED,
        stream=_GARBLED,
    ),
    Fault(name="close", kind="reset", does="closes the connection without an answer", whole=_GARBLED, stream=_GARBLED),
    Fault(
        name="reset-midway",
        kind="reset",
        does="resets the connection in the middle of the answer",
        whole=_GARBLED,
        stream=_in_stream("upstream_garbled"),
    ),
    Fault(
        name="cut",
        kind="reset",
        does="ends the answer properly before it is whole",
        whole=_GARBLED,
        stream=_in_stream("upstream_garbled"),
    ),
    Fault(
        name="hang",
        kind="hang",
        does="takes the request and says nothing",
        whole=_late("first_byte"),
        stream=_late("first_byte"),
    ),
    Fault(
        name="hang-midway",
        kind="hang",
        does="says nothing more in the middle of the answer",
        whole=_late("idle"),
        stream=_in_stream("upstream_timeout", "idle"),
    ),
    Fault(name="not-http", kind="garbage", does="answers what is no HTTP", whole=_GARBLED, stream=_GARBLED),
    Fault(name="not-json", kind="garbage", does="answers HTML with status 200", whole=_GARBLED, stream=_GARBLED),
    Fault(
        name="wrong-shape",
        kind="garbage",
        does="answers JSON, or events, of another shape",
        whole=_GARBLED,
        stream=_GARBLED,
    ),
    Fault(
        name="garbage-midway",
        kind="garbage",
        does="answers well, then what is no JSON",
        whole=_GARBLED,
        stream=_in_stream("upstream_garbled"),
    ),
    Fault(
        name="drip",
        kind="drip",
        does="answers byte by byte, never late and never done",
        whole=_late("total"),
        stream=_in_stream("upstream_timeout", "total"),
    ),
    Fault(
        name="429-later",
        kind="429",
        does="answers 429 with `retry-after: 7`",
        whole=_FULL,
        stream=_FULL,
        retry_after=7,
    ),
    Fault(name="429", kind="429", does="answers 429", whole=_FULL, stream=_FULL),
    Fault(name="500", kind="5xx", does="answers 500", whole=_FAILED, stream=_FAILED),
    Fault(name="502", kind="5xx", does="answers 502 with a proxy's page", whole=_FAILED, stream=_FAILED),
    Fault(name="503", kind="5xx", does="answers 503", whole=_FULL, stream=_FULL),
    Fault(
        name="fails-midway",
        kind="5xx",
        does="sends an error in place of (the rest of) its answer, with status 200",
        whole=_FAILED,
        stream=_in_stream("upstream_failed"),
    ),
)
BY_NAME: Final = {fault.name: fault for fault in FAULTS}


def mark(number: str, play: str) -> str:
    """The text that has the upstream answer so; ``number`` has 16 hexadecimal digits."""
    return f"soak:{number}:{play}"
