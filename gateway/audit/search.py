"""Which records are there, and which of them are meant?

All epochs are read as one journal in the order of time: an epoch is opened once its beginning is reached and read line
by line, so that memory holds a line of each epoch that is being read. Nothing is verified here; a line that is no
record is counted and passed over, since a reader must not fail where ``verify`` is needed.
"""

import heapq
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final

from gateway.audit.line import Fields, NotCanonical, Value, parsed
from gateway.audit.places import EpochPlaces, Places, whole_lines
from gateway.audit.read import Lines
from gateway.domain.value import value

_BEGAN: Final = "%Y%m%dT%H%M%SZ"
_SECOND: Final = 1_000_000
# What is read of a journal's end to see when it ended, in bytes.
_END: Final = 128 * 1024
# A clock that is set back by no more than this, in microseconds, hides no record from a search.
_STEP: Final = 60 * _SECOND


@value
class Wanted:
    """What a record must have; None asks for nothing. Times are microseconds since the epoch, ``until`` excluded.

    ``rule`` is a rule's id, or ``POLICY/RULE``; ``subject`` a pseudonym; ``request`` the beginning of an id.
    """

    since: int | None = None
    until: int | None = None
    tenant: str | None = None
    rule: str | None = None
    decision: str | None = None
    request: str | None = None
    model: str | None = None
    phase: str | None = None
    subject: str | None = None

    def covers(self, time: int) -> bool:
        """Whether ``time`` is within the range."""
        return (self.since is None or time >= self.since) and (self.until is None or time < self.until)

    def asks_for(self, fields: Fields) -> bool:
        """Whether a record is meant."""
        return (
            self.covers(time_of(fields))
            and _is(fields, "phase", self.phase)
            and _is(fields, "decision", self.decision)
            and _is(fields, "model", self.model)
            and (self.tenant is None or tenant_of(fields) == self.tenant)
            and (self.request is None or text_of(fields, "request").startswith(self.request))
            and (self.subject is None or self.subject in subjects_of(fields))
            and (self.rule is None or self.rule in _rules(fields))
        )


@dataclass(slots=True)
class Passed:
    """What a search could not read: lines that are no records, and epochs, with the reason."""

    lines: int = 0
    epochs: list[str] = field(default_factory=list[str])


@dataclass(frozen=True, slots=True, order=True)
class _Next:
    """The next record of one epoch. Epochs are told apart by name, so that records are never compared."""

    time: int
    epoch: str
    fields: Fields = field(compare=False)
    rest: Iterator[Fields] = field(compare=False)


def found(
    places: Places,
    wanted: Wanted,
    passed: Passed,
    begun: Callable[[int, int], None] = lambda _number, _of: None,
    only: bytes = b"",
) -> Iterator[Fields]:
    """The records that are meant, in the order of time as far as each epoch keeps to it.

    ``begun`` is told of each epoch: how many were begun, and of how many. Lines that do not hold ``only`` are not even
    looked at: that is ten times as fast, and tells of no line that is no record.

    Raises:
        OSError: the folder cannot be read.
    """
    meant = [places for places in places.epochs() if _may_hold(places, wanted)]
    for fields in _merged([(one.epoch, _records(one, passed, only)) for one in meant], begun):
        if wanted.asks_for(fields):
            yield fields


def _merged(epochs: Sequence[tuple[str, Iterator[Fields]]], begun: Callable[[int, int], None]) -> Generator[Fields]:
    open_now: list[_Next] = []
    at = 0
    while True:
        while at < len(epochs) and (not open_now or began(epochs[at][0]) <= open_now[0].time):
            _push(open_now, *epochs[at])
            at += 1
            begun(at, len(epochs))
        if not open_now:
            return
        first = heapq.heappop(open_now)
        yield first.fields
        _push(open_now, first.epoch, first.rest)


def _push(open_now: list[_Next], epoch: str, records: Iterator[Fields]) -> None:
    fields = next(records, None)
    if fields is not None:
        heapq.heappush(open_now, _Next(time_of(fields), epoch, fields, records))


def _records(places: EpochPlaces, passed: Passed, only: bytes) -> Iterator[Fields]:
    lines = Lines(places.journal)
    try:
        for line in lines:
            if only not in line:
                continue
            try:
                fields = parsed(line)
            except NotCanonical:
                passed.lines += 1
                continue
            if isinstance(fields.get("time"), int) and isinstance(fields.get("event"), str):
                yield fields
            else:
                passed.lines += 1
    except FileNotFoundError:
        # Pruned, or about to begin.
        return
    except OSError as error:
        passed.epochs.append(f"{places.epoch}: {error.strerror}")
    if lines.overlong:
        passed.epochs.append(f"{places.epoch}: it holds a line that is too long for a record, and ends there")


def began(epoch: str) -> int:
    """When an epoch began, in microseconds since the epoch, as far as its name tells: to the second before."""
    try:
        return int(datetime.strptime(epoch.partition("-")[0], _BEGAN).replace(tzinfo=UTC).timestamp()) * _SECOND
    except ValueError:
        # A name that holds no date that ever was: it is read first.
        return 0


def last_time(places: EpochPlaces) -> int | None:
    """When the last record near an epoch's end was written; None where that cannot be told.

    Raises:
        OSError: the journal cannot be read.
    """
    start = max(0, places.journal.stat().st_size - _END)
    # The first line is cut where the reading begins in the middle of the file.
    lines = list(whole_lines(places.journal, start))[1 if start else 0 :]
    for line in reversed(lines):
        try:
            time = parsed(line).get("time")
        except NotCanonical:
            continue
        if isinstance(time, int):
            return time
    return None


def _may_hold(places: EpochPlaces, wanted: Wanted) -> bool:
    if wanted.until is not None and began(places.epoch) >= wanted.until + _STEP:
        return False
    if wanted.since is None:
        return True
    try:
        last = last_time(places)
    except OSError:
        # Whoever reads it tells of that.
        return True
    return last is None or last >= wanted.since - _STEP


def time_of(fields: Fields) -> int:
    """When a record was written; 0 where it does not say."""
    return number_of(fields, "time") or 0


def text_of(fields: Fields, key: str) -> str:
    """A text of a record; empty where there is none."""
    said = fields.get(key)
    return said if isinstance(said, str) else ""


def number_of(fields: Fields, key: str) -> int | None:
    """A number of a record; None where there is none."""
    said = fields.get(key)
    return said if isinstance(said, int) else None


def object_of(fields: Fields, key: str) -> Fields:
    """An object of a record; an empty one where there is none."""
    said = fields.get(key)
    return said if isinstance(said, Mapping) else {}


def objects_of(fields: Fields, key: str) -> list[Fields]:
    """An array of objects of a record; what is none is left out."""
    return [one for one in values_of(fields, key) if isinstance(one, Mapping)]


def values_of(fields: Fields, key: str) -> Sequence[Value]:
    """An array of a record; an empty one where there is none."""
    said = fields.get(key)
    return () if said is None or isinstance(said, str | int | Mapping) else said


def tenant_of(fields: Fields) -> str:
    """On whose behalf what a record tells of was done."""
    return text_of(object_of(fields, "actor"), "tenant") or text_of(fields, "tenant")


def subjects_of(fields: Fields) -> set[str]:
    """The pseudonyms that a record names."""
    named = [text_of(one, "subject") for one in (fields, *objects_of(fields, "segments"))]
    return {name for name in named if name}


def rules_of(fields: Fields) -> list[str]:
    """The ids of the rules that a record's findings name, each once."""
    return list(dict.fromkeys([text_of(one, "rule") for one in objects_of(fields, "findings")]))


def _rules(fields: Fields) -> set[str]:
    qualified = [f"{text_of(one, 'policy')}/{text_of(one, 'rule')}" for one in objects_of(fields, "findings")]
    return {*rules_of(fields), *qualified}


def _is(fields: Fields, key: str, wanted: str | None) -> bool:
    return wanted is None or fields.get(key) == wanted
