"""How do many gateways count together, and what does one do without the others?

With Redis all count in one place. Without it each process goes on by itself with its share, or refuses everything, as
the settings say; what it counted is added to Redis's counts when it is there again. The rule: one failure is
everybody's, so that requests never wait one after the other for somebody who does not answer.
"""

import asyncio
import logging
import secrets
import time
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Final, Literal, Protocol

from gateway.domain.errors import LimitsUnavailable
from gateway.domain.quota import Counters, Denied, Measure, Portion, Taken
from gateway.domain.value import value
from gateway.stores._last_heard import LastHeard
from gateway.stores._reach import Reach
from gateway.stores._redis_failure import Away, mends_itself
from gateway.stores.redis_client import Client
from gateway.stores.redis_counters import LEASE_S, RedisCounters

# How long a start waits to know whether Redis is there.
_START_S: Final = 1.0
_log: Final = logging.getLogger("splitgate.limits")


@value
class Change:
    """Redis is counted on again, or no more: why, and after how many seconds of the other.

    ``dropped`` are sums that were owed to it and found no room, since the start.
    """

    reached: bool
    reason: str
    after_s: float
    dropped: int


@value
class Standing:
    """How it stands with Redis: since when (on a clock that never goes back), after how many changes, what is owed."""

    reached: bool
    since: float
    changes: int
    owed: int
    dropped: int


def _nothing(change: Change) -> None:
    del change


def _not_timed(seconds: float) -> None:
    del seconds


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """Who is told of changes, and of the seconds that Redis took for each request."""

    changed: Callable[[Change], None] = _nothing
    took: Callable[[float], None] = _not_timed


class CountersHere(Counters, Protocol):
    """Counters of this process, which wait for nobody."""

    def settle(self, taken: Taken, used: Mapping[Measure, int]) -> None: ...


class SharedCounters:
    """Counts in Redis, and by ``alone`` while that is away: its counts have this process's share of each limit.

    ``on_failure`` is ``close`` where nothing may pass then. ``clock`` gives seconds since the epoch, ``now`` seconds on
    a clock that never goes back.
    """

    def __init__(
        self,
        client: Client,
        alone: CountersHere,
        *,
        prefix: str,
        patience_s: float,
        on_failure: Literal["local", "close"],
        told: Told = Told(),
        reach: Callable[[float], Reach] = Reach,
        clock: Callable[[], float] = time.time,
        now: Callable[[], float] = time.monotonic,
        lease_s: float = LEASE_S,
    ) -> None:
        self._alone = alone
        self._closes = on_failure == "close"
        self._told = told
        self._clock = clock
        self._now = now
        self._beat_s = lease_s / 3
        self._heard = LastHeard()
        self._reach = reach(now())
        self._asks_for_help = False
        self._settled = asyncio.Event()
        self._lost = asyncio.Event()
        self._redis = RedisCounters(
            client,
            prefix=prefix,
            patience_s=patience_s,
            lost=self._away,
            heard=self._heard.told,
            clock=clock,
            lease_s=lease_s,
        )

    async def take(self, holder: str, wanted: tuple[Portion, ...]) -> Taken | Denied:
        """Take all that is wanted, or nothing.

        Raises:
            LimitsUnavailable: Redis is away, and nothing may pass without it.
        """
        if self._reach.reached:
            began = self._now()
            try:
                answer = await self._redis.take(holder, wanted)
            except Away:
                pass
            else:
                self._told.took(self._now() - began)
                return answer
        if self._closes:
            raise LimitsUnavailable(
                "what this request may use cannot be counted at present, and nothing passes uncounted; try again"
            )
        return await self._take_alone(holder, wanted)

    async def settle(self, taken: Taken, used: Mapping[Measure, int]) -> None:
        """End what was taken. It waits for Redis no longer than a request does, and never raises."""
        if taken.alone is not None:
            self._alone.settle(taken.alone, used)
        await self._redis.settle(taken, used)

    @property
    def standing(self) -> Standing:
        owed = self._redis.owed
        return Standing(
            reached=self._reach.reached,
            since=self._reach.since,
            changes=self._reach.changes,
            owed=len(owed),
            dropped=owed.dropped,
        )

    @asynccontextmanager
    async def running(self) -> AsyncGenerator[None, None]:
        """Look after Redis until the context ends; at first wait a moment to know whether it is there."""
        task = asyncio.create_task(self._look_after())
        try:
            async with asyncio.timeout(_START_S):
                await self._settled.wait()
        except TimeoutError:
            # Whoever does not answer by now is away.
            pass
        try:
            yield
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            await self._redis.close()

    async def _take_alone(self, holder: str, wanted: tuple[Portion, ...]) -> Taken | Denied:
        shrunk = self._heard.without_redis(wanted, self._redis.in_redis_time(self._clock()))
        answer = await self._alone.take(holder, shrunk)
        asked = {own.bucket: one.bucket for own, one in zip(shrunk, wanted, strict=True)}
        if isinstance(answer, Denied):
            return Denied(bucket=asked.get(answer.bucket, answer.bucket), retry_after_s=answer.retry_after_s)
        # Whoever counts alone may have put buckets together.
        asked |= {counted.bucket: one.bucket for one, counted in zip(wanted, answer.portions, strict=True)}
        taken = Taken(
            holder=holder,
            at=self._redis.in_redis_time(answer.at),
            portions=wanted,
            left=tuple([Portion(bucket=asked.get(one.bucket, one.bucket), amount=one.amount) for one in answer.left]),
            alone=answer,
        )
        self._redis.adopt(taken)
        return taken

    def _away(self, gone: Away) -> None:
        """Somebody has found that Redis cannot be counted on."""
        now = self._now()
        after = now - self._reach.since
        first = not self._reach.changes and not self._settled.is_set()
        if self._reach.failed(now) or first:
            self._redis.shut(gone)
            self._asks_for_help = not mends_itself(gone.reason)
            what = (
                "everything is refused" if self._closes else "each process counts alone, with its share of the limits"
            )
            _log.warning("limits: Redis is away, %s: %s", gone.reason, what)
            self._change(reached=False, reason=gone.reason, after_s=after)
        elif not self._asks_for_help and not mends_itself(gone.reason):
            # What began as a connection that broke is none that comes back by itself: said once.
            self._asks_for_help = True
            _log.warning("limits: Redis stays away, %s", gone.reason)
        self._settled.set()
        self._lost.set()

    def _back(self) -> None:
        now = self._now()
        after = now - self._reach.since
        self._reach.back(now)
        self._redis.open()
        dropped = self._redis.owed.dropped
        lost = f"; {dropped} sums owed to it were dropped" if dropped else ""
        _log.info("limits: Redis counts for all, after %.1f s%s", after, lost)
        self._change(reached=True, reason="it answers", after_s=after)
        self._settled.set()

    def _change(self, *, reached: bool, reason: str, after_s: float) -> None:
        dropped = self._redis.owed.dropped
        self._told.changed(Change(reached=reached, reason=reason, after_s=after_s, dropped=dropped))

    async def _look_after(self) -> None:
        while True:
            if self._reach.reached:
                await self._beat()
            else:
                await self._try()

    async def _beat(self) -> None:
        """While it is there: keep places, and see that it still is."""
        self._lost.clear()
        try:
            async with asyncio.timeout(self._beat_s):
                await self._lost.wait()
        except TimeoutError:
            try:
                await self._redis.renew()
            except Away as gone:
                self._away(gone)

    async def _try(self) -> None:
        """While it is away: see whether it answers again, and often enough."""
        try:
            await self._redis.try_out()
            if self._reach.answered():
                await self._redis.restore()
                return self._back()
        except Away as gone:
            self._away(gone)
        return await asyncio.sleep(self._reach.wait_s(secrets.randbelow(1000) / 1000))
