"""Who is calling, and may they come this way?

A key is looked up by its SHA-256, in constant time where it counts (see ``access/ring.py``); what has the three parts
of a token (JWT) is one where tokens are taken, and never a key.
"""

import hashlib
import time
from collections.abc import Callable, Iterable
from typing import Protocol

from gateway.access.sort import looks_like_token
from gateway.domain.errors import CredentialExpired, CredentialRevoked, Forbidden, Unauthenticated
from gateway.domain.identity import ANONYMOUS, Caller, Key, Role
from gateway.domain.instant import written
from gateway.web.edge import Headers, check_origin


class Keys(Protocol):
    """The keys in force."""

    def find(self, digest: bytes) -> Key | None:
        """The key with this SHA-256, whether it opens at present or not."""
        ...


class Tokens(Protocol):
    """What tokens are taken."""

    async def caller(self, token: bytes) -> Caller:
        """Raises ``Unauthenticated`` or ``SignInUnavailable``."""
        ...


class Doorkeeper:
    """Authenticates a request by its headers. Without ``keys`` nobody is asked, and only this machine may call."""

    def __init__(
        self,
        keys: Keys | None,
        allowed_hosts: Iterable[str] = (),
        *,
        tokens: Tokens | None = None,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._keys = keys
        self._tokens = tokens
        self._allowed_hosts = frozenset(allowed_hosts)
        self._now = now

    async def caller(self, headers: Headers) -> Caller:
        """The caller behind these headers.

        Raises:
            Unauthenticated: callers are asked who they are, and these headers do not show it.
            SignInUnavailable: whether they do cannot be told at present.
            ForeignOrigin: nobody is asked, and the call comes from somewhere else.
        """
        if self._keys is None:
            check_origin(headers, self._allowed_hosts)
            return ANONYMOUS
        presented = _presented(headers)
        if self._tokens is not None and looks_like_token(presented):
            return await self._tokens.caller(presented)
        key = self._keys.find(hashlib.sha256(presented).digest())
        if key is None:
            raise Unauthenticated("unknown API key; check the key, or add its entry to `keys` in the configuration")
        now = self._now()
        if key.revoked or not key.not_before <= now < key.expires:
            raise _closed(key, now)
        return key.caller


def expect_role(caller: Caller, *roles: Role) -> Caller:
    """The caller, if it has any of ``roles``.

    Raises:
        Forbidden: it has none of them.
    """
    if caller.roles.isdisjoint(roles):
        words = " or ".join(f"`{role}`" for role in roles)
        raise Forbidden(f"this takes the role {words}; use a key or token that has it in the configuration")
    return caller


def expect_app(caller: Caller, route: str) -> None:
    """Make sure that the caller may call models, by ``route``.

    Raises:
        Forbidden: it may not.
    """
    if Role.APP in caller.roles and (caller.routes is None or route in caller.routes):
        return
    expect_role(caller, Role.APP)
    ways = ", ".join(sorted(caller.routes or ())) or "none"
    raise Forbidden(f"this key or token may not use this route; it may use: {ways}")


def _closed(key: Key, now: float) -> Unauthenticated:
    """Why a key that is known does not open. Whoever has it may know."""
    if key.revoked:
        return CredentialRevoked("this API key was revoked; ask for a new one")
    if now >= key.expires:
        return CredentialExpired(f"this API key expired on {written(key.expires)}; ask for a new one")
    return Unauthenticated(f"this API key opens from {written(key.not_before)} on; use the one before until then")


def _presented(headers: Headers) -> bytes:
    """The key as the client's SDK sends it: a bearer token, or an API-key header; never two of them."""
    presented: set[bytes] = set()
    for name in (b"x-api-key", b"api-key"):
        if name in headers:
            presented.add(headers[name])
    authorization = headers.get(b"authorization")
    if authorization is not None:
        scheme, _, token = authorization.partition(b" ")
        if scheme.lower() != b"bearer":
            raise Unauthenticated("send the API key as `authorization: Bearer KEY`")
        presented.add(token.strip())
    if len(presented) != 1:
        raise Unauthenticated("send one API key, as `authorization: Bearer KEY` or `x-api-key: KEY`")
    return presented.pop()
