"""How is a text kept beside the journal so that it can be read by few, and forgotten?

Encrypted under the data subject's key, bound to the record that speaks of it. The record holds where it lies and the
hash of what lies there, so that nothing can be put in its place. Without the key it is noise: erasing the key is
erasing every text under it.
"""

import re
import secrets
from hashlib import sha256
from pathlib import Path
from typing import Final, Self

from cryptography.exceptions import InvalidTag

from gateway.audit.opening import reading, size_of
from gateway.audit.subjects import Keys
from gateway.domain.value import value

_NONCE: Final = 12
_TAG: Final = 16
# What encryption adds to a text, in bytes.
ADDED: Final = _NONCE + _TAG
# A text is a part of a request or an answer, which may have 1 GiB.
_MOST: Final = (1 << 30) + ADDED
_REFERENCE: Final = re.compile(r"(0|[1-9][0-9]{0,15}):([1-9][0-9]{0,15}):([0-9a-f]{64})")


class Unreadable(ValueError):
    """Content that is not what its record says, or that this key did not encrypt."""


@value
class Reference:
    """Where content lies in the file ``blobs`` of its epoch, in bytes, and the SHA-256 of what lies there."""

    offset: int
    length: int
    digest: str

    @classmethod
    def parse(cls, text: str) -> Self | None:
        """Read ``OFFSET:LENGTH:DIGEST``; None where it is none."""
        found = _REFERENCE.fullmatch(text)
        return None if found is None else cls(offset=int(found[1]), length=int(found[2]), digest=found[3])

    def __str__(self) -> str:
        return f"{self.offset}:{self.length}:{self.digest}"


def reference_to(offset: int, blob: bytes) -> Reference:
    """What the record says of ``blob``, which will lie ``offset`` bytes into the file."""
    return Reference(offset=offset, length=len(blob), digest=sha256(blob).hexdigest())


def sealed(keys: Keys, event: str, text: bytes) -> bytes:
    """``text`` encrypted for the record ``event``: 12 bytes of nonce, then AES-256-GCM."""
    nonce = secrets.token_bytes(_NONCE)
    return nonce + keys.cipher.encrypt(nonce, text, _bound_to(event))


def opened(keys: Keys, event: str, blob: bytes) -> bytes:
    """The text again.

    Raises:
        Unreadable: it was encrypted under another key or for another record, or was changed.
    """
    try:
        return keys.cipher.decrypt(blob[:_NONCE], blob[_NONCE:], _bound_to(event))
    except (InvalidTag, ValueError):
        raise Unreadable("this key does not open the content, or the content was changed") from None


def blob_at(path: Path, reference: Reference) -> bytes:
    """What lies at ``reference`` in the file ``blobs`` of an epoch.

    Raises:
        Unreadable: it is not what the record speaks of.
        OSError: the file cannot be read.
    """
    with reading(path) as file:
        if reference.length > _MOST or reference.offset + reference.length > size_of(file):
            raise Unreadable("the content is not what its record speaks of")
        file.seek(reference.offset)
        blob = file.read(reference.length)
    if len(blob) != reference.length or sha256(blob).hexdigest() != reference.digest:
        raise Unreadable("the content is not what its record speaks of")
    return blob


def _bound_to(event: str) -> bytes:
    return f"{event}/blob".encode()
