"""Are the lines of one epoch's journal those that were signed?

A sound journal is read once, line by line, and nothing of it is kept. Only where something is wrong it is read again,
to tell what.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import islice

from gateway.audit._verify_anchors import Anchored
from gateway.audit._verify_hashes import Seen
from gateway.audit._verify_log import Judged, Pins, agreeing, judge, seen
from gateway.audit._verify_registry import End
from gateway.audit._verify_watch import Watch
from gateway.audit.line import NO_LINE, Fields, NotCanonical, parsed
from gateway.audit.opening import MOST_LINE
from gateway.audit.places import EpochPlaces, split_event
from gateway.audit.read import Lines
from gateway.audit.tree import Tree, leaf_hash
from gateway.audit.verdict import Finding, Kind, runs
from gateway.domain.value import value


@value
class Journal:
    """A journal and what it is held against; ``limit`` is up to which byte it is read, None: to its end."""

    places: EpochPlaces
    limit: int | None
    end: End | None
    pins: Pins
    anchors: Sequence[Anchored]
    watch: Callable[[], Watch]


@value
class Found:
    """``records`` lines are there of ``end`` that there were, ``rest`` bytes follow them, ``roots`` are theirs by size.

    ``ahead`` is the largest size of the registry that a record knows of.
    """

    records: int
    end: int
    rest: int
    ahead: int
    roots: Mapping[int, bytes]
    findings: tuple[Finding, ...]


def read_journal(journal: Journal) -> Found:
    """Verify it.

    Raises:
        OSError: it cannot be read.
    """
    return _sound(journal) or _damaged(journal)


def _sound(journal: Journal) -> Found | None:
    """Read a journal in which nothing is wrong; None where something is."""
    pins = journal.pins.also(journal.anchors)
    end = journal.end
    lines = Lines(journal.places.journal, journal.limit)
    found = iter(lines)
    with journal.watch() as watch:
        # Behind the last record of a sealed epoch stands what is no record.
        stop = end.size if end is not None and end.entry == "sealed" else None
        tree = _followed(islice(found, stop), journal.places.epoch, watch, pins)
    found.close()
    wrong = lines.overlong or any(len(roots) > 1 for roots in pins.roots.values())
    if tree is None or wrong or (end is not None and (tree.size != end.size or lines.rest > end.torn)):
        return None
    return Found(
        records=tree.size,
        end=tree.size,
        rest=lines.rest,
        ahead=watch.ahead,
        roots={size: next(iter(roots)) for size, roots in pins.roots.items()},
        findings=tuple(watch.findings),
    )


def _followed(lines: Iterable[bytes], epoch: str, watch: Watch, pins: Pins) -> Tree | None:
    """The tree over the lines; None where one is not as it should be, or if not all signed roots were met."""
    tree = Tree()
    add, look = tree.add, watch.look
    prev, prefix = NO_LINE, f"{epoch}."
    if tree.root not in pins.roots.get(0, (tree.root,)):
        return None
    sizes = iter(sorted(size for size in pins.roots if size))
    size = next(sizes, 0)
    for number, line in enumerate(lines):
        try:
            fields = parsed(line)
        except NotCanonical:
            return None
        if fields.get("prev") != prev or fields.get("event") != f"{prefix}{number}" or not look(number, line, fields):
            return None
        leaf = leaf_hash(line)
        add(leaf)
        prev = leaf.hex()
        if number + 1 == size:
            if tree.root not in pins.roots[size]:
                return None
            size = next(sizes, 0)
    return None if size else tree


def _damaged(journal: Journal) -> Found:
    """Read the journal for what is wrong with it."""
    epoch, end = journal.places.epoch, journal.end
    lines = Lines(journal.places.journal, journal.limit)
    found: list[Seen] = []
    behind = 0
    for one, length, sealed_off in _lines(journal, lines):
        if sealed_off:
            behind += length
        else:
            found.append(one)
    least = journal.pins.largest
    reach = max(least, len(found))
    within = [anchor for anchor in journal.anchors if anchor.said.size <= reach]
    pins = journal.pins.also(within)
    result = judge(epoch, found, pins.roots, least, exact=end is not None)
    with journal.watch() as watch:
        _look(journal, result, watch)
    return Found(
        records=len(found),
        end=result.end,
        rest=lines.rest + behind,
        ahead=watch.ahead,
        roots=agreeing([one.hash for one in found], pins.roots),
        findings=(
            *pins.forks(epoch),
            *_cut_off(epoch, journal.anchors, reach),
            *_overlong(epoch, lines, len(found)),
            *result.findings,
            *_beyond(epoch, end, result),
            *watch.findings,
        ),
    )


def _lines(journal: Journal, lines: Lines) -> Iterator[tuple[Seen, int, bool]]:
    """Each line with its length, and whether it stands behind the last record of a sealed epoch."""
    end, epoch = journal.end, journal.places.epoch
    sealed = end if end is not None and end.entry == "sealed" else None
    start = journal.places.journal.stat().st_size - (0 if sealed is None else sealed.torn)
    offset = 0
    for line in lines:
        one = seen(line, lambda fields: _number(epoch, fields))
        record = one.sound and one.number is not None and (sealed is None or one.number < sealed.size)
        yield one, len(line) + 1, sealed is not None and offset >= start and not record
        offset += len(line) + 1


def _number(epoch: str, fields: Fields) -> int | None:
    event = fields.get("event")
    split = split_event(event) if isinstance(event, str) else None
    return None if split is None or split[0] != epoch else split[1]


def _look(journal: Journal, result: Judged, watch: Watch) -> None:
    """Look at those records that are intact and in their order, as far as they are of the epoch."""
    steady = {index: number for number, index in result.steady.items()}
    for index, line in enumerate(Lines(journal.places.journal, journal.limit)):
        number = steady.get(index)
        if number is not None:
            watch.look(number, line, parsed(line))


def _overlong(epoch: str, lines: Lines, place: int) -> Iterable[Finding]:
    if lines.overlong:
        told = f"a line of more than {MOST_LINE:,} bytes begins here, which no record is: the journal was read up to it"
        yield Finding(kind=Kind.INSERTED, epoch=epoch, position=place, message=told)


def _cut_off(epoch: str, anchors: Iterable[Anchored], reach: int) -> Iterable[Finding]:
    for anchor in anchors:
        if anchor.said.size > reach:
            told = f"{anchor.source} knows {anchor.said.size} records, and there are {reach}: history was cut off"
            yield Finding(kind=Kind.ANCHOR_MISMATCH, epoch=epoch, position=reach, message=told)


def _beyond(epoch: str, end: End | None, result: Judged) -> Iterable[Finding]:
    """Records that were added after the end of the epoch."""
    if end is None:
        return
    for start, count in runs(index for number, index in result.lines.items() if number >= end.size):
        told = f"the registry says that the epoch was {end.entry} with {end.size} records: it was added to since"
        yield Finding(kind=Kind.INSERTED, epoch=epoch, position=start, message=told, count=count)
