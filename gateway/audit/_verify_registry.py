"""Is the registry whole, and what does it say of each epoch?

Every entry has a checkpoint over all entries up to it. Only entries that are as they were signed are believed.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from gateway.audit._verify_anchors import Anchored
from gateway.audit._verify_log import Pins, agreeing, judge, seen
from gateway.audit.line import Fields, parsed
from gateway.audit.note import VerifierKey
from gateway.audit.opening import Unfit, read_whole
from gateway.audit.places import EPOCH, Places, registry_entry
from gateway.audit.read import Stated, judged
from gateway.audit.verdict import REGISTRY, Finding, Kind
from gateway.domain.value import value


@value
class End:
    """How an epoch ended: ``entry`` is ``closed``, ``sealed`` or ``pruned``, ``number`` that of the entry.

    ``signed`` is how many records its own process signed, ``torn`` how many bytes stand behind the last of them.
    """

    entry: str
    number: int
    size: int
    root: bytes
    signed: int
    torn: int


@dataclass(slots=True)
class Standing:
    """What the registry says of an epoch."""

    opened: bool = False
    end: End | None = None
    pruned: End | None = None


@dataclass(slots=True)
class RegistryView:
    """``roots`` are those of all its sizes in hexadecimal digits, ``size`` is how many entries there are.

    ``anchored`` is up to which entry an anchor agrees; ``findings`` is what is wrong with the registry.
    """

    size: int = 0
    anchored: int = 0
    roots: Sequence[str] = ()
    epochs: dict[str, Standing] = field(default_factory=dict[str, Standing])
    findings: list[Finding] = field(default_factory=list[Finding])


@value
class _Entry:
    number: int
    line: bytes
    stated: Stated


def read_registry(
    places: Places, keys: Sequence[VerifierKey], anchors: Sequence[Anchored], tolerance_s: float
) -> RegistryView:
    """Verify the registry.

    Raises:
        OSError: it cannot be read.
    """
    entries = [_entry(path, keys) for path in places.entries()]
    view = RegistryView()
    pins = Pins()
    for entry in entries:
        if entry.stated.said is not None:
            pins.add(entry.stated.said, f"entry {entry.number}")
    least = pins.largest
    reach = max(len(entries), least)
    for anchor in anchors:
        if anchor.said.size <= reach:
            pins.add(anchor.said, anchor.source)
        else:
            told = f"{anchor.source} knows {anchor.said.size} entries, and there are {reach}: the registry was cut off"
            view.findings.append(_finding(Kind.ANCHOR_MISMATCH, anchor.said.size, told))
    lines = [seen(entry.line, _numbered) for entry in entries]
    labels = [entry.number for entry in entries]
    result = judge(REGISTRY, lines, pins.roots, least, exact=False, labels=labels)
    view.size = result.end
    view.findings += [*pins.forks(REGISTRY), *result.findings]
    found = agreeing([one.hash for one in lines], [anchor.said.size for anchor in anchors])
    view.anchored = max([a.said.size for a in anchors if found.get(a.said.size) == a.said.root], default=0)
    view.roots = _roots(result.hashes)
    intact = [entries[result.lines[number]] for number in sorted(result.lines)]
    _believe(view, intact)
    view.findings += [*_signatures(entries, {entry.number for entry in intact}), *_clock(intact, tolerance_s)]
    return view


def _entry(path: Path, keys: Sequence[VerifierKey]) -> _Entry:
    try:
        raw = read_whole(path)
    except Unfit as error:
        return _Entry(number=int(path.name), line=b"", stated=Stated(raw=b"", fault=f"{error.strerror}"))
    parts = registry_entry(raw)
    if parts is None:
        # Broken apart: the line is judged as it is, and no signature can be.
        return _Entry(
            number=int(path.name), line=raw.partition(b"\n")[0], stated=Stated(raw=raw, fault="it is lacking")
        )
    return _Entry(number=int(path.name), line=parts[0], stated=judged(parts[1], REGISTRY, keys))


def _numbered(fields: Fields) -> int | None:
    number = fields.get("number")
    return number - 1 if type(number) is int and number > 0 else None


def _roots(hashes: Mapping[int, bytes]) -> list[str]:
    known = 0
    while known in hashes:
        known += 1
    roots = agreeing([hashes[number] for number in range(known)], range(known + 1))
    return [roots[size].hex() for size in range(known + 1)]


def _signatures(entries: Iterable[_Entry], intact: set[int]) -> Iterable[Finding]:
    for entry in entries:
        said = entry.stated.said
        if said is None:
            told = f"the checkpoint of the entry is not to be trusted: {entry.stated.fault}"
            yield _finding(Kind.BAD_SIGNATURE, entry.number, told)
        elif entry.number in intact and said.size != parsed(entry.line).get("number"):
            told = f"the checkpoint of the entry covers {said.size} entries: it is that of another"
            yield _finding(Kind.BAD_SIGNATURE, entry.number, told)


def _believe(view: RegistryView, intact: Iterable[_Entry]) -> None:
    for entry in intact:
        fields = parsed(entry.line)
        epoch, kind = fields.get("epoch"), fields.get("entry")
        if not isinstance(epoch, str) or not EPOCH.fullmatch(epoch):
            view.findings.append(_finding(Kind.MODIFIED, entry.number, "the entry names no epoch"))
            continue
        standing = view.epochs.setdefault(epoch, Standing())
        if kind == "opened":
            standing.opened = True
            continue
        end = _end(str(kind), fields)
        if end is None:
            told = f"the entry says nothing of {epoch} that can be understood: it is of another version"
            view.findings.append(_finding(Kind.MODIFIED, entry.number, told))
        elif kind == "pruned":
            standing.pruned = end
        elif standing.end is None:
            standing.end = end
        elif (standing.end.size, standing.end.root) != (end.size, end.root):
            told = f"{epoch} ended twice, and not with the same records"
            view.findings.append(_finding(Kind.FORK, entry.number, told))


def _end(kind: str, fields: Fields) -> End | None:
    if kind not in {"closed", "sealed", "pruned"}:
        return None
    number = _whole(fields)
    root = fields.get("root")
    try:
        hashed = bytes.fromhex(root) if isinstance(root, str) else b""
    except ValueError:
        return None
    if number("size", -1) < 0 or len(hashed) != 32:
        return None
    size = number("size", 0)
    return End(
        entry=kind,
        number=number("number", 0),
        size=size,
        root=hashed,
        signed=min(size, number("signed", size)),
        torn=number("torn", 0),
    )


def _whole(fields: Fields) -> Callable[[str, int], int]:
    def get(name: str, otherwise: int) -> int:
        found = fields.get(name, otherwise)
        return found if isinstance(found, int) else otherwise

    return get


def _clock(intact: Iterable[_Entry], tolerance_s: float) -> Iterable[Finding]:
    latest = 0
    for entry in intact:
        time = parsed(entry.line).get("time")
        if not isinstance(time, int):
            continue
        if time < latest - int(tolerance_s * 1_000_000):
            told = f"it was written {(latest - time) / 1_000_000:.3f} s before the entries ahead of it"
            yield _finding(Kind.CLOCK_REGRESSION, entry.number, told)
            latest = time
        latest = max(latest, time)


def _finding(kind: Kind, position: int, message: str) -> Finding:
    return Finding(kind=kind, epoch=REGISTRY, position=position, message=message)
