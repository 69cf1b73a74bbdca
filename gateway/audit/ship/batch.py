"""What is handed over at once?

Whole lines of one epoch as they stand in its journal, read when they are needed: so that a backlog costs no memory.
"""

import errno
from typing import Final

from gateway.audit.opening import MOST_LINE, Unfit, reading
from gateway.audit.places import EpochPlaces
from gateway.audit.ship.cursor import Mark
from gateway.domain.value import value

# A single record may be larger; then it goes alone.
MOST_BYTES: Final = 1024 * 1024


@value
class Batch:
    """``count`` records from number ``first`` on; ``content`` are their lines, from byte ``offset`` of the journal."""

    epoch: str
    first: int
    count: int
    offset: int
    content: bytes

    @property
    def lines(self) -> list[bytes]:
        """The lines without their line feeds."""
        return self.content.split(b"\n")[:-1]

    @property
    def end(self) -> Mark:
        """Where the epoch is once this was acknowledged."""
        return Mark(bytes=self.offset + len(self.content), records=self.first + self.count)


def next_batch(places: EpochPlaces, mark: Mark, whole: int, most: int) -> Batch | None:
    """At most ``most`` records behind ``mark``, below byte ``whole`` of the journal; None where no whole one is there.

    Raises:
        OSError: the journal cannot be read.
    """
    content = _whole_lines(places, mark.bytes, whole)
    count = content.count(b"\n")
    if not count:
        return None
    if count > most:
        content = content[: len(content) - len(content.split(b"\n", most)[-1])]
    return Batch(epoch=places.epoch, first=mark.records, count=min(count, most), offset=mark.bytes, content=content)


def _whole_lines(places: EpochPlaces, start: int, end: int) -> bytes:
    pieces: list[bytes] = []
    with reading(places.journal) as file:
        file.seek(start)
        while (left := end - file.tell()) > 0:
            piece = file.read(min(left, MOST_BYTES))
            last = (piece.find(b"\n") if pieces else piece.rfind(b"\n")) + 1
            pieces.append(piece[:last] if last else piece)
            if last:
                return b"".join(pieces)
            if not piece:
                break
            if len(pieces) * MOST_BYTES > MOST_LINE:
                raise Unfit(errno.EFBIG, "a line is too long for a record", str(places.journal))
    return b""
