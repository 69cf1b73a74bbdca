"""Which key is this?

Keys are 256 random bits; only their SHA-256 is kept. The digest's first bytes choose a slot and the whole digest is
then compared in constant time: what timing tells of the slot is of no use to somebody who cannot invert SHA-256.
"""

import hmac
from collections.abc import Iterable

from gateway.domain.identity import Key

_SLOT = 8


class Ring:
    """Keys by their digests; it never changes."""

    __slots__ = ("_slots", "keys")

    def __init__(self, keys: Iterable[Key]) -> None:
        self.keys = tuple(keys)
        slots: dict[bytes, list[tuple[bytes, Key]]] = {}
        for key in self.keys:
            digest = bytes.fromhex(key.sha256)
            slots.setdefault(digest[:_SLOT], []).append((digest, key))
        self._slots = slots

    def find(self, digest: bytes) -> Key | None:
        """The key with this digest, whether it opens at present or not."""
        for known, key in self._slots.get(digest[:_SLOT], ()):
            if hmac.compare_digest(known, digest):
                return key
        return None
