"""Who says that a log had this root at that size?

C2SP signed notes (c2sp.org/signed-note) with Ed25519 signatures, and checkpoints (c2sp.org/tlog-checkpoint) as their
text. Signatures of keys that nobody trusts are ignored, a bad one of a trusted key condemns the note.
"""

import base64
import binascii
import re
from collections.abc import Iterable, Sequence
from hashlib import sha256
from typing import Final, Self

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from gateway.domain.value import value

_ED25519: Final = b"\x01"
_PRIVATE: Final = "PRIVATE+KEY+"
_NAME: Final = re.compile(r"[!-*,-~]{1,128}")
_DASH: Final = "\N{EM DASH} "
_MOST_SIGNATURES: Final = 64


class BadKey(ValueError):
    """A text that is no key of the right form; the message never repeats it."""


class BadNote(ValueError):
    """A note that is malformed, or that no trusted key signed."""


@value
class Checkpoint:
    """What a checkpoint says: the log's ``origin``, its ``size`` in leaves, the ``root`` over them."""

    origin: str
    size: int
    root: bytes

    @property
    def text(self) -> bytes:
        """The text that is signed."""
        return f"{self.origin}\n{self.size}\n{base64.b64encode(self.root).decode()}\n".encode()


class VerifierKey:
    """A public key under its name; equal ones are one key."""

    def __init__(self, name: str, public: bytes) -> None:
        if not _NAME.fullmatch(name):
            raise BadKey("a key's name must be 1 to 128 visible ASCII characters, and no plus sign")
        try:
            self._key = Ed25519PublicKey.from_public_bytes(public)
        except ValueError:
            raise BadKey("the key is no Ed25519 key of 32 bytes") from None
        self.name = name
        self.public = public
        self.id = sha256(name.encode() + b"\n" + _ED25519 + public).digest()[:4]

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read ``NAME+ID+KEY``.

        Raises:
            BadKey: the text is no such key.
        """
        name, id_, material = _parts(text.strip())
        found = cls(name, material)
        if found.id.hex() != id_:
            raise BadKey("the key's id does not belong to its name and bytes; copy the key anew")
        return found

    def __str__(self) -> str:
        return f"{self.name}+{self.id.hex()}+{base64.b64encode(_ED25519 + self.public).decode()}"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, VerifierKey) and (self.name, self.public) == (other.name, other.public)

    def __hash__(self) -> int:
        return hash((self.name, self.public))

    def accepts(self, text: bytes, signature: bytes) -> bool:
        """Whether this key made ``signature`` over ``text``."""
        try:
            self._key.verify(signature, text)
        except InvalidSignature:
            return False
        return True


class SigningKey:
    """A private key under its name. Nothing but ``reveal`` shows it."""

    def __init__(self, name: str, seed: bytes) -> None:
        if len(seed) != 32:
            raise BadKey("the key is no Ed25519 key of 32 bytes")
        self._key = Ed25519PrivateKey.from_private_bytes(seed)
        self.verifier = VerifierKey(name, self._key.public_key().public_bytes_raw())

    @classmethod
    def draw(cls, name: str) -> Self:
        """A fresh key."""
        return cls(name, Ed25519PrivateKey.generate().private_bytes_raw())

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read ``PRIVATE+KEY+NAME+ID+KEY``.

        Raises:
            BadKey: the text is no such key.
        """
        text = text.strip()
        if not text.startswith(_PRIVATE):
            raise BadKey("a signing key begins with PRIVATE+KEY+; `splitgate audit key new` makes one")
        name, id_, seed = _parts(text.removeprefix(_PRIVATE))
        found = cls(name, seed)
        if found.verifier.id.hex() != id_:
            raise BadKey("the key's id does not belong to its name and bytes; copy the key anew")
        return found

    @property
    def name(self) -> str:
        """The name that signature lines begin with."""
        return self.verifier.name

    def reveal(self) -> str:
        """The key as a file keeps it."""
        seed = _ED25519 + self._key.private_bytes_raw()
        return f"{_PRIVATE}{self.name}+{self.verifier.id.hex()}+{base64.b64encode(seed).decode()}"

    def signature_line(self, text: bytes) -> bytes:
        """The line that says that this key signed ``text``."""
        signature = base64.b64encode(self.verifier.id + self._key.sign(text)).decode()
        return f"{_DASH}{self.name} {signature}\n".encode()

    def __repr__(self) -> str:
        return f"SigningKey({self.verifier})"


def signed(text: bytes, keys: Iterable[SigningKey]) -> bytes:
    """The note: ``text``, an empty line, one signature line a key."""
    return text + b"\n" + b"".join([key.signature_line(text) for key in keys])


def opened(note: bytes, keys: Sequence[VerifierKey]) -> bytes:
    """The text of a note that one of ``keys`` signed, and none of them badly.

    Raises:
        BadNote: it is malformed, or not so signed.
    """
    text, signatures = _split(note)
    good = False
    for name, blob in signatures:
        for key in keys:
            if key.name == name and key.id == blob[:4]:
                if not key.accepts(text, blob[4:]):
                    raise BadNote(f"the signature of the key {key.name}+{key.id.hex()} is bad")
                good = True
    if not good:
        raise BadNote("no trusted key signed it")
    return text


def checkpoint(text: bytes) -> Checkpoint:
    """Read the text of a checkpoint.

    Raises:
        BadNote: it is none.
    """
    lines = text.decode("utf-8", errors="replace").split("\n")
    if len(lines) != 4 or lines[3] or not lines[0]:
        raise BadNote("it is no checkpoint: there must be origin, size and root")
    origin, size, root = lines[:3]
    if not re.fullmatch(r"0|[1-9][0-9]{0,15}", size):
        raise BadNote("it is no checkpoint: its size is no number")
    hashed = _decoded(root)
    if hashed is None or len(hashed) != 32:
        raise BadNote("it is no checkpoint: its root is no hash")
    return Checkpoint(origin=origin, size=int(size), root=hashed)


def _split(note: bytes) -> tuple[bytes, list[tuple[str, bytes]]]:
    head, gap, tail = note.rpartition(b"\n\n")
    if not gap or not tail.endswith(b"\n"):
        raise BadNote("it is no signed note: there must be text, an empty line and signatures")
    signatures: list[tuple[str, bytes]] = []
    for line in tail.decode("utf-8", errors="replace").split("\n")[:-1]:
        name, space, encoded = line.removeprefix(_DASH).partition(" ")
        blob = _decoded(encoded)
        if not line.startswith(_DASH) or not name or not space or blob is None or len(blob) < 5:
            raise BadNote("it is no signed note: a signature line is malformed")
        signatures.append((name, blob))
    if len(signatures) > _MOST_SIGNATURES:
        raise BadNote(f"it has more than {_MOST_SIGNATURES} signatures")
    return head + b"\n", signatures


def _parts(text: str) -> tuple[str, str, bytes]:
    name, plus, rest = text.partition("+")
    id_, more, encoded = rest.partition("+")
    material = _decoded(encoded)
    if not plus or not more or material is None or material[:1] != _ED25519:
        raise BadKey("a key is written NAME+ID+KEY, with an Ed25519 key of type 0x01")
    return name, id_, material[1:]


def _decoded(encoded: str) -> bytes | None:
    try:
        found = base64.b64decode(encoded, validate=True)
    except (binascii.Error, ValueError):
        return None
    # Only the one way to write it: bits that say nothing could be changed unseen.
    return found if base64.b64encode(found).decode() == encoded else None
