"""Who may call this worker, put together by the settings?

Whoever serves requests gets a doorkeeper to ask, and knows nothing of key files, issuers and what is fetched from them.
"""

import ssl
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

from adapters.transport.httpx_client import checked_transport
from gateway.access.fetch import Fetching
from gateway.access.in_force import KeysInForce
from gateway.access.issuer_keys import IssuerKeys
from gateway.access.key_file import KeyFile, KeySet
from gateway.access.tokens import Issuer, Tokens
from gateway.activation.state_folder import StateFolder
from gateway.audit.events import Events
from gateway.configuration.values import OidcSettings
from gateway.settings import Settings
from gateway.web.auth import Doorkeeper


@dataclass(frozen=True, slots=True, kw_only=True)
class Callers:
    """``reload`` reads the key file again; ``ready`` says whether it is known which keys open."""

    doorkeeper: Doorkeeper
    reload: Callable[[], Awaitable[None]]
    ready: Callable[[], bool]


@asynccontextmanager
async def callers(settings: Settings, events: Events) -> AsyncGenerator[Callers, None]:
    """Keys and tokens as ``settings`` have them, until the context ends."""

    def told(keys: KeySet) -> None:
        events.note("config", "keys", {"digest": f"sha256:{keys.digest}", "count": len(keys.keys)})

    file = None if settings.keys_file is None else KeyFile(settings.keys_file, settings)
    folder = StateFolder(settings.state_dir / "keys")
    async with AsyncExitStack() as ours:
        keys = await ours.enter_async_context(KeysInForce(settings.keys, file, folder, on_change=told))
        issuers = [_issuer(one, ours) for one in settings.oidc]
        doorkeeper = Doorkeeper(
            keys if settings.asks else None,
            settings.server.allowed_hosts,
            tokens=Tokens(issuers, settings.models) if issuers else None,
        )
        yield Callers(doorkeeper=doorkeeper, reload=keys.reload, ready=lambda: keys.ready)


def _issuer(settings: OidcSettings, ours: AsyncExitStack) -> Issuer:
    tls = None if settings.ca_file is None else ssl.create_default_context(cafile=settings.ca_file)
    fetching = Fetching(settings, checked_transport(settings.addresses, tls=tls))
    ours.push_async_callback(fetching.close)
    keys = IssuerKeys(
        settings.name,
        fetching.keys,
        refresh_s=settings.refresh_s,
        keep_s=settings.keep_s,
        cooldown_s=settings.cooldown_s,
    )
    ours.push_async_callback(keys.close)
    keys.start()
    return Issuer(settings=settings, keys=keys)
