"""How far had this gateway come when it last wrote?

The newest signed checkpoint of the registry, and of every epoch that has no end yet, kept outside the folder of the
journals. Whoever can write to that folder alone cannot cut it back, write it anew and have it sealed at the next start.
A mark is written after what it speaks of, so that it never says more than is there.
"""

from hashlib import sha256
from pathlib import Path
from typing import Final

from gateway.audit.disk import Disk
from gateway.audit.note import BadNote, Checkpoint, VerifierKey, checkpoint, opened
from gateway.audit.opening import read_whole
from gateway.domain.errors import AuditUnavailable

REGISTRY: Final = "registry"


def marks_folder(state: Path, journals: Path) -> Path:
    """Where the marks of the folder ``journals`` are kept below ``state``: another folder of journals has others."""
    return state / "audit-marks" / sha256(str(journals).encode()).hexdigest()[:16]


class Marks:
    """The marks in ``folder``; without one none are kept."""

    def __init__(self, folder: Path | None = None) -> None:
        self._folder = folder

    def keep(self, name: str, note: bytes, disk: Disk) -> None:
        """Keep the signed checkpoint of the log ``name``, in place of an earlier one.

        Raises:
            OSError: it cannot be kept.
        """
        if self._folder is not None:
            disk.make_folder(self._folder)
            disk.publish(self._folder / name, note)

    def drop(self, name: str) -> None:
        """Forget an epoch that has its end in the registry.

        Raises:
            OSError: the mark cannot be taken away.
        """
        if self._folder is not None:
            (self._folder / name).unlink(missing_ok=True)

    def of(self, name: str, origin: str, trusted: tuple[VerifierKey, ...]) -> Checkpoint | None:
        """What is kept of a log; None where nothing is.

        Raises:
            AuditUnavailable: what is kept there is no checkpoint that one of our keys signed.
            OSError: it cannot be read.
        """
        if self._folder is None:
            return None
        path = self._folder / name
        try:
            found = checkpoint(opened(read_whole(path), trusted))
        except FileNotFoundError:
            return None
        except BadNote:
            found = None
        if found is None or found.origin != origin:
            raise AuditUnavailable(
                f"none of the keys in `audit.signing_keys` signed {path}: name the key that did beside the new one, or "
                "begin anew with another `audit.dir` and remove the file"
            )
        return found
