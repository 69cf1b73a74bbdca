"""Does what clients got, what the upstream saw and what the journal says fit together?

Pure. Three sides tell of the same requests, by the trace that each client began: every request of a known caller has
one outcome, which says what its client got; every call that the upstream saw has an intent, by the id that the gateway
gave the request; and nobody's answer repeats another's number. A client that was gone before its request was read left
nothing, unless the upstream saw a call.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from benchmarks.soaking.reading import Got, expected

# How many examples of each problem are told.
_EXAMPLES: Final = 5
CLIENT_GONE: Final = "client_gone"


@dataclass(slots=True)
class Recorded:
    """What the journal holds of one request, by its trace."""

    trace: str = ""
    intents: int = 0
    outcomes: list[tuple[int, str | None]] = field(default_factory=list[tuple[int, "str | None"]])


@dataclass(slots=True)
class Call:
    """How often the upstream saw the request with this number."""

    number: str
    times: int = 0


@dataclass(slots=True)
class Matched:
    """How many fit, and what does not: each kind of problem with its number and some examples."""

    requests: int = 0
    outcomes: int = 0
    calls: int = 0
    intents: int = 0
    problems: dict[str, int] = field(default_factory=dict[str, int])
    examples: dict[str, list[str]] = field(default_factory=dict[str, list[str]])

    def wrong(self, problem: str, example: str) -> None:
        """One more of a kind."""
        self.problems[problem] = 1 + self.problems.get(problem, 0)
        told = self.examples.setdefault(problem, [])
        if len(told) < _EXAMPLES:
            told.append(example)


def match(got: Sequence[Got], calls: Mapping[str, Call], recorded: Mapping[str, Recorded]) -> Matched:
    """Hold the three sides against each other; ``calls`` are those that the upstream saw, by request."""
    matched = Matched(requests=len(got), calls=sum(call.times for call in calls.values()))
    traces = {told.trace: told for told in recorded.values()}
    called = {call.number for call in calls.values()}
    for one in got:
        _match_client(one, traces.pop(one.ask.trace, None), called, matched)
    if traces:
        matched.wrong("records of requests that nobody sent", f"{len(traces)}")
    for request, told in recorded.items():
        matched.outcomes += len(told.outcomes)
        matched.intents += told.intents
        if len(told.outcomes) != 1:
            matched.wrong("requests without exactly one outcome", f"{request}: {len(told.outcomes)}")
    for request, call in calls.items():
        if call.times > (recorded[request].intents if request in recorded else 0):
            matched.wrong("UNAUDITED CALLS", f"{request}: {call.times} calls")
    return matched


def _match_client(one: Got, record: Recorded | None, called: Collection[str], matched: Matched) -> None:
    told = f"{one.request or '(no id)'} {one.ask.kind}, {one.ask.dialect}, {'stream' if one.ask.stream else 'whole'}"
    if one.foreign:
        matched.wrong("ANSWERS THAT HOLD ANOTHER'S", told)
    if not one.as_told:
        came = one.why or f"{one.status} {one.code or ('whole' if one.whole else 'cut')}"
        matched.wrong("clients not told what is stated", f"{told}: {came}, not {expected(one.ask.told)}")
    if one.ask.nobodys:
        if record is not None:
            matched.wrong("records of nobody's requests", told)
    elif record is None:
        if one.request or one.ask.number in called:
            matched.wrong("requests without a record", told)
    elif record.outcomes and not _agrees(one, *record.outcomes[0]):
        matched.wrong("outcomes that say something else", f"{told}: {one.status} {one.code}, {record.outcomes[0]}")


def _agrees(one: Got, status: int, error: str | None) -> bool:
    if one.ask.leaves or one.why is not None:
        # It may have come to its end before the client was gone.
        return error in {None, CLIENT_GONE}
    return (status, error) == (one.status, one.code)


def tally(records: Iterable[Mapping[str, object]]) -> dict[str, Recorded]:
    """What the journal's records say of each request."""
    found: dict[str, Recorded] = {}
    for record in records:
        request, phase = record.get("request"), record.get("phase")
        if not isinstance(request, str) or phase not in {"intent", "outcome", "decision"}:
            continue
        trace = record.get("trace")
        held = found.setdefault(request, Recorded(trace=trace if isinstance(trace, str) else ""))
        status, error = record.get("status"), record.get("error")
        if phase == "intent":
            held.intents += 1
        elif phase == "outcome":
            held.outcomes.append((status if isinstance(status, int) else 0, error if isinstance(error, str) else None))
    return found


def calls_in(lines: Iterable[str]) -> dict[str, Call]:
    """The calls that the upstream's log tells of, by request."""
    found: dict[str, Call] = {}
    for line in lines:
        what, request, number, *_ = line.split("\t")
        if what == "call":
            found.setdefault(request, Call(number=number)).times += 1
    return found
