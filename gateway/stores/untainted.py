"""Which replies could no untrusted data have steered?

Kept in this worker's memory as keyed hashes, for a while: a client that sends such a reply back as history keeps its
request untainted. Forgetting one is safe, since an unknown reply counts as tainted.
"""

import hashlib
import secrets
from collections import OrderedDict
from collections.abc import Callable
from typing import Final

MOST: Final = 20_000
KEEP_S: Final = 6 * 3600.0


class UntaintedReplies:
    """``now`` gives seconds on a clock that never goes back. Nothing in here tells what was said."""

    def __init__(self, now: Callable[[], float], *, most: int = MOST, keep_s: float = KEEP_S) -> None:
        self._now = now
        self._most = most
        self._keep_s = keep_s
        self._key = secrets.token_bytes(32)
        self._known: OrderedDict[bytes, float] = OrderedDict()

    def knows(self, tenant: str, content: tuple[str, ...]) -> bool:
        """Whether exactly this was a reply to an untainted request of this tenant's, not too long ago."""
        remembered = self._known.get(self._digest(tenant, content))
        return remembered is not None and self._now() - remembered < self._keep_s

    def remember(self, tenant: str, content: tuple[str, ...]) -> None:
        """Put a reply on the list, at the expense of the oldest."""
        digest = self._digest(tenant, content)
        self._known[digest] = self._now()
        self._known.move_to_end(digest)
        while len(self._known) > self._most:
            self._known.popitem(last=False)

    def _digest(self, tenant: str, content: tuple[str, ...]) -> bytes:
        hashed = hashlib.blake2b(key=self._key, digest_size=32)
        for part in (tenant, *content):
            raw = part.encode(errors="surrogatepass")
            # Lengths keep ("ab", "c") and ("a", "bc") apart.
            hashed.update(len(raw).to_bytes(8, "big"))
            hashed.update(raw)
        return hashed.digest()
