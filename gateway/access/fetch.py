"""How is something fetched from an issuer of tokens?

Plainly: no redirects, no proxies or trust of the environment's, no compression, so many bytes and no more, within a
time. No message holds what came.
"""

import asyncio
import ssl
from collections.abc import Callable
from typing import Final, TypeAlias

import httpx

from gateway.access.signing_keys import NoKeySet, SigningKeys
from gateway.configuration.oidc import wrong_with_address
from gateway.configuration.values import OidcSettings
from gateway.domain.address import OutOfReach
from gateway.domain.strict_json import parse_object

# Gets the context for TLS, None for the system's authorities.
MakeTransport: TypeAlias = Callable[[ssl.SSLContext | None], httpx.AsyncBaseTransport]

MAX_BYTES: Final = 1 << 20
_WELL_KNOWN: Final = "/.well-known/openid-configuration"


class NotFetched(Exception):
    """Nothing usable came; the message says why."""


class Fetching:
    """Fetches one issuer's signing keys.

    ``transport`` makes what connects; it is trusted to connect to what the settings allow alone.
    """

    def __init__(self, settings: OidcSettings, transport: MakeTransport) -> None:
        self._settings = settings
        self._make_transport = transport
        self._context = _context_of(settings)
        self._client = self._made()

    async def keys(self) -> SigningKeys:
        """The keys as they are now.

        Raises:
            NotFetched: they cannot be had.
        """
        await self._renew()
        try:
            async with asyncio.timeout(self._settings.timeout_s):
                raw = await self._get(self._settings.jwks_url or await self._discovered())
        except TimeoutError:
            raise NotFetched("no answer came in time") from None
        try:
            keys = SigningKeys(raw)
        except NoKeySet as error:
            raise NotFetched(f"what came is no set of keys: {error}") from None
        if not len(keys):
            raise NotFetched("none of the keys that came can be used to check signatures")
        return keys

    async def close(self) -> None:
        """Close what is open."""
        await self._client.aclose()

    async def _renew(self) -> None:
        """Believe whom the file of authorities names by now: one fetch at a time is under way."""
        context = _context_of(self._settings)
        if context is not self._context:
            old, self._context = self._client, context
            self._client = self._made()
            await old.aclose()

    def _made(self) -> httpx.AsyncClient:
        return httpx.AsyncClient(
            transport=self._make_transport(self._context),
            trust_env=False,
            follow_redirects=False,
            timeout=self._settings.timeout_s,
            headers={"accept": "application/json", "accept-encoding": "identity"},
        )

    async def _discovered(self) -> str:
        """Where the issuer's own description says that its keys are (OpenID Connect Discovery 1.0)."""
        issuer = self._settings.issuer
        try:
            told = parse_object((await self._get(f"{issuer.rstrip('/')}{_WELL_KNOWN}")).decode())
        except ValueError:
            raise NotFetched("its description is no JSON object") from None
        if told.get("issuer") != issuer:
            raise NotFetched("its description is that of another issuer; write `issuer` exactly as it stands there")
        url = told.get("jwks_uri")
        if not isinstance(url, str) or wrong_with_address(url, query=True) is not None:
            raise NotFetched("its description names no address of its keys that may be used")
        return url

    async def _get(self, url: str) -> bytes:
        try:
            async with self._client.stream("GET", url) as answer:
                if answer.status_code != 200:
                    raise NotFetched(f"the answer has status {answer.status_code}")
                if answer.headers.get("content-encoding", "identity") != "identity":
                    raise NotFetched("the answer is compressed, which was not asked for")
                raw = bytearray()
                async for piece in answer.aiter_raw():
                    raw += piece
                    if len(raw) > MAX_BYTES:
                        raise NotFetched(f"the answer is over {MAX_BYTES} bytes")
                return bytes(raw)
        except OutOfReach:
            raise NotFetched(
                "its address leads to a private network; if that is meant, set `allow_private` or `allow_addresses`"
            ) from None
        except (httpx.HTTPError, httpx.InvalidURL, OSError) as error:
            raise NotFetched(f"the call failed ({type(error).__name__})") from error


def _context_of(settings: OidcSettings) -> ssl.SSLContext | None:
    return None if settings.tls is None else settings.tls.context
