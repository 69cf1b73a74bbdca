"""Where is a checkpoint kept with somebody else, and when do two of them contradict each other?

Under the log's name, its epoch and its size: two that are filed under the same three must say the same.
"""

import re
from typing import Final, Protocol

from gateway.audit.places import EPOCH
from gateway.audit.ship.notes import read_checkpoint
from gateway.domain.value import value

_NAME: Final = re.compile(r"[A-Za-z0-9._/-]{1,128}")
REGISTRY: Final = "registry"


class Forked(Exception):
    """Another checkpoint of the same size is kept there: the log has two histories. Both are left as they are."""


@value
class Anchored:
    """A signed note, and the three names that it is filed under."""

    log: str
    part: str
    size: int
    note: bytes

    @property
    def names(self) -> tuple[str, str, str]:
        """Folder, folder, file."""
        return self.log.replace("/", "~"), self.part, f"{self.size:016d}"

    def contradicts(self, other: bytes) -> bool:
        """Whether ``other`` says something else. Signatures alone may differ: while keys are rotated they do."""
        return other.partition(b"\n\n")[0] != self.note.partition(b"\n\n")[0]


def anchored(note: bytes, part: str) -> Anchored | None:
    """The note of ``part``, an epoch or the registry; None where it is no checkpoint of that."""
    said = read_checkpoint(note)
    log, _, named = ("", "", "") if said is None else said.origin.rpartition("/")
    # The names of folders come out of a file: nothing in it may lead elsewhere.
    if said is None or named != part or not _NAME.fullmatch(log) or log in {".", ".."}:
        return None
    return (
        Anchored(log=log, part=part, size=said.size, note=note) if part == REGISTRY or EPOCH.fullmatch(part) else None
    )


class Anchor(Protocol):
    """Keeps checkpoints, and never lets go of one."""

    async def keep(self, what: Anchored) -> None:
        """Keep it; the same one twice does no harm.

        Raises:
            NotTaken: it is not kept, or nobody knows.
            Forked: one is kept that contradicts it.
        """
        ...

    async def close(self) -> None:
        """Let go of connections."""
        ...
