"""What becomes of a value that stands in a file of its own, when the file changes?

Files that a platform mounts are swapped by links, written anew or written over: what counts is what they hold. A change
is believed when two looks in a row find the same, since a file may be half written; and what cannot be used changes
nothing.
"""

from collections.abc import Callable
from enum import StrEnum
from typing import Generic, Protocol, TypeVar

Found = TypeVar("Found")


class Looked(StrEnum):
    """What came of another look."""

    SAME = "same"
    CHANGED = "changed"  # what was found is in use from now on
    UNUSABLE = "unusable"  # what was last good stays in use
    AGAIN = "again"  # it is usable once more, and what it was


class Mounted(Protocol):
    """What is looked at again while a process runs. ``name`` is the key that names it in the configuration."""

    @property
    def name(self) -> str: ...

    @property
    def stale(self) -> bool:
        """Whether it cannot be used at present, and what was last good serves on."""
        ...

    def refresh(self) -> Looked:
        """Look again, which may take its time: for a thread, one at a time."""
        ...


class Following(Generic[Found]):
    """Follows what ``look`` finds. ``take`` puts that to use, and is false where it cannot be used."""

    __slots__ = ("_look", "_present", "_seen", "_take", "stale")

    def __init__(self, present: Found, look: Callable[[], Found], take: Callable[[Found], bool]) -> None:
        self._present: Found = present
        self._seen: Found = present
        self._look = look
        self._take = take
        self.stale = False

    def refresh(self) -> Looked:
        """Look again."""
        found = self._look()
        settled, self._seen = found == self._seen, found
        if not settled or (found == self._present and not self.stale):
            return Looked.SAME
        if found == self._present:
            self.stale = False
            return Looked.AGAIN
        if self._take(found):
            self._present, self.stale = found, False
            return Looked.CHANGED
        told, self.stale = self.stale, True
        return Looked.SAME if told else Looked.UNUSABLE
