"""What does one process write of one epoch, from its first line to its end?

All methods block and are called by one thread at a time. An epoch that failed is not written to again: ``seal`` tells
later what became of it.
"""

import errno
import fcntl
import os
import secrets
import time
from collections.abc import Sequence
from typing import Final

from gateway.audit.log import Log
from gateway.audit.note import Checkpoint
from gateway.audit.opening import open_safely
from gateway.audit.places import EPOCH, EpochPlaces
from gateway.audit.registry import Registry
from gateway.audit.tree import Tree, leaf_hash

_LOCK: Final = os.O_RDWR | os.O_CREAT


def new_epoch() -> str:
    """A name that no other epoch has: the second, and 32 random bits."""
    name = f"{time.strftime('%Y%m%dT%H%M%SZ', time.gmtime())}-{secrets.token_hex(4)}"
    if not EPOCH.fullmatch(name):
        raise ValueError("the clock is set to a year that no epoch's name can hold; set it right")
    return name


class Epoch:
    """The files of one epoch, open for writing."""

    def __init__(self, log: Log) -> None:
        """Make the files and hold the lock; nobody knows of the epoch before it is registered.

        Raises:
            OSError: they cannot be made.
        """
        self.places: EpochPlaces = log.places.epoch(new_epoch())
        self.epoch = self.places.epoch
        # Where it is looked for after each write: written out once.
        self._journal = str(self.places.journal)
        self._log = log
        self._disk = disk = log.disk
        self._tree = Tree()
        self._signed = 0
        self._size = self._blob_size = 0
        # How many bytes of checkpoints were written.
        self.noted = 0
        self._descriptors: dict[str, int] = {}
        # Whether a write failed: nothing more is written then. And whether that was one of a checkpoint.
        self.failed = self._torn_note = False
        disk.make_folder(self.places.folder)
        try:
            self._descriptors["lock"] = open_safely(self.places.lock, _LOCK)
            fcntl.flock(self._descriptors["lock"], fcntl.LOCK_EX | fcntl.LOCK_NB)
            self._descriptors["journal"] = disk.open_to_append(self.places.journal)
            self._descriptors["checkpoints"] = disk.open_to_append(self.places.checkpoints)
        except OSError:
            self.release()
            raise

    @property
    def closed(self) -> bool:
        """Whether nothing is written any more."""
        return not self._descriptors

    @property
    def records(self) -> int:
        """How many records are durable."""
        return self._tree.size

    @property
    def unsigned(self) -> int:
        """How many durable records no checkpoint covers yet."""
        return self._tree.size - self._signed

    def write(
        self, lines: Sequence[bytes], blobs: Sequence[bytes] = (), *, leaves: Sequence[bytes] | None = None
    ) -> None:
        """Append lines (without line feeds), after the blobs that they refer to; durable once it returns.

        ``leaves`` are their leaf hashes, where they are known already.

        Raises:
            OSError: it is not certain that they are; or the file is not where it was.
        """
        try:
            if blobs:
                self._append_blobs(b"".join(blobs))
            content = b"\n".join(lines) + b"\n"
            journal = self._descriptors["journal"]
            self._disk.append(journal, content)
            self._size += len(content)
            self._expect(self._disk.stands(journal, self._journal, self._size))
            self._tree.extend(map(leaf_hash, lines) if leaves is None else leaves)
        except BaseException:
            # After any failure nobody knows what is on the disk: that is remembered.
            self.failed = True
            raise

    def checkpoint(self) -> Checkpoint:
        """Sign what is durable, if there is more of it than was signed.

        Raises:
            OSError: it cannot be written.
        """
        try:
            return self._sign()
        except BaseException:
            self.failed = True
            raise

    def close(self, registry: Registry, cause: str) -> None:
        """Sign the rest and register the end.

        Raises:
            OSError: one of the two failed: the next process that starts seals the epoch.
            AuditUnavailable: the registry is damaged.
        """
        try:
            if self.failed:
                raise OSError(errno.EIO, "the epoch failed, and has no end that could be vouched for")
            checkpoint = self.checkpoint()
            with registry.locked():
                registry.add(
                    "closed",
                    self.epoch,
                    size=checkpoint.size,
                    root=checkpoint.root.hex(),
                    signed=self._signed,
                    cause=cause,
                )
        finally:
            self.release()

    def give_up(self) -> None:
        """Sign what was acknowledged, as far as that can be done, and let go of everything: no end is registered.

        Of a journal that was taken away or cut while it was written the signature still tells what it held.
        """
        try:
            if self._descriptors and not self._torn_note:
                self._sign()
        except OSError:
            # Whoever seals the epoch signs what it finds.
            return
        finally:
            self.release()

    def release(self) -> None:
        """Let go of the files and the lock; nothing is written."""
        for descriptor in self._descriptors.values():
            try:
                os.close(descriptor)
            except OSError:
                # A close that fails after a failed write says nothing new.
                continue
        self._descriptors.clear()

    def _sign(self) -> Checkpoint:
        checkpoint, note = self._log.checkpoint(self.epoch, self._tree)
        if self.unsigned:
            note += b"\n"
            descriptor = self._descriptors["checkpoints"]
            self._torn_note = True
            self._disk.append(descriptor, note)
            self.noted += len(note)
            self._expect(self._disk.stands(descriptor, self.places.checkpoints, self.noted))
            self._signed = self._tree.size
            self._torn_note = False
            self._log.marks.keep(self.epoch, note[:-1], self._disk)
        return checkpoint

    def _append_blobs(self, content: bytes) -> None:
        if "blobs" not in self._descriptors:
            self._descriptors["blobs"] = self._disk.open_to_append(self.places.blobs)
        descriptor = self._descriptors["blobs"]
        self._disk.append(descriptor, content)
        self._blob_size += len(content)
        self._expect(self._disk.stands(descriptor, self.places.blobs, self._blob_size))

    def _expect(self, stands: bool) -> None:
        if not stands:
            raise FileNotFoundError(f"a file of {self.places.folder} was removed, replaced or cut while it was written")
