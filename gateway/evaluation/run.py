"""Who is asked what, in which order, and when is enough enough?

Every case is asked in every format, some at once, and each answer is kept as it comes. The rule: the run ends with an
answer for each, or it stops. What was never answered is not counted as anything.
"""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Collection, Sequence
from typing import Final, TypeAlias

from gateway.domain.value import value
from gateway.evaluation.asking import Unreached
from gateway.evaluation.case import Case
from gateway.evaluation.result import Result
from gateway.evaluation.stopped import MeasurementStopped
from gateway.evaluation.store import Store

Ask: TypeAlias = Callable[[Case, str], Awaitable[Result]]

_LONGEST_WAIT_S: Final = 60.0


@value
class Patience:
    """How often a call that was not answered is made again, and after how many seconds first: then twice as many.

    A format of which the upstream does not take so many ``failures`` requests in a row is asked no more.
    """

    retries: int = 5
    first_s: float = 1.0
    failures: int = 10


def pending(cases: Sequence[Case], formats: Sequence[str], store: Store | None) -> list[tuple[Case, str]]:
    """What is still to be asked: case by case, so that a run cut short has asked each format the same."""
    return [(case, name) for case in cases for name in formats if store is None or not store.holds(case.id, name)]


async def ask_all(
    asked: Sequence[tuple[Case, str]],
    ask: Ask,
    store: Store,
    *,
    concurrency: int,
    on_result: Callable[[Result], None],
    patience: Patience | None = None,
) -> None:
    """Ask them all, ``concurrency`` at once; ``on_result`` is told each answer once it is kept.

    Raises:
        MeasurementStopped: the model cannot be reached, or takes no request in any format, or no answer can be kept.
    """
    limits = patience or Patience()
    given_up = _GivenUp({name for _, name in asked}, limits.failures)
    left = iter(asked)

    async def work() -> None:
        for case, name in left:
            if name in given_up:
                continue
            answer = await _patiently(ask, case, name, limits)
            store.add(answer)
            on_result(answer)
            given_up.count(answer)

    try:
        async with asyncio.TaskGroup() as group:
            for _ in range(min(concurrency, len(asked))):
                group.create_task(work())
    except BaseExceptionGroup as stopped:
        # One that stops cancels the others; several may have stopped at once.
        raise stopped.exceptions[0] from None


async def _patiently(ask: Ask, case: Case, name: str, patience: Patience) -> Result:
    for attempt in range(patience.retries):
        try:
            return await ask(case, name)
        except Unreached as unreached:
            wait = patience.first_s * 2**attempt if unreached.after_s is None else unreached.after_s
            await asyncio.sleep(min(wait, _LONGEST_WAIT_S))
    try:
        return await ask(case, name)
    except Unreached as unreached:
        raise MeasurementStopped(
            f"after {patience.retries + 1} tries the model did not answer: {unreached}. What was answered is kept: run "
            "the same command once it answers again"
        ) from unreached


class _GivenUp:
    """Which formats the upstream takes no request of, by so many in a row."""

    def __init__(self, formats: Collection[str], most: int) -> None:
        self._formats = set(formats)
        self._most = most
        self._in_a_row = Counter[str]()

    def __contains__(self, name: str) -> bool:
        return self._in_a_row[name] >= self._most

    def count(self, answer: Result) -> None:
        """Raises ``MeasurementStopped`` when no format is left."""
        self._in_a_row[answer.format] = 0 if answer.failed is None else self._in_a_row[answer.format] + 1
        if all(name in self for name in self._formats):
            raise MeasurementStopped(
                f"the last {self._most} requests of each format were not taken ({answer.failed}): look at the model's "
                "name and at what --dry-run shows, then run the same command again"
            )
