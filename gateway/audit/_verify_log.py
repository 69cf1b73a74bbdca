"""Are the lines of a log those that were signed, and if not, what became of them?

Both kinds of logs are held against signed roots here: an epoch's journal, and the registry.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence

import orjson

from gateway.audit._verify_anchors import Anchored
from gateway.audit._verify_damage import Damage, damage
from gateway.audit._verify_hashes import Roots, Seen, Signed, signed_hashes
from gateway.audit.line import Fields, NotCanonical, parsed
from gateway.audit.note import Checkpoint
from gateway.audit.tree import Tree, leaf_hash
from gateway.audit.verdict import Finding, Kind, runs
from gateway.domain.value import value


class Pins:
    """Roots that somebody signed, by the size of the tree, each with where it stands."""

    def __init__(self) -> None:
        self.roots: dict[int, dict[bytes, str]] = {}

    def add(self, said: Checkpoint, source: str) -> None:
        self.put(said.size, said.root, source)

    def put(self, size: int, root: bytes, source: str) -> None:
        self.roots.setdefault(size, {}).setdefault(root, source)

    def also(self, anchors: Iterable[Anchored]) -> "Pins":
        """These and anchors."""
        both = Pins()
        both.roots = {size: dict(roots) for size, roots in self.roots.items()}
        for anchor in anchors:
            both.add(anchor.said, anchor.source)
        return both

    @property
    def largest(self) -> int:
        """The largest size; 0 without any."""
        return max(self.roots, default=0)

    def forks(self, log: str) -> Iterable[Finding]:
        """Sizes for which two roots were signed."""
        for size, roots in sorted(self.roots.items()):
            if len(roots) > 1:
                told = f"two histories of {size} records were signed: {' and '.join(sorted(roots.values()))} differ"
                yield Finding(kind=Kind.FORK, epoch=log, position=size, message=told)


@value
class Judged:
    """``lines`` maps the numbers of intact records to their lines; ``steady`` are those of them that stand in order.

    ``hashes`` are those of the signed records, ``end`` is how many records there were.
    """

    findings: tuple[Finding, ...]
    lines: Mapping[int, int]
    steady: Mapping[int, int]
    hashes: Mapping[int, bytes]
    end: int


def seen(line: bytes, numbered: Callable[[Fields], int | None]) -> Seen:
    """A line as it is found; ``numbered`` tells which number it gives itself."""
    sound = True
    try:
        fields = parsed(line)
    except NotCanonical:
        sound, fields = False, _loosely(line)
    claim, time = fields.get("prev"), fields.get("time")
    return Seen(
        hash=leaf_hash(line),
        claim=_hash(claim) if isinstance(claim, str) else None,
        number=numbered(fields),
        sound=sound and type(time) is int and fields.get("v") == 1,
    )


def judge(
    log: str, lines: Sequence[Seen], roots: Roots, least: int, *, exact: bool, labels: Sequence[int] | None = None
) -> Judged:
    """What is wrong with these lines; ``labels`` are the names of the places where they stand, if not their order.

    ``least`` is how many records there must be, ``exact`` says that there may be no more.
    """
    signed = signed_hashes(lines, roots)
    found = damage(lines, signed, least, exact=exact)
    first = 0 if labels is None else 1
    place = range(len(lines)) if labels is None else labels
    told = [*_damaged(log, lines, found, signed, first), *_moved(log, found, place, first)]
    told += _rewritten(log, signed, first)
    return Judged(
        findings=tuple(told),
        lines=found.kept,
        steady={number: index for number, index in found.kept.items() if index not in found.displaced},
        hashes=signed.hashes,
        end=max(least, max(found.kept, default=-1) + 1, max(found.modified, default=-1) + 1),
    )


def agreeing(leaves: Iterable[bytes], sizes: Iterable[int]) -> Mapping[int, bytes]:
    """The roots over these leaves at the sizes that they reach."""
    wanted, tree = set(sizes), Tree()
    roots = {0: tree.root} if 0 in wanted else {}
    for leaf in leaves:
        tree.add(leaf)
        if tree.size in wanted:
            roots[tree.size] = tree.root
    return roots


def _damaged(log: str, lines: Sequence[Seen], found: Damage, signed: Signed, first: int) -> Iterable[Finding]:
    for start, count in runs(found.modified):
        told = _how(lines[found.modified[start]], start, signed)
        yield Finding(kind=Kind.MODIFIED, epoch=log, position=start + first, message=told, count=count)
    for gap in found.missing:
        for start, count in runs(gap) if len(gap) <= 20 else [(gap.start, len(gap))]:
            told = "the record is gone" if count == 1 else f"{count} records are gone"
            yield Finding(kind=Kind.MISSING, epoch=log, position=start + first, message=told, count=count)


def _how(line: Seen, number: int, signed: Signed) -> str:
    if not line.sound:
        return "the line is not what a record is written like: it was changed"
    if line.number != number:
        return "the record bears another number than its own: it was changed"
    if number in signed.suspects and len(signed.suspects) > 1:
        return "this record or another of which the same is said is not the one that was signed; what told them is gone"
    if number in signed.suspects and signed.verified < number and line.claim == signed.hashes.get(number - 1):
        # All else agrees with it, and nothing that comes later can tell.
        return f"the record is not the one that was signed, or those from {signed.verified} on were rewritten together"
    return "the record is not the one that was signed or that the next one names: it was changed"


def _moved(log: str, found: Damage, place: Sequence[int], first: int) -> Iterable[Finding]:
    for start, count in runs(found.displaced):
        told = f"here stands record {found.displaced[start] + first}: the order was changed"
        yield Finding(kind=Kind.REORDERED, epoch=log, position=place[start], message=told, count=count)
    for start, count in runs(found.inserted):
        told = "the line does not belong here: it was put in, or repeats a record"
        yield Finding(kind=Kind.INSERTED, epoch=log, position=place[start], message=told, count=count)


def _rewritten(log: str, signed: Signed, first: int) -> Iterable[Finding]:
    for size in signed.contested:
        told = f"another history of {size} records was signed than the one that later signatures cover"
        yield Finding(kind=Kind.FORK, epoch=log, position=size, message=told)
    if signed.rewritten is not None:
        start, end = signed.rewritten
        told = f"the {end - start} records from here on agree with each other and not with what was signed"
        yield Finding(kind=Kind.FORK, epoch=log, position=start + first, message=told, count=end - start)


def _loosely(line: bytes) -> Fields:
    try:
        found: object = orjson.loads(line)
    except orjson.JSONDecodeError:
        return {}
    return found if isinstance(found, dict) else {}  # pyright: ignore[reportUnknownVariableType]  any JSON object


def _hash(text: str) -> bytes | None:
    if len(text) != 64 or not text.isascii():
        return None
    try:
        found = bytes.fromhex(text)
    except ValueError:
        return None
    return found if found.hex() == text else None
