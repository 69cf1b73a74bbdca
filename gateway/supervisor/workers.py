"""Which processes serve, and how does one take another's place?

There are as many places as workers. A new worker for a place is started beside the one that has it, and gets it once it
is ready: only then is the old one told to take no more connections, and ends when those that it has are over. A new one
that does not get so far changes nothing. One place at a time has a new worker on its way; old ones may still be at work
in several, at most one in each.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

from gateway.supervisor.children import WorkerChild
from gateway.supervisor.figures import Figures
from gateway.telemetry.families import SECOND


class Maker(Protocol):
    """Makes workers of one configuration."""

    def worker(self, number: int, word: str, *, successor: bool) -> WorkerChild: ...


class OnEnd(Protocol):
    """Is told how a round of replacing ended: whether every place has its new worker, and the old ones are gone."""

    def __call__(self, *, well: bool) -> None: ...


class Place:
    """One worker's place. ``maker`` made the one that has it, ``next_maker`` the one that is coming."""

    def __init__(self, number: int, maker: Maker) -> None:
        self.number = number
        self.maker = self.next_maker = maker
        self.serving = maker.worker(number, str(number), successor=False)
        self.coming: WorkerChild | None = None
        self.leaving: WorkerChild | None = None
        self.give_up_at: float | None = None
        """When one that is coming, or leaving, has had its time; None while neither is."""

    def other_word(self) -> str:
        """What the figures of the next one are called by, while those of the present one are still written."""
        plain = str(self.number)
        return f"{plain}{SECOND}" if self.serving.key == plain else plain

    def processes(self) -> list[WorkerChild]:
        """All that belong to this place."""
        return [one for one in (self.serving, self.coming, self.leaving) if one is not None]


class Workers:
    """All places. ``on_death`` is told how a worker ended that nobody had asked to."""

    def __init__(
        self,
        number: int,
        maker: Maker,
        *,
        figures: Figures | None,
        say: Callable[[str], None],
        on_death: Callable[[str], None],
    ) -> None:
        self._places = [Place(each, maker) for each in range(1, number + 1)]
        self._figures = figures
        self._say = say
        self._on_death = on_death
        self._queue: list[Place] = []
        self._maker = maker
        self._ready_s = 0.0
        self._grace_s = 0.0
        self._on_end: OnEnd | None = None

    @property
    def running(self) -> bool:
        """Whether any process is left."""
        return any(one.running for one in self.processes())

    @property
    def replacing(self) -> bool:
        """Whether places still wait for new workers, or old ones are at work in them."""
        return self._on_end is not None

    def processes(self) -> list[WorkerChild]:
        """Every worker, in whatever place and part."""
        return [one for place in self._places for one in place.processes()]

    def serving(self) -> Mapping[str, bool]:
        """Whether each place is served, by its number."""
        return {str(place.number): place.serving.ready for place in self._places}

    def reports(self) -> Sequence[str] | None:
        """What the workers said when they served; None before all do."""
        told = [place.serving.report for place in self._places if place.serving.report is not None]
        return told if len(told) == len(self._places) else None

    def times(self) -> list[float | None]:
        """When something is to be done; 0 for at once."""
        at_once = [0.0] if self._on_end is not None and self._may_go_on() else []
        return [
            *at_once,
            *[each for place in self._places for each in (place.serving.lifecycle.resume_at, place.give_up_at)],
        ]

    def reload(self) -> None:
        """Have all reload that serve, will, or still have something to finish."""
        for one in self.processes():
            one.reload()

    def replace(self, maker: Maker, *, ready_s: float, grace_s: float, on_end: OnEnd, again: bool = False) -> None:
        """Give every place to a worker that ``maker`` makes; with ``again`` also those that have one.

        It ends badly if a new one does not get ready.
        """
        self._maker, self._ready_s, self._grace_s, self._on_end = maker, ready_s, grace_s, on_end
        self._queue = [place for place in self._places if again or place.maker is not maker]

    def keep(self, now: float) -> list[str]:
        """Start those that are due; the answer says what failed."""
        said = [place.serving.keep(now) for place in self._places]
        return [one for one in said if one is not None]

    def advance(self, now: float, *, stopping: bool) -> None:
        """Notice deaths, and bring the replacing a step further, unless all of them are to end."""
        for place in self._places:
            self._notice(place, now, stopping=stopping)
        if not stopping and self._on_end is not None:
            self._next(now)

    def announce_stop(self) -> None:
        """Have those that serve say that they are not ready."""
        for place in self._places:
            place.serving.announce_stop()

    def stop(self) -> None:
        """Ask all to end, for good; whoever was on the way to a place is of no use any more."""
        self._queue, self._on_end = [], None
        for place in self._places:
            if place.coming is not None:
                place.coming.destroy()
                self._gone(place.coming)
                place.coming = None
            for one in place.processes():
                one.stop()

    def destroy(self) -> None:
        """Kill all now."""
        for one in self.processes():
            one.destroy()

    def _notice(self, place: Place, now: float, *, stopping: bool) -> None:
        late = place.give_up_at is not None and now >= place.give_up_at
        if place.leaving is not None:
            self._notice_leaving(place, place.leaving, now, late=late)
        if place.coming is not None:
            self._notice_coming(place, place.coming, now, late=late)
        said = place.serving.reap(now)
        if said is not None:
            self._gone(place.serving)
            if not stopping:
                if self._figures is not None:
                    self._figures.died(str(place.number))
                self._on_death(said)

    def _notice_leaving(self, place: Place, leaving: WorkerChild, now: float, *, late: bool) -> None:
        if late:
            leaving.destroy()
        leaving.reap(now)
        if not leaving.running:
            place.leaving = place.give_up_at = None
            self._gone(leaving)
            self._say(f"{leaving.name} gave way to a new one")

    def _notice_coming(self, place: Place, coming: WorkerChild, now: float, *, late: bool) -> None:
        if coming.ready:
            self._hand_over(place, coming, now)
            return
        cause = coming.reap(now)
        if cause is None and late:
            coming.destroy()
            cause = f"was not ready within {self._ready_s:g} s;"
        if cause is not None:
            self._drop(place, coming, cause)

    def _hand_over(self, place: Place, coming: WorkerChild, now: float) -> None:
        old, place.serving, place.coming, place.maker = place.serving, coming, None, place.next_maker
        coming.settled()
        place.leaving, place.give_up_at = old, now + self._grace_s
        old.give_way()

    def _fail(self, why: str) -> None:
        self._say(f"{why}: the one that it was to replace serves on, and no other one is replaced")
        on_end, self._on_end, self._queue = self._on_end, None, []
        if on_end is not None:
            on_end(well=False)

    def _may_go_on(self) -> bool:
        """Whether nothing has to be waited for before the next place's turn, or the end."""
        waited_for = self._queue[:1] or self._places
        none_comes = all(place.coming is None for place in self._places)
        return none_comes and all(place.leaving is None for place in waited_for)

    def _next(self, now: float) -> None:
        if not self._may_go_on():
            return
        if self._queue:
            self._begin(self._queue.pop(0), now)
            return
        on_end, self._on_end = self._on_end, None
        if on_end is not None:
            on_end(well=True)

    def _begin(self, place: Place, now: float) -> None:
        place.next_maker = self._maker
        place.coming = self._maker.worker(place.number, place.other_word(), successor=True)
        place.give_up_at = now + self._ready_s
        failure = place.coming.keep(now)
        if failure is not None:
            self._drop(place, place.coming, failure)

    def _drop(self, place: Place, coming: WorkerChild, cause: str) -> None:
        place.coming = place.give_up_at = None
        self._gone(coming)
        self._fail(f"the new {coming.name} {cause.removeprefix(coming.name).partition(';')[0].strip()}")

    def _gone(self, worker: WorkerChild) -> None:
        if self._figures is not None:
            self._figures.gone(worker.key)


def soonest(times: Sequence[float | None]) -> float | None:
    """Seconds from now to the first of ``times``, at least 0; None where there is none."""
    first = min((at for at in times if at is not None), default=None)
    return None if first is None else max(0.0, first - time.monotonic())
