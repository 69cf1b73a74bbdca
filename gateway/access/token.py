"""Is this token (a JWT, RFC 7519) what its issuer signed for us, and is it still good?

Pure: bytes, keys and the time in, claims out. Nothing of a token is believed before its signature is checked but by
whom it says it is and which key it names; neither decides how it is checked. No message repeats anything of it.
"""

from collections.abc import Mapping
from typing import Final

from joserfc import jws
from joserfc.errors import ClaimError, ExpiredTokenError, JoseError, MissingClaimError
from joserfc.jws import JWSRegistry
from joserfc.jwt import JWTClaimsRegistry
from joserfc.util import urlsafe_b64decode

from gateway.access.signing_keys import PublicKey
from gateway.configuration.values import OidcSettings
from gateway.domain.errors import CredentialExpired, InvalidToken
from gateway.domain.instant import written
from gateway.domain.jsonvalue import JsonObject, JsonValue
from gateway.domain.strict_json import parse_object
from gateway.domain.value import value

# More than any issuer's token needs; what is longer is not even taken apart.
MAX_BYTES: Final = 16_384
_MAX_HEADER: Final = 2048
_MAX_KID: Final = 512
# What would have the token itself say how or with which key it is to be checked, or that it is read in another way.
_REFUSED: Final = frozenset({"b64", "crit", "enc", "jku", "jwk", "x5c", "x5u", "zip"})
_NO_TYPE: Final = "jwt"


class _Registry(JWSRegistry):
    max_header_length = _MAX_HEADER


@value
class Unverified:
    """A token taken apart. ``algorithm``, ``kid`` and ``issuer`` are what it says of itself."""

    raw: bytes
    algorithm: str
    kid: str | None
    kind: str | None
    issuer: str
    claims: JsonObject


def take_apart(raw: bytes) -> Unverified:
    """Read a token without believing it.

    Raises:
        InvalidToken: it is none, or one that says how it wants to be checked.
    """
    if len(raw) > MAX_BYTES:
        raise InvalidToken(f"the token is over {MAX_BYTES} bytes; have its issuer put less into it")
    first, second, _ = raw.split(b".")
    header = _object(first, _MAX_HEADER)
    refused = sorted(_REFUSED & header.keys())
    if refused:
        raise InvalidToken(f"tokens with `{refused[0]}` in their header are refused; have the issuer leave it out")
    claims = _object(second, MAX_BYTES)
    algorithm, kid, kind, issuer = header.get("alg"), header.get("kid"), header.get("typ"), claims.get("iss")
    if not isinstance(algorithm, str) or not isinstance(kid, str | None) or not isinstance(kind, str | None):
        raise _no_token()
    if not isinstance(issuer, str):
        raise InvalidToken("the token has no claim `iss`; send one of an issuer in `auth.oidc`")
    if kid is not None and len(kid) > _MAX_KID:
        raise _no_token()
    return Unverified(raw=raw, algorithm=algorithm, kid=kid, kind=kind, issuer=issuer, claims=claims)


def expect_sort(token: Unverified, settings: OidcSettings) -> None:
    """Refuse what is not even meant to be checked.

    Raises:
        InvalidToken: another algorithm or another kind of token than the configuration names.
    """
    if token.algorithm not in settings.algorithms:
        raise InvalidToken(f"the token's algorithm is not among {', '.join(settings.algorithms)}; see `auth.oidc`")
    kind = _NO_TYPE if token.kind is None else token.kind.lower().removeprefix("application/")
    if kind not in settings.types:
        raise InvalidToken("this is another kind of token (`typ`) than is taken; send an access token")


def verify(token: Unverified, key: PublicKey, settings: OidcSettings, now: float) -> float:
    """Check signature and claims; the answer is when the token ends for us, in seconds since the epoch.

    Raises:
        CredentialExpired: it has ended.
        InvalidToken: it is not what its issuer signed, or not for us.
    """
    try:
        jws.deserialize_compact(
            token.raw, key, registry=_Registry(algorithms=[token.algorithm], strict_check_header=False)
        )
    except (JoseError, ValueError) as error:
        raise InvalidToken("the token's signature does not fit; sign in anew") from error
    return _expect_claims(token.claims, settings, now)


def _expect_claims(claims: JsonObject, settings: OidcSettings, now: float) -> float:
    wanted = JWTClaimsRegistry(
        now=int(now),
        leeway=settings.leeway_s,
        iss={"essential": True, "value": settings.issuer},
        aud={"essential": True, "values": list(settings.audience)},
        sub={"essential": settings.claims.key is None},
        exp={"essential": True},
    )
    try:
        wanted.validate(dict(claims))
    except ExpiredTokenError as error:
        raise CredentialExpired(f"the token expired on {_when(claims.get('exp'))}; sign in anew") from error
    except MissingClaimError as error:
        raise InvalidToken("the token lacks one of the claims `iss`, `aud`, `exp` and `sub`") from error
    except ClaimError as error:
        raise InvalidToken(_WRONG.get(error.claim, _WRONG_ELSE)) from error
    for name, allowed in settings.require.items():
        if not any(_says(claims, name, one) for one in allowed):
            raise InvalidToken(f"the token's claim `{name}` is not what `auth.oidc` requires")
    exp = claims["exp"]
    return float(exp) + settings.leeway_s if isinstance(exp, int | float) else now


_WRONG_ELSE: Final = "a claim of the token is not what it must be; sign in anew"
_WRONG: Final[Mapping[str, str]] = {
    "aud": "the token is for somebody else: its claim `aud` is not in `audience` of `auth.oidc`",
    "iat": "the token was made in the future; check the clocks of its issuer and of the gateway",
    "nbf": "the token is not good yet; check the clocks of its issuer and of the gateway",
}


def claim_of(claims: JsonObject, name: str) -> JsonValue:
    """The claim of this name; else the one that the name's dots lead to, inside others; None where there is none."""
    if name in claims:
        return claims[name]
    found: JsonValue = claims
    for part in name.split("."):
        if not isinstance(found, dict):
            return None
        found = found.get(part)
    return found


def words_of(claims: JsonObject, name: str) -> tuple[str, ...]:
    """What a claim says: the texts of a list, or one text; of ``scope`` and ``scp`` each word (RFC 8693, 4.2)."""
    claim = claim_of(claims, name)
    if isinstance(claim, str):
        return tuple(claim.split()) if name in _SCOPES else (claim,)
    return tuple([one for one in claim if isinstance(one, str)]) if isinstance(claim, list) else ()


_SCOPES: Final = ("scope", "scp")


def _says(claims: JsonObject, name: str, wanted: str | bool) -> bool:
    return claim_of(claims, name) is wanted if isinstance(wanted, bool) else wanted in words_of(claims, name)


def _when(exp: JsonValue) -> str:
    try:
        return written(exp) if isinstance(exp, int | float) else "an unknown day"
    except (ValueError, OverflowError, OSError):
        return "a day long ago"


def _object(part: bytes, most: int) -> JsonObject:
    if len(part) > most:
        raise _no_token()
    try:
        return parse_object(urlsafe_b64decode(part).decode())
    except ValueError:
        # Not as its cause: what a reader says of a text holds the text.
        raise _no_token() from None


def _no_token() -> InvalidToken:
    return InvalidToken("this looks like a token (JWT) and is none; send the issuer's token as it came")
