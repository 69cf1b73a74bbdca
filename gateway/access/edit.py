"""How is the key file edited, so that whoever reads it sees it whole and two who edit it lose nothing?

Under a lock; written beside its place, flushed to disk and renamed. Lines that are not edited stay byte for byte, and
nothing is written that a gateway would refuse.
"""

import fcntl
import json
import os
import secrets
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from math import inf
from pathlib import Path
from typing import Final, NoReturn

from gateway.access.key_file import KeyFile, lines_of, means_something
from gateway.domain.errors import StateUnusable
from gateway.domain.instant import instant, written
from gateway.domain.jsonvalue import JsonObject, JsonValue
from gateway.domain.strict_json import parse_object
from gateway.domain.value import value

_PRIVATE: Final = 0o600
_MODE: Final = 0o777


class NoSuchKey(ValueError):
    """Nothing in the file has this name or id."""


@value
class NewDigest:
    """A new key's digest and public id. Moments are seconds since the epoch."""

    id: str
    sha256: str
    created: float
    expires: float | None

    def told(self) -> JsonObject:
        """As it stands in an entry."""
        told: dict[str, JsonValue] = {"id": self.id, "sha256": self.sha256, "created": written(self.created)}
        return told if self.expires is None else {**told, "expires": written(self.expires)}


def add(file: KeyFile, entry: JsonObject) -> None:
    """Append an entry.

    Raises:
        ConfigError: the file is broken, or would be by this entry; nothing is changed.
        StateUnusable: it cannot be written.
    """
    with _editing(file) as lines:
        while lines and not lines[-1].strip():
            lines.pop()
        lines += [_line(entry), ""]


def rotate(file: KeyFile, name: str, new: NewDigest, ends: float) -> int:
    """Put a new digest beside those of the entry ``name``, and have these end at ``ends`` if they do not end before.

    One without an end gets as long a time as the last one was made for. The answer is how many open until then.

    Raises:
        NoSuchKey: there is no entry of this name, or it was revoked.
        ConfigError: the file is broken, or would be by this; nothing is changed.
        StateUnusable: it cannot be written.
    """
    with _editing(file) as lines:
        number, entry = _named(lines, name)
        if entry.get("revoked") is not None:
            raise NoSuchKey(f"the key `{name}` was revoked; make another one with `splitgate keys new`")
        before = _digests(entry)
        old = [_ending(one, ends) for one in before]
        # Those that have ended by now serve nobody.
        kept = [one for one in old if one.get("revoked") is not None or _until(one) > new.created]
        lines[number] = _line({**_whole(entry), "digests": [*kept, _as_long(new, before[-1]).told()]})
        return sum(one.get("revoked") is None for one in kept)


def revoke(file: KeyFile, named: str, now: float) -> Sequence[str]:
    """Take the entry of this name back, or the one key of this public id; the answer is the names of the entries.

    Raises:
        NoSuchKey: the file has neither.
        ConfigError: the file is broken; nothing is changed.
        StateUnusable: it cannot be written.
    """
    with _editing(file) as lines:
        names: list[str] = []
        for number, entry in _entries(lines).items():
            edited = _revoked(entry, named, written(now))
            if edited is not None:
                lines[number] = _line(edited)
                names.append(str(entry["name"]))
        if not names:
            raise NoSuchKey(f"{file.path} has no key of the name or id `{named}`; `splitgate keys list` shows them")
        return names


def _revoked(entry: JsonObject, named: str, when: str) -> JsonObject | None:
    if entry["name"] == named or entry.get("id") == named:
        return {"revoked": when, **entry}
    digests = _digests(entry)
    if not any(one.get("id") == named for one in digests):
        return None
    return {**entry, "digests": [{"revoked": when, **one} if one.get("id") == named else one for one in digests]}


def _digests(entry: JsonObject) -> list[JsonObject]:
    """The entry's digests; one that stands in the entry itself as the one in a list."""
    listed = entry.get("digests")
    if isinstance(listed, list):
        return [one for one in listed if isinstance(one, Mapping)]
    return [{name: entry[name] for name in _OWN if name in entry}]


# What an entry with one key says of it, and an entry with several says of each.
_OWN: Final = ("id", "sha256", "created", "not_before", "expires")


def _whole(entry: JsonObject) -> JsonObject:
    """The entry without its digests."""
    own = () if "digests" in entry else _OWN
    return {name: inner for name, inner in entry.items() if name != "digests" and name not in own}


def _ending(digest: JsonObject, ends: float) -> JsonObject:
    return digest if _until(digest) <= ends else {**digest, "expires": written(ends)}


def _as_long(new: NewDigest, last: JsonObject) -> NewDigest:
    """A key that was to be replaced every quarter is not replaced by one for ever."""
    made = last.get("created")
    if new.expires is not None or not isinstance(made, str) or _until(last) == inf:
        return new
    return replace(new, expires=new.created + max(0.0, _until(last) - instant(made)))


def _until(digest: JsonObject) -> float:
    expires = digest.get("expires")
    return instant(expires) if isinstance(expires, str) else inf


def _named(lines: Sequence[str], name: str) -> tuple[int, JsonObject]:
    for number, entry in _entries(lines).items():
        if entry["name"] == name:
            return number, entry
    raise NoSuchKey(f"no key is called `{name}`; `splitgate keys list` shows them")


def _entries(lines: Sequence[str]) -> Mapping[int, JsonObject]:
    return {number: parse_object(line) for number, line in enumerate(lines) if means_something(line)}


def _line(entry: JsonObject) -> str:
    return json.dumps(entry, ensure_ascii=False)


@contextmanager
def _editing(file: KeyFile) -> Generator[list[str]]:
    """The file's lines, to be changed in place; they are written once the context ends well, if they changed."""
    path = Path(os.path.realpath(file.path))
    with _locked(path):
        raw = file.read() or b""
        file.parse(raw)
        lines = list(lines_of(raw))
        yield lines
        edited = "\n".join(lines).encode()
        if edited != raw:
            file.parse(edited)
            _replace(path, edited)


@contextmanager
def _locked(path: Path) -> Generator[None]:
    """Keep others out. The lock is a file of its own, since the key file gives way to another one."""
    try:
        descriptor = os.open(
            path.with_name(f".{path.name}.lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, _PRIVATE
        )
    except OSError as error:
        _refuse(path, error)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _replace(path: Path, content: bytes) -> None:
    draft = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    try:
        try:
            _write_new(draft, content, _standing(path))
            draft.rename(path)
        finally:
            draft.unlink(missing_ok=True)
        _flush(path.parent)
    except OSError as error:
        _refuse(path, error)


def _standing(path: Path) -> os.stat_result | None:
    try:
        return path.stat()
    except FileNotFoundError:
        return None


def _write_new(path: Path, content: bytes, before: os.stat_result | None) -> None:
    """Write a file that is its owner's alone, or as the one before was: a gateway of another user has to read on."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, _PRIVATE)
    with os.fdopen(descriptor, "wb") as file:
        if before is not None:
            own = (os.geteuid(), os.fstat(descriptor).st_gid)
            if (before.st_uid, before.st_gid) != own:
                os.fchown(descriptor, before.st_uid, before.st_gid)
            os.fchmod(descriptor, before.st_mode & _MODE)
        file.write(content)
        file.flush()
        os.fsync(descriptor)


def _flush(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _refuse(path: Path, error: OSError) -> NoReturn:
    message = f"{path} cannot be edited ({error.strerror}); run this where its folder can be written, as its owner"
    raise StateUnusable(message) from error
