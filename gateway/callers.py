"""Who may call this worker, put together by the settings?

Whoever serves requests gets a doorkeeper to ask, and knows nothing of key files, issuers and what is fetched from them.
"""

from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial

from gateway.access.in_force import KeysInForce
from gateway.access.key_file import KeyFile, KeySet
from gateway.activation.state_folder import StateFolder
from gateway.audit.events import Events
from gateway.domain.value import value
from gateway.settings import Settings
from gateway.web.auth import Doorkeeper, Tokens


@value
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
        doorkeeper = Doorkeeper(
            keys if settings.asks else None,
            settings.server.allowed_hosts,
            tokens=_tokens(settings, ours) if settings.oidc else None,
        )
        yield Callers(doorkeeper=doorkeeper, reload=keys.reload, ready=lambda: keys.ready)


def _tokens(settings: Settings, ours: AsyncExitStack) -> Tokens:
    # Loaded only where tokens are taken: what fetches keys and reads tokens is a twentieth of a worker's start.
    from adapters.transport.httpx_client import checked_transport  # noqa: PLC0415
    from gateway.access import tokens  # noqa: PLC0415
    from gateway.access.fetch import Fetching  # noqa: PLC0415
    from gateway.access.issuer_keys import IssuerKeys  # noqa: PLC0415

    issuers: list[tokens.Issuer] = []
    for one in settings.oidc:
        fetching = Fetching(one, partial(checked_transport, one.addresses))
        ours.push_async_callback(fetching.close)
        keys = IssuerKeys(
            one.name, fetching.keys, refresh_s=one.refresh_s, keep_s=one.keep_s, cooldown_s=one.cooldown_s
        )
        ours.push_async_callback(keys.close)
        keys.start()
        issuers.append(tokens.Issuer(settings=one, keys=keys))
    return tokens.Tokens(issuers, settings.models)
