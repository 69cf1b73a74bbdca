"""Does what clients got, what the upstream saw and what the journal says fit together?

Pure. Three sides tell of the same requests, by the id that the gateway gave each: every request of a known caller has
one outcome, which says what its client got; every call that the upstream saw has an intent before it; and nobody's
answer repeats another's number.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from benchmarks.soaking.reading import Got, expected

# How many examples of each problem are told.
_EXAMPLES: Final = 5
CLIENT_GONE: Final = "client_gone"


@dataclass(slots=True)
class Recorded:
    """What the journal holds of one request."""

    intents: int = 0
    outcomes: list[tuple[int, str | None]] = field(default_factory=list[tuple[int, "str | None"]])


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


def match(got: Sequence[Got], calls: Mapping[str, int], recorded: Mapping[str, Recorded]) -> Matched:
    """Hold the three sides against each other; ``calls`` are those that the upstream saw, by request."""
    matched = Matched(requests=len(got), calls=sum(calls.values()))
    for one in got:
        _match_client(one, recorded, matched)
    known = {one.request for one in got}
    # Whoever left before the answer's head came cannot tell which request it was.
    unnamed = sum(not one.request for one in got)
    for request, told in recorded.items():
        matched.outcomes += len(told.outcomes)
        matched.intents += told.intents
        if len(told.outcomes) != 1:
            matched.wrong("requests without exactly one outcome", f"{request}: {len(told.outcomes)}")
        if request not in known:
            unnamed -= 1
    for request, number in calls.items():
        if number > (recorded[request].intents if request in recorded else 0):
            matched.wrong("UNAUDITED CALLS", f"{request}: {number} calls")
    if unnamed:
        matched.wrong("requests that nobody sent, or that left no record", f"{-unnamed:+d}")
    return matched


def _match_client(one: Got, recorded: Mapping[str, Recorded], matched: Matched) -> None:
    told = f"{one.request or '(no id)'} {one.ask.kind}, {one.ask.dialect}, {'stream' if one.ask.stream else 'whole'}"
    if one.foreign:
        matched.wrong("ANSWERS THAT HOLD ANOTHER'S", told)
    if not one.as_told:
        came = one.why or f"{one.status} {one.code or ('whole' if one.whole else 'cut')}"
        matched.wrong("clients not told what is stated", f"{told}: {came}, not {expected(one.ask.told)}")
    if one.ask.nobodys:
        if one.request in recorded:
            matched.wrong("records of nobody's requests", told)
        return
    if not one.request:
        return
    record = recorded.get(one.request)
    if record is None:
        matched.wrong("requests without a record", told)
    elif record.outcomes and not _agrees(one, *record.outcomes[0]):
        matched.wrong("outcomes that say something else", f"{told}: {one.status} {one.code}, {record.outcomes[0]}")


def _agrees(one: Got, status: int, error: str | None) -> bool:
    if one.ask.leaves:
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
        held = found.setdefault(request, Recorded())
        status, error = record.get("status"), record.get("error")
        if phase == "intent":
            held.intents += 1
        elif phase == "outcome":
            held.outcomes.append((status if isinstance(status, int) else 0, error if isinstance(error, str) else None))
    return found


def calls_in(lines: Iterable[str]) -> dict[str, int]:
    """How many calls of each request the upstream's log tells of."""
    found = Counter[str]()
    for line in lines:
        what, _, rest = line.partition("\t")
        if what == "call":
            found[rest.partition("\t")[0]] += 1
    return dict(found)
