"""How is one record shown to somebody who gets nothing else of the journal?

By a C2SP tlog-proof (c2sp.org/tlog-proof): where the record stands, the hashes that lead from it to the root, and the
checkpoint that was signed over that root. The record's own line goes along as extra data.
"""

import base64
import binascii
import re
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Final

from gateway.audit.line import Fields, NotCanonical, parsed
from gateway.audit.note import BadNote, Checkpoint, VerifierKey, checkpoint, opened
from gateway.audit.opening import MOST_NOTES, read_whole
from gateway.audit.places import EpochPlaces, Places, event_of, split_event
from gateway.audit.read import Lines, stated
from gateway.audit.tree import inclusion_proof, leaf_hash, root_by_proof, root_of
from gateway.domain.value import value

_HEAD: Final = "c2sp.org/tlog-proof@v1"
_INDEX: Final = re.compile(r"index (0|[1-9][0-9]{0,15})")
_HASH: Final = 32
_MOST_HASHES: Final = 64


class NoProof(Exception):
    """There is nothing that could be proven, or what is given proves nothing; the message says why."""


@value
class Proof:
    """A proof as it is written. ``line`` is the record, where it goes along; ``note`` the signed checkpoint."""

    line: bytes | None
    index: int
    hashes: tuple[bytes, ...]
    note: bytes

    def __bytes__(self) -> bytes:
        extra = [] if self.line is None else [f"extra {base64.b64encode(self.line).decode()}"]
        hashes = [base64.b64encode(hashed).decode() for hashed in self.hashes]
        return "\n".join([_HEAD, *extra, f"index {self.index}", *hashes, "", ""]).encode() + self.note

    @classmethod
    def parse(cls, raw: bytes) -> "Proof":
        """Read a proof.

        Raises:
            NoProof: it is none.
        """
        head, gap, note = raw.partition(b"\n\n")
        lines = iter(head.decode("utf-8", errors="replace").split("\n"))
        if not gap or next(lines) != _HEAD:
            raise NoProof(f"it is no proof: it must begin with {_HEAD}")
        line = next(lines, "")
        extra = _decoded(line.removeprefix("extra ")) if line.startswith("extra ") else None
        match = _INDEX.fullmatch(line if extra is None else next(lines, ""))
        hashes = [_decoded(one) for one in islice(lines, _MOST_HASHES)]
        if match is None or next(lines, None) is not None:
            raise NoProof("it is no proof: it must name an index, and at most 64 hashes")
        if any(len(one) != _HASH for one in hashes):
            raise NoProof("it is no proof: a hash must be 32 bytes in base64")
        return cls(line=extra, index=int(match[1]), hashes=tuple(hashes), note=note)


@value
class Proven:
    """What a proof shows: ``key`` signed that the record with these ``fields`` is ``event`` of the log ``said``."""

    event: str
    fields: Fields
    said: Checkpoint
    key: VerifierKey


def prove(places: Places, event: str, keys: Sequence[VerifierKey]) -> Proof:
    """Prove that ``event`` is in its journal, by the first checkpoint of ``keys`` that covers it.

    Raises:
        NoProof: there is no such record, or no checkpoint covers it yet, or the journal is not what was signed.
        OSError: a file cannot be read.
    """
    split = split_event(event)
    if split is None:
        raise NoProof("that is no event; it is written EPOCH.N, as `event` in a record")
    epoch, number = places.epoch(split[0]), split[1]
    if not epoch.journal.is_file():
        raise NoProof(f"there is no journal of {epoch.epoch} here; it was pruned, or stands in another folder")
    note, said = _covering(epoch, number, keys)
    lines, leaves = Lines(epoch.journal), list[bytes]()
    record = b""
    for line in islice(lines, said.size):
        if len(leaves) == number:
            record = line
        leaves.append(leaf_hash(line))
    if len(leaves) < said.size or root_of(leaves) != said.root:
        raise NoProof("the journal is not what was signed: run `splitgate audit verify`")
    return Proof(line=record, index=number, hashes=tuple(inclusion_proof(number, leaves)), note=note)


def check(proof: Proof, keys: Sequence[VerifierKey], line: bytes | None = None) -> Proven:
    """What ``proof`` proves of ``line``, or of the line that goes along with it.

    Raises:
        NoProof: nothing.
    """
    line = proof.line if line is None else line
    if line is None:
        raise NoProof("the proof does not hold its record: give it with --record")
    try:
        text = opened(proof.note, keys)
        said = checkpoint(text)
    except BadNote as error:
        raise NoProof(f"the checkpoint is not to be trusted: {error}") from error
    if root_by_proof(proof.index, said.size, leaf_hash(line), proof.hashes) != said.root:
        raise NoProof(f"this record is not number {proof.index} of what was signed as {said.origin}")
    for key in keys:
        epoch = said.origin.removeprefix(f"{key.name}/")
        if epoch != said.origin and _signed(proof.note, key):
            return Proven(event=event_of(epoch, proof.index), fields=_fields(line, epoch, proof), said=said, key=key)
    raise NoProof(f"the log {said.origin} is none of the key's; its name begins otherwise")


def _covering(epoch: EpochPlaces, number: int, keys: Sequence[VerifierKey]) -> tuple[bytes, Checkpoint]:
    """The first sound checkpoint of more than ``number`` records, with its note."""
    raw = read_whole(epoch.checkpoints, MOST_NOTES) if epoch.checkpoints.exists() else b""
    sound = list(_sound(raw, epoch.epoch, keys))
    for note, said in sound:
        if said.size > number:
            return note, said
    if number >= sum(1 for _ in Lines(epoch.journal)):
        raise NoProof(f"there is no record {number} in {epoch.epoch}; `splitgate audit query` lists those that are")
    covered = max([said.size for _, said in sound], default=0)
    raise NoProof(
        f"no checkpoint covers record {number} yet, only the first {covered}: wait for the next one "
        "(`audit.checkpoint_s`), and see that the key is the log's"
    )


def _sound(raw: bytes, epoch: str, keys: Sequence[VerifierKey]) -> Iterator[tuple[bytes, Checkpoint]]:
    for part in stated(raw, epoch, keys):
        if part.note is not None and part.said is not None:
            yield part.note, part.said


def _signed(note: bytes, key: VerifierKey) -> bool:
    try:
        opened(note, [key])
    except BadNote:
        return False
    return True


def _fields(line: bytes, epoch: str, proof: Proof) -> Fields:
    try:
        fields = parsed(line)
    except NotCanonical as error:
        raise NoProof(f"what was signed is no record: {error}") from error
    if fields.get("event") != event_of(epoch, proof.index):
        raise NoProof("the record bears another event than its place: it is none of a gateway's")
    return fields


def _decoded(encoded: str) -> bytes:
    try:
        found = base64.b64decode(encoded, validate=True)
    except (binascii.Error, ValueError):
        found = b""
    if base64.b64encode(found).decode() != encoded:
        raise NoProof("it is no proof: a line is not base64")
    return found
