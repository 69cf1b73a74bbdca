"""What stands in the files of a journal, before anybody has judged it?

Lines up to a length that was looked up before, so that a journal may be read while its process writes on; notes of
checkpoints, and the bytes between them that are none.
"""

import fcntl
import re
from collections.abc import Generator, Sequence
from pathlib import Path
from typing import Final

from gateway.audit.note import BadKey, BadNote, Checkpoint, VerifierKey, checkpoint, opened
from gateway.audit.opening import MOST_LINE, lines_of, reading, size_of
from gateway.domain.value import value

_SIGNED: Final = rb"\n(?:\xe2\x80\x94 [^\n]+\n)+"
# A name, and base64 of a key's id and an Ed25519 signature.
_WHOLE_SIGNATURE: Final = re.compile(rb"\xe2\x80\x94 [^\n ]+ [^\n]{92,}")


class Lines:
    """The whole lines of a file, without their line feeds; ``rest`` is how many bytes follow those that were taken.

    They end before a line that is longer than ``MOST_LINE``, which no record is; ``overlong`` says so.
    """

    def __init__(self, path: Path, limit: int | None = None) -> None:
        self._path = path
        self._limit = limit
        self.rest = limit or 0
        self.overlong = False

    def __iter__(self) -> Generator[bytes]:
        with reading(self._path) as file:
            left = size_of(file) if self._limit is None else self._limit
            try:
                for line in lines_of(file):
                    self.overlong = MOST_LINE < len(line) <= left
                    if self.overlong or len(line) > left or line[-1] != 10:
                        return
                    left -= len(line)
                    yield line[:-1]
            finally:
                self.rest = left


@value
class Stated:
    """A part of a file of checkpoints. ``note`` is None where it is none; ``said`` is None unless it is sound.

    ``size`` is what an unsound note says its size is; ``fault`` says what is wrong.
    """

    raw: bytes
    note: bytes | None = None
    said: Checkpoint | None = None
    size: int | None = None
    fault: str = ""


def stated(raw: bytes, log: str, keys: Sequence[VerifierKey]) -> list[Stated]:
    """The checkpoints of ``log``, an epoch or the registry, that are written in ``raw``, and what else is."""
    names = b"|".join(sorted({re.escape(key.name.encode()) for key in keys}))
    form = re.compile(rb"((?:" + names + rb")/" + log.encode() + rb"\n([0-9]{1,16})\n[^\n]+\n" + _SIGNED + rb")\n")
    found: list[Stated] = []
    at = 0
    for match in form.finditer(raw):
        if match.start() > at:
            found.append(_no_note(raw[at : match.start()]))
        found.append(judged(match[1], log, keys))
        at = match.end()
    if at < len(raw):
        found.append(_no_note(raw[at:]))
    return found


def judged(note: bytes, log: str, keys: Sequence[VerifierKey]) -> Stated:
    """Whether ``note`` is a checkpoint of ``log`` that one of ``keys`` signed."""
    size: int | None = None
    try:
        size = checkpoint(note.rpartition(b"\n\n")[0] + b"\n").size
        said = checkpoint(opened(note, keys))
    except BadNote as error:
        return Stated(raw=note, note=note, size=size, fault=str(error))
    if said.origin not in {f"{key.name}/{log}" for key in keys}:
        return Stated(raw=note, note=note, size=size, fault="it is of another log")
    return Stated(raw=note, note=note, said=said, size=size)


def is_torn(part: Stated, log: str, keys: Sequence[VerifierKey]) -> bool:
    """Whether an unsound part can be the beginning of a checkpoint, cut off before its signatures were written out.

    Of several signatures those before the last are whole then, and good.
    """
    begun = [f"{key.name}/{log}\n".encode() for key in keys]
    fits = any(part.raw.startswith(one) or one.startswith(part.raw.rstrip(b"\n")) for one in begun)
    head, _, last = part.raw.rstrip(b"\n").rpartition(b"\n")
    if not fits or _WHOLE_SIGNATURE.fullmatch(last):
        return False
    return b"\n\n" not in head.rstrip(b"\n") or judged(head + b"\n", log, keys).said is not None


def is_held(lock: Path) -> bool | None:
    """Whether a process holds the lock; None where that cannot be told: no such file, or none that may be read."""
    try:
        with reading(lock) as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return None
    return False


def public_keys(text: str) -> list[VerifierKey]:
    """The keys in a text, one a line.

    Raises:
        BadKey: a line that is no key, or not one line.
    """
    keys = [VerifierKey.parse(line) for line in text.splitlines() if line.strip()]
    if not keys:
        raise BadKey("there is no key in it; a key is written NAME+ID+KEY")
    return keys


def _no_note(raw: bytes) -> Stated:
    return Stated(raw=raw, fault="it is no checkpoint of this log")
