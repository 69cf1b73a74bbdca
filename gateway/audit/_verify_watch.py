"""What does a record claim that can be checked beside its place in the journal?

That time went on, that the registry was at least so large, that its blobs are these bytes.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, suppress
from hashlib import sha256
from pathlib import Path
from typing import BinaryIO, Final, Self

from gateway.audit.line import Fields
from gateway.audit.opening import Unfit, reading, size_of
from gateway.audit.verdict import Finding, Kind

_MICROSECONDS: Final = 1_000_000
_CHUNK: Final = 1 << 20


class Watch:
    """Looks at the records of one epoch in their order. ``findings`` are what it saw.

    ``registry`` are the roots of the registry in hexadecimal digits, by its sizes. ``ahead`` is the largest size of
    the registry that a record knows of. Use it as a context: it holds the file of the blobs.
    """

    def __init__(self, epoch: str, registry: Sequence[str], blobs: Path, tolerance_s: float) -> None:
        self.findings: list[Finding] = []
        self.ahead = 0
        self._epoch = epoch
        self._roots = registry
        self._tolerance = int(tolerance_s * _MICROSECONDS)
        self._latest = 0
        self._path = blobs
        self._blobs: BinaryIO | None = None
        self._held = ExitStack()
        self._lacking = 0

    def __enter__(self) -> Self:
        # What is no file is told of where the epoch's files are looked at.
        with suppress(FileNotFoundError, Unfit):
            self._blobs = self._held.enter_context(reading(self._path))
        return self

    def __exit__(self, *_: object) -> None:
        self._held.close()
        if self._lacking:
            told = f"the epoch's blobs are not here: the content that {self._lacking} records name was not checked"
            self._tell(Kind.MISSING, None, told, notice=True)

    def look(self, number: int, line: bytes, fields: Fields) -> bool:
        """Take a record in; False where it is not written as the format asks."""
        time = fields.get("time")
        # No isinstance: true is an int to Python, and none to the format.
        if type(time) is not int or fields.get("v") != 1:
            return False
        if time > self._latest:
            self._latest = time
        elif time < self._latest - self._tolerance:
            back = (self._latest - time) / _MICROSECONDS
            self._tell(Kind.CLOCK_REGRESSION, number, f"it was written {back:.3f} s before the records ahead of it")
            self._latest = time
        if fields.get("phase") == "heartbeat":
            self._registry(number, fields)
        if b'"blob":"' in line:
            self._content(number, fields)
        return True

    def _registry(self, number: int, fields: Fields) -> None:
        said = fields.get("registry")
        if not isinstance(said, Mapping):
            return
        size, root = said.get("size"), said.get("root")
        if not isinstance(size, int) or size < 0:
            return
        self.ahead = max(self.ahead, size)
        if size < len(self._roots) and root != self._roots[size]:
            told = f"it saw another registry of {size} entries than this one"
            self._tell(Kind.FORK, number, told)

    def _content(self, number: int, fields: Fields) -> None:
        references = list(_references(fields))
        if self._blobs is None:
            self._lacking += bool(references)
            return
        wrong = sum(not _is_there(self._blobs, reference) for reference in references)
        if wrong:
            told = f"the blob is not what the record names: {wrong} of its {len(references)} were changed or cut off"
            self._tell(Kind.MODIFIED, number, told)

    def _tell(self, kind: Kind, number: int | None, message: str, *, notice: bool = False) -> None:
        self.findings.append(Finding(kind=kind, epoch=self._epoch, position=number, message=message, notice=notice))


def _references(fields: Fields) -> Iterator[str]:
    for listed in fields.values():
        if not isinstance(listed, Sequence) or isinstance(listed, str):
            continue
        for item in listed:
            blob = item.get("blob") if isinstance(item, Mapping) else None
            if isinstance(blob, str):
                yield blob


def _is_there(blobs: BinaryIO, reference: str) -> bool:
    offset, _, rest = reference.partition(":")
    length, _, digest = rest.partition(":")
    if not offset.isdecimal() or not length.isdecimal() or len(offset) > 15 or len(length) > 15:
        return False
    if int(offset) + int(length) > size_of(blobs):
        return False
    blobs.seek(int(offset))
    hashed, left = sha256(), int(length)
    while left and (chunk := blobs.read(min(left, _CHUNK))):
        hashed.update(chunk)
        left -= len(chunk)
    return not left and hashed.hexdigest() == digest
