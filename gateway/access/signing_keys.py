"""With which keys does an issuer sign its tokens?

Reads a JWK set (RFC 7517) and keeps the public part of those keys that signatures can be checked with. A key of another
kind, one for another use, or one that is too weak is passed over, as the RFC has it; so is whatever is secret about it.
"""

from collections.abc import Mapping, Sequence
from typing import Final

from joserfc.errors import JoseError
from joserfc.jwk import ECKey, OKPKey, RSAKey
from joserfc.util import urlsafe_b64decode

from gateway.domain.jsonvalue import JsonObject, JsonValue
from gateway.domain.strict_json import parse_object

MAX_KEYS: Final = 200
_RSA_BITS: Final = range(2048, 8193)
_EXPONENT_BITS: Final = 32
# What says all that is public of a key of each kind.
_PUBLIC: Final[Mapping[str, tuple[str, ...]]] = {"RSA": ("n", "e"), "EC": ("crv", "x", "y"), "OKP": ("crv", "x")}
# Which kind of key, and which curve, each algorithm takes.
_TAKES: Final[Mapping[str, tuple[str, str | None]]] = {
    **dict.fromkeys(("RS256", "RS384", "RS512", "PS256", "PS384", "PS512"), ("RSA", None)),
    "ES256": ("EC", "P-256"),
    "ES384": ("EC", "P-384"),
    "ES512": ("EC", "P-521"),
    "Ed25519": ("OKP", "Ed25519"),
}

PublicKey = RSAKey | ECKey | OKPKey


class NoKeySet(ValueError):
    """What came is no JWK set."""


class SigningKeys:
    """The usable keys of a set; it never changes."""

    def __init__(self, raw: bytes) -> None:
        """Read a set.

        Raises:
            NoKeySet: this is none.
        """
        try:
            listed = parse_object(raw.decode()).get("keys")
        except ValueError as error:
            raise NoKeySet("this is no JSON object") from error
        if not isinstance(listed, list) or len(listed) > MAX_KEYS:
            raise NoKeySet(f"this is no list of at most {MAX_KEYS} keys")
        self.raw = raw
        self._keys = tuple([(*named, key) for one in listed for named, key in _usable(one)])

    def __len__(self) -> int:
        return len(self._keys)

    def fitting(self, kid: str | None, algorithm: str) -> PublicKey | None:
        """The key of the id ``kid`` that ``algorithm`` takes; without an id, the only one that it takes."""
        kind, curve = _TAKES[algorithm]
        found = [
            key
            for known, meant, key in self._keys
            if (kid is None or known == kid) and meant in (None, algorithm) and _is(key, kind, curve)
        ]
        return found[0] if found and (kid is not None or len(found) == 1) else None


def _usable(listed: JsonValue) -> Sequence[tuple[tuple[str | None, str | None], PublicKey]]:
    """The key with its id and the algorithm that it is for; nothing for one that is not to be used."""
    if not isinstance(listed, dict) or listed.get("use", "sig") != "sig":
        return ()
    operations = listed.get("key_ops", ["verify"])
    if not isinstance(operations, list) or "verify" not in operations:
        return ()
    kid, algorithm = listed.get("kid"), listed.get("alg")
    if not isinstance(kid, str | None) or not isinstance(algorithm, str | None):
        return ()
    try:
        key = _imported(listed)
    except (JoseError, KeyError, ValueError):
        return ()
    return () if key is None else (((kid, algorithm), key),)


def _imported(listed: JsonObject) -> PublicKey | None:
    kind = listed.get("kty")
    if not isinstance(kind, str) or kind not in _PUBLIC:
        return None
    said = {name: text for name in _PUBLIC[kind] if isinstance(text := listed.get(name), str)}
    if len(said) < len(_PUBLIC[kind]):
        return None
    public: dict[str, str | list[str]] = {"kty": kind, **said}
    match kind:
        case "RSA":
            return RSAKey.import_key(public) if _is_sensible(said["n"], said["e"]) else None
        case "EC":
            return ECKey.import_key(public)
        case _:
            return OKPKey.import_key(public)


def _is_sensible(modulus: str, exponent: str) -> bool:
    """Whether it is neither weak nor so large that checking by it would take a second."""
    return _bits(modulus) in _RSA_BITS and _bits(exponent) <= _EXPONENT_BITS


def _bits(number: str) -> int:
    return int.from_bytes(urlsafe_b64decode(number.encode())).bit_length()


def _is(key: PublicKey, kind: str, curve: str | None) -> bool:
    return key.key_type == kind and (curve is None or (isinstance(key, ECKey | OKPKey) and key.curve_name == curve))
