"""What becomes of an epoch whose process did not close it?

Its files stay as they are. What is whole is counted and signed after the fact, what was torn is measured, and the
registry says both, so that nobody takes the one for the other. Files of an epoch that never began go.
"""

import fcntl
import logging
import os
import re
from collections.abc import Collection, Generator
from contextlib import contextmanager
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Final

from gateway.audit.line import NO_LINE, NotCanonical, parsed
from gateway.audit.log import Log
from gateway.audit.note import BadNote, Checkpoint, checkpoint, opened, signed
from gateway.audit.opening import MOST_NOTES, Unfit, open_safely, read_whole
from gateway.audit.places import EpochPlaces, event_of, whole_lines
from gateway.audit.registry import Registry
from gateway.audit.tree import EMPTY_ROOT, Tree, leaf_hash
from gateway.domain.value import value

_SIGNATURE: Final = "\N{EM DASH} ".encode()
# How a file of a lock says how many records the epoch's own process had signed.
_NOTED: Final = re.compile(rb"^signed ([0-9]{1,15});$", re.MULTILINE)
# The files that an epoch has before it is registered.
_MADE_FIRST: Final = frozenset({"lock", "journal", "checkpoints"})

_log: Final = logging.getLogger("splitgate.audit")


@value
class _Found:
    """What an epoch left: its whole records and their root, the bytes behind them, and how many were signed in time."""

    size: int
    root: bytes
    torn: int
    signed: int
    # Whether the root at the last checkpoint is the one that was signed.
    agrees: bool


def seal_left_open(log: Log, registry: Registry, by: str, failed: Collection[str] = ()) -> list[str]:
    """Seal every epoch that has no end and no living process; ``by`` is the epoch of the caller's own.

    Call it under ``registry.locked()``. ``failed`` are epochs that the caller gave up because a write failed. An epoch
    that is gone, or that disagrees with its own checkpoint, is left as it is for ``splitgate audit verify`` to name.
    The answer names those sealed.

    Raises:
        OSError: what is there cannot be read or written.
        AuditUnavailable: the registry is damaged.
    """
    sealed: list[str] = []
    for epoch in registry.left_open():
        cause = "write-failed" if epoch in failed else "crash"
        try:
            if epoch != by and _seal(log, log.places.epoch(epoch), registry, by, cause):
                sealed.append(epoch)
        except Unfit as error:
            _log.error("audit: the epoch %s is not as it was (%s); run `splitgate audit verify`", epoch, error.strerror)
    return sealed


def discard_unborn(log: Log, registry: Registry) -> None:
    """Take away the empty files of epochs that nobody came to register, and in which nothing stands.

    Call it under ``registry.locked()``, under which epochs are made and registered. Anything that holds a byte stays.

    Raises:
        OSError: what is there cannot be read or removed.
        AuditUnavailable: the registry is damaged.
    """
    known = {str(fields["epoch"]) for fields in registry.entries()}
    for places in log.places.epochs():
        if places.epoch in known:
            continue
        there = list(places.folder.iterdir())
        if {path.name for path in there} <= _MADE_FIRST and not any(path.stat().st_size for path in there):
            for path in there:
                path.unlink()
            places.folder.rmdir()


def _seal(log: Log, places: EpochPlaces, registry: Registry, by: str, cause: str) -> bool:
    if not places.journal.is_file():
        _log.error("audit: the epoch %s was opened and is gone; run `splitgate audit verify`", places.epoch)
        return False
    with _abandoned(places) as free:
        if not free:
            return False
        found = _look(log, places)
        if not found.agrees:
            _log.error("audit: the epoch %s is not what was signed; run `splitgate audit verify`", places.epoch)
            return False
        found = replace(found, signed=_signed_in_time(log, places, found))
        registry.add(
            "sealed", places.epoch, size=found.size, root=found.root.hex(), signed=found.signed, torn=found.torn,
            cause=cause, by=by,
        )  # fmt: skip
        _log.warning(
            "audit: sealed the epoch %s, which nobody closed: %d records, %d of them signed after "
            "the fact, %d bytes torn", places.epoch, found.size, found.size - found.signed, found.torn,
        )  # fmt: skip
        return True


@contextmanager
def _abandoned(places: EpochPlaces) -> Generator[bool]:
    """Whether no process holds the epoch's lock; if so, nobody else gets it meanwhile."""
    descriptor = open_safely(places.lock, os.O_RDWR | os.O_CREAT)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        yield False
    else:
        yield True
    finally:
        os.close(descriptor)


def _look(log: Log, places: EpochPlaces) -> _Found:
    last = _newest(log, places)
    tree, prev, whole = Tree(), NO_LINE, 0
    agrees = last is None or (last.size == 0 and last.root == EMPTY_ROOT)
    for number, line in enumerate(whole_lines(places.journal)):
        if not _follows(line, prev, event_of(places.epoch, number)):
            break
        leaf = leaf_hash(line)
        tree.add(leaf)
        prev = leaf.hex()
        whole += len(line) + 1
        if last is not None and tree.size == last.size:
            agrees = tree.root == last.root
    return _Found(
        size=tree.size,
        root=tree.root,
        torn=places.journal.stat().st_size - whole,
        signed=0 if last is None else last.size,
        agrees=agrees,
    )


def _follows(line: bytes, prev: str, event: str) -> bool:
    try:
        fields = parsed(line)
    except NotCanonical:
        return False
    return fields.get("prev") == prev and fields.get("event") == event


def _newest(log: Log, places: EpochPlaces) -> Checkpoint | None:
    """What the epoch's own process signed last: as its file says, or as our mark does, if that says more."""
    kept, mark = _last_checkpoint(log, places), log.mark(places.epoch)
    return mark if kept is None or (mark is not None and mark.size > kept.size) else kept


def _last_checkpoint(log: Log, places: EpochPlaces) -> Checkpoint | None:
    """The last whole one that our own keys signed."""
    for note in reversed(_notes(places)):
        try:
            found = checkpoint(opened(note, log.trusted))
        except BadNote:
            continue
        if found.origin == log.origin(places.epoch):
            return found
    return None


def _notes(places: EpochPlaces) -> list[bytes]:
    """The whole notes of an epoch: a text, an empty line, signature lines, and an empty line behind them."""
    try:
        paragraphs = read_whole(places.checkpoints, MOST_NOTES).split(b"\n\n")
    except FileNotFoundError:
        return []
    # What follows the last empty line is no whole paragraph.
    pairs = pairwise(paragraphs[:-1])
    return [text + b"\n\n" + signatures + b"\n" for text, signatures in pairs if signatures.startswith(_SIGNATURE)]


def _signed_in_time(log: Log, places: EpochPlaces, found: _Found) -> int:
    """Sign all that is whole; how many records the epoch's own process had signed.

    That is noted in the file of the lock before anything is signed. Whoever has to seal the epoch once more, because
    this process ended before it had registered the seal, would take our signature for one of that process otherwise.
    """
    noted = _noted(places)
    if found.size > found.signed:
        if noted is None:
            _append(log, places.lock, f"\nsigned {found.signed};\n".encode())
        _sign(log, places, found)
    return found.signed if noted is None else min(noted, found.signed)


def _noted(places: EpochPlaces) -> int | None:
    noted = _NOTED.search(read_whole(places.lock))
    return None if noted is None else int(noted[1])


def _sign(log: Log, places: EpochPlaces, found: _Found) -> None:
    text = Checkpoint(origin=log.origin(places.epoch), size=found.size, root=found.root).text
    _append(log, places.checkpoints, _gap(places) + signed(text, log.keys) + b"\n")


def _gap(places: EpochPlaces) -> bytes:
    """What has to stand before a further note: what a crash tore off stays, and becomes a paragraph of its own."""
    raw = read_whole(places.checkpoints, MOST_NOTES) if places.checkpoints.exists() else b""
    if not raw or raw.endswith(b"\n\n"):
        return b""
    return b"\n" if raw.endswith(b"\n") else b"\n\n"


def _append(log: Log, path: Path, content: bytes) -> None:
    descriptor = log.disk.open_to_append(path)
    try:
        log.disk.append(descriptor, content)
    finally:
        log.disk.close(descriptor)
