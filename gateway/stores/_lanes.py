"""How do many requests share few calls of Redis?

A few calls are under way at once, and each takes along all that waits: at low load a request has a call of its own, at
high load many share the cost of one. The rule: a wish has its answer, or the news that there is none, within the
deadline that it came with, whatever becomes of the call; and a caller that goes away touches no connection.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Final

from gateway.stores._owed import Owed, Parcel
from gateway.stores._redis_failure import GARBLED, NO_ANSWER, Away, reason_of
from gateway.stores._redis_message import Answer, Garbled, Message, Wish, answer_of, answers_of

# More calls at once would make each request's share of one larger: docs/decisions/0041 has the figures.
LANES: Final = 2
# So that one call of the script holds Redis up for well below a millisecond or two.
MOST_WISHES: Final = 64
MOST_TOLD: Final = 128
# A loop that comes so much too late was itself held up: Redis has so long after that, and so long for a call that was
# sent late.
_HELD_UP_S: Final = 0.005
# What a loop that is held up finds when it comes to it: that time is up, before it finds what came in time. So many
# times it looks what has come, and has that read, before Redis is blamed.
_LOOKS: Final = 5


@dataclass(slots=True, kw_only=True, eq=False)
class Asked:
    """A wish under way; ``due`` is in the loop's time."""

    wish: Wish
    due: float
    answer: asyncio.Future[Answer]


@dataclass(slots=True, kw_only=True, eq=False)
class _Flight:
    asked: list[Asked]
    parcel: Parcel
    due: float
    told: asyncio.Future[None] | None = None
    over: bool = False
    spared: bool = False
    task: asyncio.Task[None] | None = None
    timer: asyncio.Handle | None = None


@dataclass(slots=True, kw_only=True)
class Lanes:
    """``ask`` makes a call. ``lost`` hears of each failure, ``unheard`` of an answer that nobody waits for any more.

    Nothing is told while ``open`` is false; what is ``owed`` stays so.
    """

    ask: Callable[[Message], Awaitable[object]]
    message: Callable[[], Message]
    owed: Owed
    patience_s: float
    lost: Callable[[Away], None]
    unheard: Callable[[Answer], None]
    open: bool = False
    _waiting: deque[Asked] = field(init=False, default_factory=deque[Asked])
    _flights: set[_Flight] = field(init=False, default_factory=set[_Flight])
    _ending: set[asyncio.Task[None]] = field(init=False, default_factory=set[asyncio.Task[None]])
    _told: asyncio.Future[None] | None = field(init=False, default=None)
    _kicked: bool = field(init=False, default=False)

    async def wish(self, wish: Wish) -> Answer:
        """What Redis says to it.

        Raises:
            Away: nothing, in time.
        """
        loop = asyncio.get_running_loop()
        asked = Asked(wish=wish, due=loop.time() + self.patience_s, answer=loop.create_future())
        self._waiting.append(asked)
        self._kick()
        try:
            return await asked.answer
        except asyncio.CancelledError:
            # The caller went away after the answer had come, and before it was told.
            if asked.answer.done() and not asked.answer.cancelled() and asked.answer.exception() is None:
                self.unheard(asked.answer.result())
            raise

    async def tell(self) -> None:
        """Wait until all that is owed by now was told, or could not be; whoever goes away ends nothing."""
        if not self.open or not len(self.owed):
            return
        if self._told is None:
            self._told = asyncio.get_running_loop().create_future()
        self._kick()
        await asyncio.shield(self._told)

    def tell_soon(self) -> None:
        """Have it told, without waiting."""
        if self.open and len(self.owed):
            self._kick()

    def shut(self, gone: Away) -> None:
        """Let nobody wait who has not been sent yet: ``gone`` is why."""
        self.open = False
        waiting, self._waiting = self._waiting, deque()
        for asked in waiting:
            _fail(asked, Away(gone.reason, sent=False))
        _settle(self._told)
        self._told = None

    async def close(self) -> None:
        """End all calls; nobody is told that they failed but whoever waits for them."""
        self.lost = _unreported
        self.shut(Away("the gateway stops", sent=False))
        for flight in [*self._flights]:
            self._end(flight, Away("the gateway stops", sent=True))
        await asyncio.gather(*self._ending, return_exceptions=True)

    def _kick(self) -> None:
        if not self._kicked:
            self._kicked = True
            # Whatever comes in this turn of the loop goes along.
            asyncio.get_running_loop().call_soon(self._depart)

    def _depart(self) -> None:
        self._kicked = False
        while len(self._flights) < LANES:
            asked = self._next()
            parcel = self.owed.parcel(MOST_TOLD) if self.open else Parcel()
            if not asked and not len(parcel):
                return
            self._send(asked, parcel)

    def _send(self, asked: list[Asked], parcel: Parcel) -> None:
        loop = asyncio.get_running_loop()
        now = loop.time()
        due = min([now + self.patience_s, *[max(one.due, now + min(self.patience_s, _HELD_UP_S)) for one in asked]])
        flight = _Flight(asked=asked, parcel=parcel, due=due)
        if not len(self.owed):
            flight.told, self._told = self._told, None
        self._flights.add(flight)
        flight.timer = loop.call_at(due, self._overdue, flight, _LOOKS)
        flight.task = loop.create_task(self._fly(flight))

    def _next(self) -> list[Asked]:
        found: list[Asked] = []
        while self._waiting and len(found) < MOST_WISHES:
            asked = self._waiting.popleft()
            if not asked.answer.done():
                found.append(asked)
        return found

    async def _fly(self, flight: _Flight) -> None:
        message = self.message()
        message.change(flight.parcel.changes)
        message.free(flight.parcel.freed)
        for asked in flight.asked:
            message.take(asked.wish)
        try:
            answers = answers_of(await self.ask(message), len(flight.asked))
            self._arrived(flight, [answer_of(one.wish, it) for one, it in zip(flight.asked, answers, strict=True)])
        except Garbled:
            self._end(flight, Away(GARBLED, sent=True))
        except Exception as error:  # noqa: BLE001  what a broken server sends can make a parser raise anything
            self._end(flight, Away(reason_of(error), sent=True))

    def _arrived(self, flight: _Flight, answers: list[Answer]) -> None:
        if flight.over:
            return
        self._leave(flight)
        for asked, answer in zip(flight.asked, answers, strict=True):
            if asked.answer.done():
                self.unheard(answer)
            else:
                asked.answer.set_result(answer)

    def _overdue(self, flight: _Flight, looks: int) -> None:
        loop = asyncio.get_running_loop()
        if not flight.spared and loop.time() - flight.due > _HELD_UP_S:
            flight.spared = True
            flight.timer = loop.call_later(_HELD_UP_S, self._overdue, flight, looks)
        elif looks:
            # Between two turns of the loop it looks what has come; where it has nothing else to do that takes no time.
            flight.timer = loop.call_soon(self._overdue, flight, looks - 1)
        else:
            self._end(flight, Away(NO_ANSWER, sent=True))

    def _end(self, flight: _Flight, gone: Away) -> None:
        if flight.over:
            return
        self.owed.not_taken(flight.parcel, sent=gone.sent)
        self._leave(flight)
        for asked in flight.asked:
            _fail(asked, gone)
        self.lost(gone)

    def _leave(self, flight: _Flight) -> None:
        """Whatever happens to it from now on, nobody waits for it."""
        flight.over = True
        self._flights.discard(flight)
        _settle(flight.told)
        if flight.timer is not None:
            flight.timer.cancel()
        task = flight.task
        if task is not None and task is not asyncio.current_task():
            # redis-py closes the connection of a call that is cancelled.
            self._ending.add(task)
            task.add_done_callback(self._ending.discard)
            task.cancel()
        if self._waiting or (self.open and len(self.owed)):
            self._kick()


def _unreported(gone: Away) -> None:
    del gone


def _fail(asked: Asked, gone: Away) -> None:
    if not asked.answer.done():
        asked.answer.set_exception(gone)


def _settle(told: asyncio.Future[None] | None) -> None:
    if told is not None and not told.done():
        told.set_result(None)
