"""Which checkpoints stand in a file of checkpoints?

Only where they begin and end, and what they say of themselves: nothing is verified here.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Final

from gateway.audit.note import BadNote, Checkpoint, checkpoint
from gateway.audit.opening import lines_of, reading
from gateway.domain.value import value

# A note of 64 signatures is far shorter.
_LONGEST: Final = 64 * 1024


@value
class Note:
    """A signed note as it stands in its file, which has it from ``start`` to ``end``, the empty line included."""

    start: int
    end: int
    content: bytes

    @property
    def checkpoint(self) -> Checkpoint | None:
        """What it says; None where it is no checkpoint."""
        return read_checkpoint(self.content)


def read_checkpoint(note: bytes) -> Checkpoint | None:
    """What a signed note says, whoever signed it; None where it is no checkpoint."""
    try:
        return checkpoint(note.partition(b"\n\n")[0] + b"\n")
    except BadNote:
        return None


def notes(path: Path, start: int, end: int) -> Iterator[Note]:
    """The notes that stand whole between two bytes of a file.

    Raises:
        OSError: the file cannot be read.
    """
    with reading(path) as file:
        file.seek(start)
        content, gaps = b"", 0
        for line in lines_of(file, _LONGEST):
            content += line
            if start + len(content) > end or len(content) > _LONGEST:
                return
            gaps += line == b"\n"
            if gaps == 2:
                yield Note(start=start, end=start + len(content), content=content[:-1])
                start, content, gaps = start + len(content), b"", 0
