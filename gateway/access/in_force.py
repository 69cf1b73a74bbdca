"""Which keys open in this worker, and how do others take their place?

Those of the configuration always, and beside them those of the key file as it last was good. One reference is swapped;
a request reads it once. A file that cannot be used changes nothing, and one log line says so.
"""

import asyncio
import logging
from collections.abc import Callable
from contextlib import aclosing, suppress
from types import TracebackType
from typing import Final, Self

from gateway.access.key_file import MAX_BYTES, NO_KEYS, KeyFile, KeySet, Signature
from gateway.access.ring import Ring
from gateway.activation.state_folder import StateFolder
from gateway.activation.watch import moments
from gateway.domain.errors import ConfigError, GatewayError, StateUnusable
from gateway.domain.identity import Key
from gateway.domain.value import value
from gateway.yamlfile.problems import InvalidConfiguration

_log: Final = logging.getLogger("splitgate.keys")

# How often the file is looked at where the kernel does not say that it changed.
EVERY_S: Final = 1.0
_COPY: Final = "last-good.jsonl"


@value
class _Found:
    """What one look at the file came to: ``keys`` None where there is nothing new."""

    keys: KeySet | None = None
    error: str | None = None
    warning: str | None = None


def _told_nobody(_: KeySet) -> None:
    """Stand in where nobody keeps evidence of which keys open."""


class KeysInForce:
    """The keys of one worker: ``async with`` reads the file and follows it from there on.

    ``fixed`` are the configuration's own. A copy of the file as it last was good lies in ``folder``, for a worker that
    starts while the file cannot be used.
    """

    def __init__(
        self,
        fixed: tuple[Key, ...],
        file: KeyFile | None,
        folder: StateFolder,
        *,
        every_s: float = EVERY_S,
        on_change: Callable[[KeySet], None] = _told_nobody,
    ) -> None:
        self._fixed = fixed
        self._file = file
        self._folder = folder
        self._every_s = every_s
        self._on_change = on_change
        # The key with a SHA-256, whether it opens at present or not: a bound method, so that nothing stands between.
        self.find = Ring(fixed).find
        self._set: KeySet | None = None if file is not None else NO_KEYS
        self._seen: Signature | None = None
        self._told: str | None = None
        self._one_at_a_time = asyncio.Lock()
        self._watcher: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        if self._file is not None:
            await self._look(first=True)
            self._watcher = asyncio.create_task(self._follow(self._file))
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._watcher is not None:
            self._watcher.cancel()
            with suppress(asyncio.CancelledError):
                await self._watcher

    @property
    def ready(self) -> bool:
        """Whether it is known which keys open."""
        return self._set is not None

    async def reload(self) -> None:
        """Read the file again, whether it seems to have changed or not."""
        self._seen = None
        await self._look()

    async def _follow(self, file: KeyFile) -> None:
        async with aclosing(moments(lambda: (file.path.parent,), every_s=self._every_s)) as looks:
            async for _ in looks:
                if file.signature() != self._seen:
                    await self._look()

    async def _look(self, *, first: bool = False) -> None:
        file = self._file
        if file is None:
            return
        async with self._one_at_a_time:
            # Taken before: what changes from here on is seen as a change.
            self._seen = file.signature()
            self._conclude(await asyncio.to_thread(self._found, file, first=first))

    def _found(self, file: KeyFile, *, first: bool) -> _Found:
        """Runs in a thread."""
        try:
            return self._from_file(file, first=first)
        except Exception as error:  # noqa: BLE001 — whatever it was, the keys in force go on without
            return self._from_copy(file, _words(error))

    def _from_file(self, file: KeyFile, *, first: bool) -> _Found:
        raw = file.read()
        if raw is None:
            if first:
                self._forget()
                return _Found(keys=NO_KEYS, warning=f"there is no {file.path}: no key in it opens until there is")
            if self._set is NO_KEYS:
                return _Found()
            raise ConfigError("is gone; to take all keys back, leave it there and revoke them", file=str(file.path))
        if self._set is not None and raw == self._set.raw and self._set is not NO_KEYS:
            return _Found()
        keys = file.parse(raw)
        try:
            self._folder.write(_COPY, raw)
        except StateUnusable as error:
            self._forget()
            return _Found(keys=keys, warning=f"no copy of the keys is kept for the next start: {error.message}")
        return _Found(keys=keys)

    def _forget(self) -> None:
        """A copy that is older than what is in force could open to keys that were taken back."""
        with suppress(StateUnusable):
            self._folder.remove(_COPY)

    def _from_copy(self, file: KeyFile, error: str) -> _Found:
        """The copy is for a worker that has nothing yet."""
        if self._set is not None:
            return _Found(error=error)
        try:
            raw = self._folder.read(_COPY, MAX_BYTES)
            return _Found(keys=None if raw is None else file.parse(raw), error=error)
        except GatewayError:
            return _Found(error=error)

    def _conclude(self, found: _Found) -> None:
        keys = found.keys
        if keys is not None:
            self.find = Ring((*self._fixed, *keys.keys)).find
            self._set = keys
            self._on_change(keys)
            _log.info("%d keys of the key file are in force", len(keys.keys))
        if found.warning is not None:
            _log.warning("%s", found.warning)
        if found.error is not None and found.error != self._told:
            stand = (
                "none of it opens" if self._set is None else f"the {len(self._set.keys)} from before stay as they were"
            )
            _log.error("the key file cannot be used, %s: %s", stand, found.error)
        elif found.error is None and self._told is not None:
            _log.info("the key file can be used again")
        self._told = found.error


def _words(error: Exception) -> str:
    """The first problem of a broken file and how many there are; of an error that is not ours its class alone."""
    if isinstance(error, InvalidConfiguration):
        more = len(error.problems) - 1
        first = error.problems[0]
        return f"{first.where}: {first.message}" + (f" (and {more} more: splitgate check)" if more else "")
    return str(error) if isinstance(error, ConfigError) else f"the gateway failed on it ({type(error).__name__})"
