"""How is one case asked, and what does the gateway's reply to it mean?

Through the gateway's own front door, in this process. The rule: a reply counts as an answer or as a refusal only where
it is known to be one. What may be otherwise at the next try is ``Unreached``; what the upstream does not take is
``failed``, which counts for nothing.
"""

import time
from collections.abc import Mapping, Sequence
from typing import Final, Self

import httpx

from gateway.domain.errors import (
    BlockedByPolicy,
    BodyTooLarge,
    InvalidField,
    IsolationUnreachable,
    NotSayable,
    SplitUnproven,
    UpstreamRejected,
)
from gateway.domain.jsonvalue import JsonObject, JsonValue
from gateway.domain.value import value
from gateway.evaluation.case import Case
from gateway.evaluation.result import Result
from gateway.web.app import App

PATH: Final = "/v1/split"
_OK, _ACCEPTED = 200, 202
_BASE: Final = "http://127.0.0.1"
# What a filter of the vendor's says that takes the request or the answer for harmful.
FILTERED: Final = "content_filter"
_HELD: Final = "approval_required"
# Where policies are measured too, they may ask for more than a format reaches, or than a card shows.
_REFUSALS: Final = frozenset({BlockedByPolicy.code, IsolationUnreachable.code, SplitUnproven.code, FILTERED, _HELD})
# A request that the upstream does not take stays so; every other error may be over at the next try.
_FINAL: Final = frozenset({UpstreamRejected.code, NotSayable.code, BodyTooLarge.code, InvalidField.code})
# Not every vendor has words for these; where it has none, nothing was sent.
_NOT_EVERYWHERE: Final = frozenset({"seed", "temperature"})


class Unreached(Exception):
    """There was no answer, and there may be one at the next try; ``after_s`` is when, if that is known."""

    def __init__(self, detail: str, after_s: float | None) -> None:
        super().__init__(detail)
        self.after_s = after_s


@value
class Sampling:
    """How answers are drawn: greedily, so that a run can be repeated as far as the model's server lets it."""

    max_tokens: int = 64
    temperature: float = 0.0
    seed: int = 0


class Asking:
    """Asks a gateway in this process; ``async with`` closes the way to it."""

    def __init__(self, app: App, sampling: Sampling) -> None:
        transport = httpx.ASGITransport(app=app)  # pyright: ignore[reportArgumentType] -- narrower types of the same
        self._http = httpx.AsyncClient(transport=transport, base_url=_BASE, timeout=None)  # noqa: S113 -- targets have
        self._sampling = sampling
        self._unsaid = dict[str, frozenset[str]]()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._http.aclose()

    async def ready(self) -> bool:
        """Whether the gateway takes requests: its probes are over, and the embedded model answers."""
        return (await self._http.get("/readyz")).status_code == _OK

    async def __call__(self, case: Case, name: str) -> Result:
        """Ask ``case`` laid out by the format ``name``.

        Raises:
            Unreached: the model did not answer.
        """
        left_out = self._unsaid.get(name, frozenset())
        begun = time.monotonic()
        reply = await self._http.post(PATH, json=request_of(case, name, self._sampling, left_out))
        taken = round(time.monotonic() - begun, 4)
        told: JsonValue = reply.json()
        if reply.status_code == _OK:
            return _answered(case, name, told, taken)
        unsaid = _word(told, "param")
        if _word(told, "code") == NotSayable.code and unsaid in _NOT_EVERYWHERE - left_out:
            self._unsaid[name] = left_out | {unsaid}
            return await self(case, name)
        return _unanswered(case, name, reply, told, taken)


def request_of(case: Case, name: str, sampling: Sampling, left_out: frozenset[str] = frozenset()) -> JsonObject:
    """The request's body: the format is the model's name at this gateway."""
    body: dict[str, JsonValue] = {
        "model": name,
        "instructions": case.instruction,
        "max_tokens": sampling.max_tokens,
        "temperature": sampling.temperature,
        "seed": sampling.seed,
    }
    if case.data:
        body["data"] = [{"id": "data", "origin": case.origin, "text": case.data}]
    return {key: held for key, held in body.items() if key not in left_out}


def _answered(case: Case, name: str, told: JsonValue, taken: float) -> Result:
    finish = _word(told, "finish_reason")
    items = _items(_at(told, "output"))
    declined = "refusal" if any(_word(item, "type") == "refusal" for item in items) else None
    return Result(
        case=case.id,
        format=name,
        text="\n".join([text for item in items if (text := _said(item))]),
        input_tokens=_count(told, "usage", "input_tokens"),
        output_tokens=_count(told, "usage", "output_tokens"),
        latency_s=taken,
        finish=finish,
        isolation=_word(told, "split", "isolation"),
        refused=FILTERED if finish == FILTERED else declined,
    )


def _unanswered(case: Case, name: str, reply: httpx.Response, told: JsonValue, taken: float) -> Result:
    """A refusal, or a request that can never be made.

    Raises:
        Unreached: neither is known.
    """
    code, upstream = _word(told, "code") or str(reply.status_code), _word(told, "upstream_code")
    refused = _HELD if reply.status_code == _ACCEPTED else FILTERED if upstream == FILTERED else code
    if refused in _REFUSALS:
        return Result(case=case.id, format=name, refused=refused, latency_s=taken)
    if code in _FINAL:
        return Result(case=case.id, format=name, failed=f"{code} ({upstream})" if upstream else code)
    after = reply.headers.get("retry-after", "")
    raise Unreached(_word(told, "detail") or code, float(after) if after.isdigit() else None)


def _said(item: JsonValue) -> str | None:
    """What the model said in one item: a call that it makes up is no silence."""
    match _word(item, "type"):
        case "text" | "refusal":
            return _word(item, "text")
        case "tool_call":
            return f"{_word(item, 'name')}({_word(item, 'arguments')})"
        case _:
            return None


def _at(held: JsonValue, *way: str) -> JsonValue:
    for key in way:
        held = held.get(key) if isinstance(held, Mapping) else None
    return held


def _items(held: JsonValue) -> Sequence[JsonValue]:
    return held if isinstance(held, list) else []


def _count(held: JsonValue, *way: str) -> int | None:
    found = _at(held, *way)
    return found if isinstance(found, int) else None


def _word(held: JsonValue, *way: str) -> str | None:
    found = _at(held, *way)
    return found if isinstance(found, str) else None
