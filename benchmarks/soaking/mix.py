"""Which requests does the soak send?

Drawn from a generator that a seed begins, so that a run can be had again: all generating dialects, whole and streamed,
short and longer, with tools, some that policy refuses, some by nobody's key, some whose client leaves, some whose
upstream has a fault. Each says what its client is to be told.
"""

import json
import random
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final, Literal, TypeAlias

from benchmarks.payloads import text_of
from benchmarks.soaking.faults import CALL, FAULTS, OK, REFUSE, SLOW, Told, mark

Dialect: TypeAlias = Literal["chat", "responses", "messages", "split"]

PATHS: Final[Mapping[Dialect, str]] = {
    "chat": "/v1/chat/completions",
    "responses": "/v1/responses",
    "messages": "/v1/messages",
    "split": "/v1/split",
}
DIALECTS: Final[tuple[Dialect, ...]] = tuple(PATHS)
# Two models of the gateway: one whose upstream plays what it is asked to, one that leads nowhere.
MODEL: Final = "soaked"
NOWHERE: Final = REFUSE
# Data of this origin is what the soak's policy refuses.
REFUSED_ORIGIN: Final = "refused"
_BLOCKED: Final = Told(status=400, code="splitgate_blocked")
_NOBODY: Final = Told(status=401, code="invalid_api_key")

_FAULTS: Final = 0.05
_REFUSED: Final = 0.03
_NOBODYS: Final = 0.01
_LEAVING: Final = 0.03
_TOOLS: Final = 0.15
_STREAMS: Final = 0.5
# Characters of data, and how often: the largest is computed beside the event loop.
_SIZES: Final = ((300, 0.7), (4_000, 0.25), (40_000, 0.05))
_SUBJECTS: Final = 200
_SCHEMA: Final = {"type": "object", "properties": {"what": {"type": "string"}}}


@dataclass(frozen=True, slots=True, kw_only=True)
class Ask:
    """One request: its number, how the upstream is to play it, and what its client is to be told, None of success.

    ``leaves`` says that the client goes away in the middle.
    """

    number: str
    dialect: Dialect
    play: str
    stream: bool
    chars: int
    tools: bool
    told: Told | None
    leaves: bool = False
    refused: bool = False
    nobodys: bool = False
    subject: str | None = None

    @property
    def trace(self) -> str:
        """The id of its trace, which the journal tells as well: also of an answer that never began."""
        return self.number * 2

    @property
    def kind(self) -> str:
        """What it is counted under."""
        if self.nobodys or self.refused:
            return "nobody's" if self.nobodys else "refused by policy"
        if self.leaves:
            return "leaves"
        return "served" if self.told is None else f"fault {self.play}"


def draw(chance: random.Random, *, healthy: bool = False) -> Ask:
    """The next request; with ``healthy`` one that is served."""
    number = f"{chance.getrandbits(64):016x}"
    dialect, stream = chance.choice(DIALECTS), chance.random() < _STREAMS
    chars = chance.choices([size for size, _ in _SIZES], [share for _, share in _SIZES])[0]
    tools = chance.random() < _TOOLS
    subject = f"person-{chance.randrange(_SUBJECTS)}" if chance.random() < 0.3 else None
    what = 1.0 if healthy else chance.random()
    base = Ask(
        number=number,
        dialect=dialect,
        play=CALL if tools else OK,
        stream=stream,
        chars=chars,
        tools=tools,
        told=None,
        subject=subject,
    )
    return _turned(base, what, chance)


def _turned(base: Ask, what: float, chance: random.Random) -> Ask:
    """What becomes of a request by the lot that it drew, between 0 and 1."""
    if what < _FAULTS:
        fault = chance.choice(FAULTS)
        return replace(base, play=fault.name, told=fault.stream if base.stream else fault.whole)
    what -= _FAULTS
    if what < _REFUSED:
        return replace(base, told=_BLOCKED, refused=True)
    what -= _REFUSED
    if what < _NOBODYS:
        return replace(base, told=_NOBODY, nobodys=True)
    what -= _NOBODYS
    if what < _LEAVING:
        return replace(base, play=SLOW, tools=False, leaves=True, stream=chance.random() < 0.7)
    return base


def model_of(ask: Ask) -> str:
    """The gateway's model: one of its own leads where nobody listens."""
    return NOWHERE if ask.play == REFUSE else MODEL


def body_of(ask: Ask) -> bytes:
    """The request's body."""
    data = {"id": "mail", "origin": REFUSED_ORIGIN if ask.refused else "email", "text": text_of("ascii", ask.chars)}
    body: dict[str, object] = {"model": model_of(ask), "data": [data], "stream": ask.stream}
    text = f"Sum up the mail. {mark(ask.number, ask.play)}"
    match ask.dialect:
        case "chat":
            body["messages"] = [{"role": "system", "content": "You answer."}, {"role": "user", "content": text}]
        case "responses":
            body |= {"instructions": "You answer.", "input": text, "store": False}
        case "messages":
            body |= {"max_tokens": 100, "system": "You answer.", "messages": [{"role": "user", "content": text}]}
        case "split":
            body["instructions"] = text
    if ask.tools:
        body["tools"] = [_tool(ask.dialect)]
    return json.dumps(body | _subject(ask), separators=(",", ":")).encode()


def _tool(dialect: Dialect) -> dict[str, object]:
    told = {"name": "look_up", "description": "Looks something up."}
    match dialect:
        case "chat":
            return {"type": "function", "function": {**told, "parameters": _SCHEMA}}
        case "responses":
            return {"type": "function", **told, "parameters": _SCHEMA, "strict": False}
        case "messages":
            return {**told, "input_schema": _SCHEMA}
        case "split":
            return {**told, "parameters": _SCHEMA}


def _subject(ask: Ask) -> dict[str, object]:
    if ask.subject is None:
        return {}
    match ask.dialect:
        case "chat" | "responses":
            return {"safety_identifier": ask.subject}
        case "messages":
            return {"metadata": {"user_id": ask.subject}}
        case "split":
            return {"subject": ask.subject}
