"""Which policies were last in force, for a start at which the files cannot be used?

The copy's name is the digest of its content, and a record beside it names the copy and the revision last activated.
A copy that is not exactly what the record names, or whose revision turns out as another one, is refused.
"""

import base64
import hashlib
import hmac
import json
from collections.abc import Sequence
from typing import Final

from pydantic import BaseModel, ConfigDict, Field

from gateway.activation.sources import MAX_FILES, PolicyFile
from gateway.activation.state_folder import StateFolder
from gateway.domain.errors import StateUnusable
from gateway.domain.value import value
from gateway.yamlfile.source import MAX_BYTES

_RECORD: Final = "activated.json"
_COPY: Final = "policies-{}.json"
_MOST_RECORD: Final = 4096
# Base64 takes a third more; packs come on top.
_MOST_COPY: Final = 2 * MAX_FILES * MAX_BYTES


class _Kept(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, defer_build=True)


class _Record(_Kept):
    revision: str
    copy_sha256: str = Field(pattern=r"^[0-9a-f]{64}$")


class _File(_Kept):
    file: str
    raw: str
    listed: bool
    fallback: bool


class _Copy(_Kept):
    files: tuple[_File, ...]


@value
class Kept:
    """What was kept, and the revision that it must have once it is read."""

    revision: str
    files: tuple[PolicyFile, ...]


class LastGood:
    """The copy of what was last in force."""

    def __init__(self, folder: StateFolder) -> None:
        self._folder = folder

    def keep(self, revision: str, files: Sequence[PolicyFile]) -> None:
        """Keep ``files``; until the record is written, the copy before stays the one that counts.

        Raises:
            StateUnusable: the folder cannot be used.
        """
        content = _written(files)
        digest = hashlib.sha256(content).hexdigest()
        name = _COPY.format(digest)
        record = json.dumps({"revision": revision, "copy_sha256": digest}).encode()
        with self._folder.locked():
            self._folder.write(name, content)
            self._folder.write(_RECORD, record)
            self._folder.remove_others(name, _COPY.format("*"))

    def find(self) -> Kept | None:
        """What was last in force; None where nothing was kept.

        Raises:
            StateUnusable: what is there is not what was kept.
        """
        found = self._folder.read(_RECORD, _MOST_RECORD)
        if found is None:
            return None
        try:
            record = _Record.model_validate_json(found)
            content = self._folder.read(_COPY.format(record.copy_sha256), _MOST_COPY)
            if content is None or not _is(content, record.copy_sha256):
                raise _not_ours()
            copy = _Copy.model_validate_json(content)
            files = tuple(_read(file) for file in copy.files)
        except ValueError:
            raise _not_ours() from None
        if sum(file.fallback for file in files) != 1:
            raise _not_ours()
        return Kept(revision=record.revision, files=files)


def _is(content: bytes, digest: str) -> bool:
    return hmac.compare_digest(hashlib.sha256(content).hexdigest(), digest)


def _not_ours() -> StateUnusable:
    return StateUnusable("the copy of the policies last in force is damaged and not used; mend the policy files")


def _written(files: Sequence[PolicyFile]) -> bytes:
    kept = [
        {
            "file": file.file,
            "raw": base64.b64encode(file.raw).decode(),
            "listed": file.listed,
            "fallback": file.fallback,
        }
        for file in files
    ]
    return json.dumps({"files": kept}).encode()


def _read(file: _File) -> PolicyFile:
    raw = base64.b64decode(file.raw, validate=True)
    return PolicyFile(file=file.file, raw=raw, listed=file.listed, fallback=file.fallback)
