"""Under which key is something committed to and encrypted, and how is it forgotten for good?

Each data subject of a tenant has a random key of its own, and each tenant one for what names no subject. They are kept
in one file, wrapped by a key that derives from the master key, under pseudonyms that derive from it too.

What erasure means: once a subject's key is destroyed nobody can decrypt what was encrypted under it, nor tell what was
committed to, be it by guessing. Processes that used the key before forget it within ``KEEP_S`` seconds. A later request
of the same subject gets a new key. The rule, and its limit: copies of the file elsewhere, backups and snapshots of the
disk are the operator's to handle; with such a copy and the master key nothing is erased.
"""

import base64
import binascii
import secrets
import time
from collections import OrderedDict
from collections.abc import Callable, Sequence
from functools import lru_cache, partial
from hashlib import sha256
from hmac import digest
from pathlib import Path
from typing import Final, Never, Protocol, Self, TypeAlias

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from gateway.audit._fetching import Fetching, Named
from gateway.audit._subjects_file import Erased, SubjectsFile
from gateway.audit.kept import kept_text
from gateway.domain.errors import StateUnusable

__all__ = [
    "KEEP_S",
    "MASTER_FILE",
    "Commitment",
    "Erased",
    "Keys",
    "MasterKey",
    "SubjectKeys",
    "kept_text",
    "load_or_make_master",
]

# Where the master key lies below the folder for state, unless the configuration names one.
MASTER_FILE: Final = "audit-master.key"
KEEP_S: Final = 60.0
MOST: Final = 10_000
_BYTES: Final = 32
_NONCE: Final = 12


class MasterKey:
    """The key above all others. Nothing shows it."""

    __slots__ = ("_index", "_wrapping", "pseudonym")

    def __init__(self, raw: bytes) -> None:
        if len(raw) != _BYTES:
            raise StateUnusable("a master key is 32 bytes in base64; `openssl rand -base64 32` prints one")
        self._wrapping = AESGCM(_derived(raw, b"splitgate subject keys v1"))
        self._index = _derived(raw, b"splitgate subject index v1")
        self.pseudonym = lru_cache(MOST)(self._pseudonym)

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read the key's base64.

        Raises:
            StateUnusable: it is no such key.
        """
        try:
            return cls(base64.b64decode(text.strip(), validate=True))
        except (binascii.Error, ValueError):
            # Without a cause: it may repeat the key.
            return cls(b"")

    @property
    def mark(self) -> bytes:
        """Tells this key from others, and tells nothing else."""
        return digest(self._index, b"\x00mark", "sha256")

    def row(self, tenant: str, subject: str | None) -> str:
        """Under which name the key is kept: the subject's pseudonym, or one of the tenant's as such."""
        # No tenant's name holds a zero byte, so that no subject's name comes to that of a tenant.
        return self._hashed(tenant) if subject is None else self.pseudonym(tenant, subject)

    def wrap(self, row: str, key: bytes) -> bytes:
        """``key`` as the file keeps it under ``row``."""
        nonce = secrets.token_bytes(_NONCE)
        return nonce + self._wrapping.encrypt(nonce, key, row.encode())

    def unwrap(self, row: str, wrapped: bytes) -> bytes:
        """The key again.

        Raises:
            StateUnusable: it was wrapped by another master key or for another row, or was damaged.
        """
        try:
            return self._wrapping.decrypt(wrapped[:_NONCE], wrapped[_NONCE:], row.encode())
        except (InvalidTag, ValueError):
            raise StateUnusable(
                "the key of a data subject is damaged, or the master key is another; restore subjects.sqlite3"
            ) from None

    def _pseudonym(self, tenant: str, subject: str) -> str:
        return self._hashed(f"{tenant}\x00{subject}")

    def _hashed(self, text: str) -> str:
        return digest(self._index, text.encode(errors="surrogatepass"), "sha256")[:16].hex()

    def __repr__(self) -> str:
        return "MasterKey(…)"

    def __reduce__(self) -> Never:
        raise TypeError("a master key is not copied or written anywhere")


class Hashing(Protocol):
    """A hash under way, as hashlib has them."""

    def copy(self) -> Self: ...

    def update(self, data: bytes, /) -> None: ...

    def digest(self) -> bytes: ...

    def hexdigest(self) -> str: ...


class Commitment:
    """A commitment to a text that comes in pieces: HMAC as RFC 2104 has it. ``length`` is the text's so far."""

    __slots__ = ("_inner", "_outer", "length")

    def __init__(self, inner: Hashing, outer: Hashing) -> None:
        self.length = 0
        self._inner = inner.copy()
        self._outer = outer

    def update(self, text: str) -> None:
        """More of the text."""
        self.length += len(text)
        self._inner.update(text.encode("utf-8", "surrogatepass"))

    def hexdigest(self) -> str:
        """The commitment to all of it so far: 64 hexadecimal digits."""
        outer = self._outer.copy()
        outer.update(self._inner.digest())
        return outer.hexdigest()


class Keys:
    """What derives from the key of one subject, or of a tenant as such.

    ``pseudonym`` is the subject's, None where it is the tenant's; ``row`` is where the key is kept, ``cipher``
    encrypts content. Nothing shows the keys.
    """

    __slots__ = ("_inner", "_outer", "begin", "cipher", "pseudonym", "row")

    def __init__(self, row: str, pseudonym: str | None, key: bytes) -> None:
        self.row = row
        self.pseudonym = pseudonym
        # HMAC as RFC 2104 has it, with the key's own blocks hashed once: half of what a commitment costs otherwise.
        block = _derived(key, b"splitgate commitment v1").ljust(sha256().block_size, b"\x00")
        self._inner = sha256(bytes([byte ^ 0x36 for byte in block]))
        self._outer = sha256(bytes([byte ^ 0x5C for byte in block]))
        # Begins the commitment to a text that is still to come.
        self.begin: Final[Callable[[], Commitment]] = partial(Commitment, self._inner, self._outer)
        self.cipher = AESGCM(_derived(key, b"splitgate content v1"))

    def commitment(self, text: str) -> str:
        """The commitment to a text: 64 hexadecimal digits."""
        inner, outer = self._inner.copy(), self._outer.copy()
        inner.update(text.encode("utf-8", "surrogatepass"))
        outer.update(inner.digest())
        return outer.hexdigest()

    def __repr__(self) -> str:
        return f"Keys(row={self.row!r})"

    def __reduce__(self) -> Never:
        raise TypeError("keys are not copied or written anywhere")


# Keys, and until when they are remembered.
_Until: TypeAlias = tuple[float, Keys]


class SubjectKeys:
    """The keys in the file at ``path``, which is made at first use.

    ``now`` gives seconds on a clock that never goes back, ``wall`` microseconds since the epoch. ``cached``, ``fetch``
    and ``destroy`` are for one event loop; what others do in the file they see within ``keep_s`` seconds.
    """

    def __init__(
        self,
        path: Path,
        master: MasterKey,
        now: Callable[[], float] = time.monotonic,
        *,
        wall: Callable[[], int] = lambda: time.time_ns() // 1000,
        most: int = MOST,
        keep_s: float = KEEP_S,
        patience_s: float = 5.0,
    ) -> None:
        self._master = master
        self._file = SubjectsFile(path, master.mark, wall, patience_s)
        self._now = now
        self._most = most
        self._keep_s = keep_s
        self._known: OrderedDict[Named, _Until] = OrderedDict()
        self._fetching = Fetching(self._found, self._keep)
        self.pseudonym = master.pseudonym

    def cached(self, tenant: str, subject: str | None) -> Keys | None:
        """The keys, if they were fetched lately; None otherwise, also for a subject that has some."""
        named = (tenant, subject)
        known = self._known.get(named)
        if known is None:
            return None
        if self._now() >= known[0]:
            del self._known[named]
            return None
        self._known.move_to_end(named)
        return known[1]

    async def fetch(self, tenant: str, subject: str | None) -> Keys:
        """The keys, made where there are none yet; once this returns they are durable.

        Raises:
            StateUnusable: the file cannot be used; nothing may be committed to.
        """
        _, keys = await self._fetching.fetch((tenant, subject))
        return keys

    def get(self, tenant: str, subject: str | None) -> Keys:
        """The same, waiting; nothing is remembered.

        Raises:
            StateUnusable: the file cannot be used.
        """
        (found,) = self._found([(tenant, subject)])
        if isinstance(found, StateUnusable):
            raise found
        return found[1]

    def kept(self, tenant: str, pseudonym: str | None) -> Keys | None:
        """The keys of a pseudonym, None for the tenant's own, as they are now; None where there are none (any more).

        Raises:
            StateUnusable: the file cannot be used.
        """
        row = self.row(tenant, pseudonym)
        wrapped = self._file.wrapped(row) if self._file.is_there else None
        return None if wrapped is None else Keys(row, pseudonym, self._master.unwrap(row, wrapped))

    def row(self, tenant: str, pseudonym: str | None) -> str:
        """Where the key of a pseudonym is kept, or the tenant's own."""
        return self._master.row(tenant, None) if pseudonym is None else pseudonym

    def erased(self, pseudonym: str) -> tuple[Erased, ...]:
        """The keys that the pseudonym once had, the oldest first.

        Raises:
            StateUnusable: the file cannot be used.
        """
        return self._file.erased(pseudonym) if self._file.is_there else ()

    def destroy(self, pseudonym: str) -> bool:
        """Destroy the key for good; False where there was none.

        Safe to repeat: also what an earlier try left behind when it was cut short is gone then.

        Raises:
            StateUnusable: it is not certain that the key is gone; do it again.
        """
        gone = self._file.is_there and self._file.destroy(pseudonym)
        for named in [named for named, (_, keys) in self._known.items() if keys.row == pseudonym]:
            self._known.pop(named, None)
        return gone

    def close(self) -> None:
        """Close the file, unless somebody hangs in it."""
        if self._fetching.close():
            self._file.close()

    def _found(self, names: Sequence[Named]) -> Sequence[_Until | StateUnusable]:
        """The keys of all these, made together where there are none yet; one that is damaged spoils no other."""
        # Counted from before the file is read: what is erased meanwhile must not live longer than the rest.
        until = self._now() + self._keep_s
        rows = [self._master.row(*named) for named in names]
        wrapped = self._file.wrapped_or_made(rows, lambda row: self._master.wrap(row, secrets.token_bytes(_BYTES)))
        return [self._opened(until, row, wrapped[row], of=of) for row, (_, of) in zip(rows, names, strict=True)]

    def _opened(self, until: float, row: str, wrapped: bytes, *, of: str | None) -> _Until | StateUnusable:
        try:
            return until, Keys(row, None if of is None else row, self._master.unwrap(row, wrapped))
        except StateUnusable as error:
            return error

    def _keep(self, named: Named, found: _Until) -> None:
        self._known[named] = found
        self._known.move_to_end(named)
        while len(self._known) > self._most:
            self._known.popitem(last=False)


def load_or_make_master(path: Path) -> MasterKey:
    """The master key in the file at ``path``, drawn by whichever process comes first.

    Raises:
        StateUnusable: the file cannot be used, or others can read it.
    """
    return MasterKey.parse(kept_text(path, lambda: base64.b64encode(secrets.token_bytes(_BYTES)).decode()))


def _derived(key: bytes, info: bytes) -> bytes:
    return HKDF(algorithm=SHA256(), length=_BYTES, salt=None, info=info).derive(key)
