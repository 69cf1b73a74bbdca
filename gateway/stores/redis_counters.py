"""How are counts kept in Redis, for all processes and machines that share it?

What a request takes is one round trip, what it has used another; both are shared with whatever else is under way.
Places in progress are leases: this process renews those of its own requests, and those of a process that was killed
come free by themselves. What Redis could not be told is owed, as sums, and told when it is there again.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import replace
from typing import Final

from gateway.domain.quota import Bucket, Denied, InProgress, Measure, Portion, Sliding, Taken
from gateway.stores._lanes import LANES, Lanes
from gateway.stores._owed import Owed
from gateway.stores._redis_failure import GARBLED, NO_ANSWER, Away, reason_of
from gateway.stores._redis_message import MOST, Answer, Change, Garbled, Message, Place, Wish, answers_of, merged
from gateway.stores._windows import period_of
from gateway.stores.redis_client import Client

LEASE_S: Final = 30.0
# What nobody waits for may take longer than what a request waits for.
BESIDE_S: Final = 1.0
_MOST_PLACES: Final = 200


class RedisCounters:
    """Counts below ``prefix``; a request waits ``patience_s`` at most.

    ``lost`` hears of each failure, ``heard`` of what is left in buckets whenever Redis says so; ``clock`` gives seconds
    since the epoch. Unlike other counters these raise ``Away``: ``SharedCounters`` decides what then.
    """

    def __init__(
        self,
        client: Client,
        *,
        prefix: str,
        patience_s: float,
        lost: Callable[[Away], None],
        heard: Callable[[tuple[Portion, ...], float], None],
        clock: Callable[[], float],
        lease_s: float = LEASE_S,
    ) -> None:
        self._client = client
        self._prefix = prefix
        self._patience_s = patience_s
        # Whether there are connections that were tried.
        self._warm = False
        self._lease_s = lease_s
        self._heard = heard
        self._clock = clock
        # How much later it is by Redis's clock, which counts.
        self._ahead_s = 0.0
        self._places: dict[str, tuple[Place, ...]] = {}
        self._trial = Bucket(rule="-", subject="trial", measure=Measure.REQUESTS, window=Sliding(seconds=60), limit=0)
        self.owed = Owed()
        self._lanes = Lanes(
            ask=self._ask,
            message=self._message,
            owed=self.owed,
            patience_s=patience_s,
            lost=lost,
            unheard=self._unheard,
        )

    async def take(self, holder: str, wanted: tuple[Portion, ...]) -> Taken | Denied:
        """Take all that is wanted, or nothing.

        Raises:
            Away: nobody knows.
        """
        answer = await self._lanes.wish(Wish(holder=holder, wanted=merged(wanted)))
        self._ahead_s = answer.at - self._clock()
        self._heard(answer.left, answer.at)
        if isinstance(answer.said, Taken):
            self._hold(answer.said)
        return answer.said

    async def settle(self, taken: Taken, used: Mapping[Measure, int]) -> None:
        """Tell what was used. Where a place comes free it is waited for, so that a next request finds it free."""
        now = [
            Portion(bucket=one.bucket, amount=used[one.bucket.measure])
            for one in taken.portions
            if one.bucket.measure in used
        ]
        self.owed.change(_changes(taken, now, self.in_redis_time(self._clock())))
        places = self._places.pop(taken.holder, ())
        if places:
            self.owed.free(places)
            await self._lanes.tell()
        else:
            self._lanes.tell_soon()

    def adopt(self, taken: Taken) -> None:
        """``taken`` was counted by this process alone, at that moment of Redis's clock: Redis is owed it."""
        self.owed.change(_changes(replace(taken, portions=()), taken.portions, taken.at))
        self._hold(taken)

    def in_redis_time(self, at: float) -> float:
        """What Redis's clock says when this machine's says ``at``."""
        return at + self._ahead_s

    def open(self) -> None:
        """Redis is there: tell it what is owed as it comes."""
        self._lanes.open = True
        self._lanes.tell_soon()

    def shut(self, gone: Away) -> None:
        """Redis is away: let nobody wait for it, and tell it nothing."""
        self._warm = False
        self._lanes.shut(gone)

    async def try_out(self) -> None:
        """See whether it answers, runs scripts and takes writes, as fast as requests need it.

        Raises:
            Away: it does not.
        """
        loop = asyncio.get_running_loop()
        if not self._warm:
            # Connections are made beforehand, so that requests are spared that: with TLS it takes long.
            # All of them are waited for: who is cancelled as one fails would hear of the failure alone, and go on.
            for failure in await asyncio.gather(*[self._try() for _ in range(LANES)], return_exceptions=True):
                if failure is not None:
                    raise failure
            self._warm = True
        began = loop.time()
        try:
            # One that answers late keeps its connection, so that the next time it is known to be slow, too.
            await self._try()
        except Away:
            self._warm = False
            raise
        if loop.time() - began > self._patience_s:
            raise Away(NO_ANSWER, sent=True)

    async def restore(self) -> None:
        """Tell it all that is owed, and which places are taken, whether it knows of them or not.

        Raises:
            Away: it does not take that.
        """
        while len(self.owed):
            await self._deliver()
        await self._keep(only_known=False)

    async def renew(self) -> None:
        """Have the places of this process's requests stay taken, and see that Redis is there.

        Raises:
            Away: it is not.
        """
        await self.try_out()
        await self._keep(only_known=True)

    async def close(self) -> None:
        """Tell what is owed, if Redis is there, and end all connections."""
        if self._lanes.open:
            with suppress(TimeoutError):
                await asyncio.wait_for(self._lanes.tell(), BESIDE_S)
        await self._lanes.close()
        await self._client.close()

    async def _deliver(self) -> None:
        parcel = self.owed.parcel(_MOST_PLACES)
        message = self._message()
        message.change(parcel.changes)
        message.free(parcel.freed)
        try:
            await self._beside(message)
        except Away as gone:
            self.owed.not_taken(parcel, sent=gone.sent)
            raise

    async def _keep(self, *, only_known: bool) -> None:
        holders = [*self._places]
        for first in range(0, len(holders), _MOST_PLACES):
            message = self._message()
            for holder in holders[first : first + _MOST_PLACES]:
                # A request that has ended meanwhile has no place to keep.
                message.keep(self._places.get(holder, ()), only_known=only_known)
            await self._beside(message)

    async def _try(self) -> None:
        message = self._message()
        # A period that is still to come counts as the present one, whichever that is by Redis's clock.
        message.change([Change(bucket=self._trial, period=MOST, amount=1)])
        await self._beside(message)

    async def _beside(self, message: Message) -> None:
        """Make a call that no request waits for."""
        try:
            async with asyncio.timeout(BESIDE_S):
                answers_of(await self._ask(message), 0)
        except Garbled:
            raise Away(GARBLED, sent=True) from None
        except Exception as error:  # noqa: BLE001  what a broken server sends can make a parser raise anything
            raise Away(reason_of(error), sent=True) from None

    def _message(self) -> Message:
        return Message(self._prefix, lease_s=self._lease_s)

    def _ask(self, message: Message) -> Awaitable[object]:
        return self._client.run(message.keys, message.argument)

    def _hold(self, taken: Taken) -> None:
        places = tuple(
            [
                Place(bucket=one.bucket, holder=taken.holder, amount=one.amount)
                for one in taken.portions
                if isinstance(one.bucket.window, InProgress)
            ]
        )
        if places:
            self._places[taken.holder] = places

    def _unheard(self, answer: Answer) -> None:
        """Give back what was taken for a request that is no more."""
        if isinstance(answer.said, Taken):
            nothing = [Portion(bucket=one.bucket, amount=0) for one in answer.said.portions]
            self.owed.change(_changes(answer.said, nothing, answer.at))
            self._hold(answer.said)
            self.owed.free(self._places.pop(answer.said.holder, ()))
            self._lanes.tell_soon()


def _changes(taken: Taken, used: Iterable[Portion], now: float) -> Iterator[Change]:
    """What has to change for ``used`` to stand in the place of what was taken: more now, less where it was taken."""
    before = {one.bucket: one.amount for one in taken.portions}
    for one in used:
        more = one.amount - before.get(one.bucket, 0)
        if more and not isinstance(one.bucket.window, InProgress):
            period = period_of(one.bucket.window, now if more > 0 else taken.at)
            yield Change(bucket=one.bucket, period=period, amount=more)
