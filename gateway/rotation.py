"""How does a process take up what changes in the files that are mounted beside it: credentials, certificates?

All of them are looked at every second, in a thread of its own, and what they hold counts, not how they were put there.
A call in progress keeps what it began with. What cannot be used changes nothing and is told once. What is told holds
names of configuration keys, never anything of a file's content.
"""

import asyncio
import logging
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from types import TracebackType
from typing import Final, Self

from gateway.audit.events import Events
from gateway.configuration.tls import MountedTls
from gateway.settings import Settings
from gateway.yamlfile.mounted import Looked, Mounted
from gateway.yamlfile.secrets import MountedSecret
from policies.engine.model import Policy

_log: Final = logging.getLogger("splitgate.rotation")

EVERY_S: Final = 1.0


class Rotation:
    """``async with`` follows what ``mounted`` names: pairs of a name and what is called so.

    ``on_change`` is told the name of what is used anew from then on.
    """

    def __init__(
        self,
        mounted: Callable[[], Sequence[tuple[str, Mounted]]],
        on_change: Callable[[str], None],
        *,
        every_s: float = EVERY_S,
    ) -> None:
        self._mounted = mounted
        self._on_change = on_change
        self._every_s = every_s
        self._task: asyncio.Task[None] | None = None
        self._changed: dict[str, float] = {}

    def changed(self) -> Mapping[str, float]:
        """When each was taken up last, in seconds since the epoch; those that never changed are not in it."""
        return self._changed

    def stale(self) -> Mapping[str, bool]:
        """Whether each cannot be used at present."""
        return {name: one.stale for name, one in self._mounted()}

    async def __aenter__(self) -> Self:
        self._task = asyncio.create_task(self._run())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task

    async def _run(self) -> None:
        while True:
            await asyncio.sleep(self._every_s)
            watched = self._mounted()
            for name, looked in await asyncio.to_thread(_look, watched) if watched else ():
                self._tell(name, looked)

    def _tell(self, name: str, looked: Looked) -> None:
        match looked:
            case Looked.CHANGED:
                self._changed[name] = time.time()
                _log.warning("%s: its file changed; what stands there now is used from here on", name)
                self._on_change(name)
            case Looked.UNUSABLE:
                _log.error("%s: its file cannot be used, and what was last good there stays in use; mend it", name)
            case Looked.AGAIN:
                _log.warning("%s: its file can be used again", name)
            case Looked.SAME:
                pass


def mounted(settings: Settings, policies: Iterable[Policy]) -> Sequence[tuple[str, Mounted]]:
    """What a worker reads from mounted files: what the configuration names there, and the policies in force."""
    found = [(one.name, one) for one in settings.mounted]
    for policy in policies:
        keys = [one.key for one in policy.detectors.external if isinstance(one.key, MountedSecret)]
        found += [(f"{policy.name}:{key.name}", key) for key in keys]
    return found


def noted(events: Events, name: str) -> None:
    """Record that another credential or certificate is in use: its name and the time, nothing that tells which."""
    events.note("config", "secret", {"name": name})


def ends(settings: Settings) -> Mapping[str, float]:
    """When the certificates that are shown end, in seconds since the epoch."""
    shown = [one for one in settings.mounted if isinstance(one, MountedTls)]
    return {one.name: one.ends for one in shown if one.ends is not None}


def _look(watched: Sequence[tuple[str, Mounted]]) -> list[tuple[str, Looked]]:
    """What came of a look at each."""
    return [(name, _looked(one)) for name, one in watched]


def _looked(one: Mounted) -> Looked:
    try:
        return one.refresh()
    except Exception as error:  # noqa: BLE001 - one that fails must not keep the others from being looked at
        _log.error("%s: its file cannot be looked at (%s)", one.name, type(error).__name__)
        return Looked.SAME
