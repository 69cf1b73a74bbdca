from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import pytest

from gateway.access import tokens as remembering
from gateway.access.issuer_keys import IssuerKeys
from gateway.access.signing_keys import PublicKey, SigningKeys
from gateway.access.tokens import Issuer, Tokens
from gateway.configuration.values import OidcSettings
from gateway.domain.errors import CredentialExpired, InvalidToken, SignInUnavailable

NOW = 1_900_000_000
Json = dict[str, Any]


class Signs(Protocol):
    def jwks(self, *kids: str, **more: Any) -> bytes: ...

    def token(self, kid: str = "rsa", alg: str = "RS256", header: Json | None = None, **claims: Any) -> bytes: ...


class Keys(IssuerKeys):
    """Keys that are never fetched; counts how often one was asked for."""

    def __init__(self, raw: bytes) -> None:
        async def nothing() -> SigningKeys:
            raise NotImplementedError

        super().__init__("corp", nothing, refresh_s=1, keep_s=1, cooldown_s=1)
        self.standing: SigningKeys | None = SigningKeys(raw)
        self.asked = 0

    @property
    def current(self) -> SigningKeys | None:
        return self.standing

    async def key(self, kid: str | None, algorithm: str) -> tuple[PublicKey, SigningKeys]:
        self.asked += 1
        if self.standing is None:
            raise SignInUnavailable("down")
        found = self.standing.fitting(kid, algorithm)
        if found is None:
            raise InvalidToken("no such key")
        return found, self.standing


@dataclass(kw_only=True)
class Site:
    tokens: Tokens
    keys: Keys
    now: float = NOW


@pytest.fixture
def site(issuer: Signs, oidc_of: Callable[..., OidcSettings]) -> Site:
    keys = Keys(issuer.jwks("rsa", "p256"))
    made: Site
    tokens = Tokens([Issuer(settings=oidc_of(), keys=keys)], ("m",), now=lambda: made.now)
    made = Site(tokens=tokens, keys=keys)
    return made


def good(issuer: Signs, **claims: Any) -> bytes:
    usual: Json = {"iat": NOW, "exp": NOW + 300}
    return issuer.token(**{**usual, **claims})


async def test_a_token_is_checked_once_and_known_from_then_on(site: Site, issuer: Signs) -> None:
    token = good(issuer)
    first = await site.tokens.caller(token)
    assert (first.method, first.key.partition(":")[0]) == ("oidc", "corp")
    assert [await site.tokens.caller(token) for _ in range(5)] == [first] * 5
    assert site.keys.asked == 1


async def test_until_it_ends(site: Site, issuer: Signs) -> None:
    token = good(issuer)
    await site.tokens.caller(token)
    site.now = NOW + 329
    await site.tokens.caller(token)
    site.now = NOW + 330
    for _ in range(2):
        with pytest.raises(CredentialExpired):
            await site.tokens.caller(token)
    assert site.keys.asked == 3


async def test_until_its_issuer_has_other_keys_or_none_that_count(site: Site, issuer: Signs) -> None:
    token, by_another = good(issuer), good(issuer, sub="eve")
    await site.tokens.caller(token)
    site.keys.standing = SigningKeys(issuer.jwks("old"))
    with pytest.raises(InvalidToken):
        await site.tokens.caller(token)
    site.keys.standing = SigningKeys(issuer.jwks("rsa"))
    await site.tokens.caller(token)
    await site.tokens.caller(by_another)
    site.keys.standing = None
    for one in (token, by_another):
        with pytest.raises(SignInUnavailable):
            await site.tokens.caller(one)


async def test_a_token_that_is_refused_is_not_remembered(site: Site, issuer: Signs) -> None:
    token = good(issuer, aud="other")
    for _ in range(3):
        with pytest.raises(InvalidToken):
            await site.tokens.caller(token)
    assert site.keys.asked == 3


async def test_what_differs_by_a_byte_is_another_token(site: Site, issuer: Signs) -> None:
    token = good(issuer)
    await site.tokens.caller(token)
    header, claims, signature = token.split(b".")
    for other in (b".".join((header, claims, signature[:-1])), b".".join((header, claims, b"")), token + b"="):
        with pytest.raises(InvalidToken):
            await site.tokens.caller(other)


async def test_only_so_many_are_remembered_and_the_last_used_longest(
    site: Site, issuer: Signs, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(remembering, "MOST_REMEMBERED", 2)
    one, two, three = (good(issuer, sub=name) for name in ("one", "two", "three"))
    for token in (one, two, one, three):
        await site.tokens.caller(token)
    before = site.keys.asked
    await site.tokens.caller(one)
    assert site.keys.asked == before
    await site.tokens.caller(two)
    assert site.keys.asked == before + 1


async def test_a_token_of_nobody_known_is_refused_before_anything_is_asked(site: Site, issuer: Signs) -> None:
    for token in (good(issuer, iss="https://evil.example"), good(issuer, iss="https://evil.example", aud="x")):
        with pytest.raises(InvalidToken, match="issuer"):
            await site.tokens.caller(token)
    with pytest.raises(InvalidToken, match="algorithm"):
        await site.tokens.caller(issuer.token("p384", "ES384"))
    assert site.keys.asked == 0
