"""Which policies are in force in this worker, and how do others take their place?

One reference is swapped; a request reads it once. Loading runs in a thread, one load at a time. A load that fails
changes nothing but what ``state`` says.
"""

import asyncio
import logging
import time
from collections.abc import Callable, Sequence
from contextlib import aclosing, suppress
from dataclasses import replace
from types import TracebackType
from typing import Final, Self

from gateway.activation.assemble import Assembled, Engine, assemble
from gateway.activation.break_glass import BreakGlass
from gateway.activation.last_good import LastGood
from gateway.activation.sources import PolicyFile, Signature, Sources
from gateway.activation.watch import EVERY_S, moments
from gateway.domain.activation import PolicyState, Source
from gateway.domain.errors import GatewayError, PoliciesNotLoaded, PoliciesRejected, StateUnusable
from gateway.domain.ports import Scanner
from gateway.domain.value import value
from gateway.pipeline.in_force import InForce

_log: Final = logging.getLogger("splitgate.policies")

# Requests that began under policies that were replaced may need their detectors for as long as requests take.
_RETIRED_FOR_S: Final = 900.0


def _told_nobody(_: PolicyState) -> None:
    """Stand in where nobody keeps evidence of what is in force."""


@value
class _Loaded:
    """What came of one load, in its thread."""

    assembled: Assembled
    source: Source
    # What went wrong beside it: the files, where the copy serves; the copy, where it cannot be kept.
    error: str | None = None
    warning: str | None = None


class Activation:
    """The policies of one worker: ``async with Activation(…)`` loads them, and follows their files if ``watch``."""

    def __init__(
        self,
        sources: Sources,
        engine: Engine,
        *,
        last_good: LastGood,
        break_glass: BreakGlass,
        watch: bool,
        watch_every_s: float = EVERY_S,
        retired_for_s: float = _RETIRED_FOR_S,
        on_change: Callable[[PolicyState], None] = _told_nobody,
        wall: Callable[[], float] = time.time,
        ticks: Callable[[], float] = time.monotonic,
    ) -> None:
        self.break_glass = break_glass
        # Asked by each request: a bound method, so that nothing stands between.
        self.bypass = break_glass.bypass
        self._sources = sources
        self._engine = engine
        self._last_good = last_good
        self._watch = watch
        self._watch_every_s = watch_every_s
        self._retired_for_s = retired_for_s
        self._on_change = on_change
        self._wall = wall
        self._ticks = ticks
        self._in_force: InForce | None = None
        self._state = PolicyState()
        self._one_at_a_time = asyncio.Lock()
        self._tried: Sequence[PolicyFile] | None = None
        self._seen: Signature = ()
        self._watcher: asyncio.Task[None] | None = None
        # Scanners that new requests no longer get, with the time by ``ticks`` at which nobody needs them any more.
        self._retired: list[tuple[float, Scanner]] = []

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    def in_force(self) -> InForce:
        """What a request that begins now is judged by.

        Raises:
            PoliciesNotLoaded: nothing is in force.
        """
        if self._in_force is None:
            raise PoliciesNotLoaded("no policies are in force; see GET /admin/policies or the log, and mend the files")
        return self._in_force

    @property
    def ready(self) -> bool:
        """Whether requests can be judged at all."""
        return self._in_force is not None

    def state(self) -> PolicyState:
        """What is in force, and what last went wrong."""
        return self._state

    async def start(self) -> None:
        """Load for the first time; files that cannot be used leave the worker unready, unless the copy will do."""
        async with self._one_at_a_time:
            await self._load(self._first)
        if self._watch:
            self._watcher = asyncio.create_task(self._follow())

    async def close(self) -> None:
        """Stop following the files, and end what detectors keep running; no request may be under way."""
        if self._watcher is not None:
            self._watcher.cancel()
            with suppress(asyncio.CancelledError):
                await self._watcher
        if self._in_force is not None:
            self._retired.append((self._ticks(), self._in_force.scanner))
            self._in_force = None
        await self._close_retired(until=float("inf"))

    async def reload(self) -> PolicyState:
        """Put the files as they are now in force.

        Raises:
            PoliciesRejected: they cannot be; what was in force still is.
        """
        async with self._one_at_a_time:
            await self._load(self._from_files)
            await self._close_retired(until=self._ticks())
            state = self._state
        if state.last_error is not None:
            raise PoliciesRejected(f"nothing was changed. {state.last_error}")
        return state

    async def _follow(self) -> None:
        async with aclosing(moments(self._sources.folders, every_s=self._watch_every_s)) as looks:
            async for _ in looks:
                async with self._one_at_a_time:
                    if await asyncio.to_thread(self._changed):
                        await self._load(self._from_files)
                    await self._close_retired(until=self._ticks())

    async def _close_retired(self, *, until: float) -> None:
        due = [scanner for at, scanner in self._retired if at <= until]
        self._retired = [(at, scanner) for at, scanner in self._retired if at > until]
        for scanner in due:
            try:
                await self._engine.close(scanner)
            except Exception as error:  # noqa: BLE001 — what is left behind must not keep policies from changing
                _log.error("detectors could not be ended (%s)", type(error).__name__)

    def _changed(self) -> bool:
        """Whether the files hold something else than when they were last tried."""
        if self._sources.signature() == self._seen:
            return False
        try:
            return self._read() != self._tried
        except GatewayError:
            return True

    async def _load(self, load: Callable[[], _Loaded]) -> None:
        """Run ``load`` in a thread and make what comes of it count. The lock is held.

        Whoever asked may go away meanwhile; a thread cannot be ended, so that its work is seen through all the same.
        """
        work = asyncio.create_task(asyncio.to_thread(load))
        try:
            await asyncio.wait({work})
        except asyncio.CancelledError:
            await asyncio.wait({work})
            raise
        finally:
            if work.done():
                self._conclude(work)

    def _conclude(self, work: "asyncio.Task[_Loaded]") -> None:
        error = work.exception()
        if error is None:
            self._activated(work.result())
        elif isinstance(error, Exception):
            self._failed(_told(error))
        else:
            raise error

    def _read(self) -> tuple[PolicyFile, ...]:
        # Taken before: what changes from here on is seen as a change.
        self._seen = self._sources.signature()
        return self._sources.read()

    def _from_files(self) -> _Loaded:
        self._tried = None
        files = self._tried = self._read()
        assembled = assemble(files, self._engine)
        warning = None
        try:
            self._last_good.keep(assembled.revision, files)
        except StateUnusable as error:
            warning = f"no copy of the policies is kept for the next start: {error.message}"
        return _Loaded(assembled=assembled, source="files", warning=warning)

    def _first(self) -> _Loaded:
        """The files, or the copy of what was last in force."""
        try:
            return self._from_files()
        except Exception as error:  # noqa: BLE001 — whatever it was, the copy did without
            return self._from_copy(_told(error))

    def _from_copy(self, error: str) -> _Loaded:
        try:
            kept = self._last_good.find()
            assembled = None if kept is None else assemble(kept.files, self._engine)
        except GatewayError as wrong:
            raise PoliciesRejected(f"{error}\nand the copy last in force: {wrong.message}") from None
        if kept is None or assembled is None:
            raise PoliciesRejected(error)
        if assembled.revision != kept.revision:
            raise PoliciesRejected(f"{error}\nand the copy last in force has another revision than was recorded")
        return _Loaded(assembled=assembled, source="last_known_good", error=error)

    def _activated(self, loaded: _Loaded) -> None:
        assembled, now = loaded.assembled, self._wall()
        if self._in_force is not None:
            self._retired.append((self._ticks() + self._retired_for_s, self._in_force.scanner))
        self._in_force = assembled.in_force
        own = () if loaded.warning is None else (loaded.warning,)
        self._state = PolicyState(
            revision=assembled.revision,
            policies=assembled.policies,
            activated_at=now,
            source=loaded.source,
            last_error=loaded.error,
            last_error_at=None if loaded.error is None else now,
            warnings=(*own, *assembled.warnings),
            activations=self._state.activations + 1,
            failures=self._state.failures + (loaded.error is not None),
        )
        self._on_change(self._state)
        _log.info("policies in force: %s, from %s", assembled.revision, loaded.source)
        for said in (loaded.error, loaded.warning):
            if said is not None:
                _log.error("%s", said)

    def _failed(self, message: str) -> None:
        self._state = replace(
            self._state, last_error=message, last_error_at=self._wall(), failures=self._state.failures + 1
        )
        _log.error("policies cannot be put in force: %s", message)


def _told(error: Exception) -> str:
    """What may be said of it: the message of an error of ours; of any other one its class, since values may leak."""
    if isinstance(error, GatewayError):
        return error.message
    return f"the gateway failed on the policies ({type(error).__name__}); report it"
