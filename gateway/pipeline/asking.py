"""How do detectors that take another process or a service get to see an answer?

The guard has questions; whoever drives it asks them here, and waits for as long as what is held may wait.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from itertools import groupby
from typing import TypeVar

from gateway.domain.detection import Detections, Stage, Subject
from gateway.domain.ports import Scanner
from gateway.domain.value import value
from gateway.pipeline.guard import Guard, GuardEvent
from gateway.pipeline.run import Run
from policies.engine.applicable import Applicable

_Done = TypeVar("_Done")


@value
class Asking:
    """Asks for one answer; ``ticks`` gives seconds by the guard's clock."""

    policies: Applicable
    scanner: Scanner
    ticks: Callable[[], float]

    async def answered(self, guard: Guard, run: Run) -> list[GuardEvent]:
        """What may go on once all that has to be asked is answered; questions that take too long are dropped."""
        cleared: list[GuardEvent] = []
        while questions := guard.questions:
            deadline = guard.deadline
            try:
                answers = await self.in_time(self._ask(questions, self.policies.acting), deadline)
            except TimeoutError:
                if deadline is None:
                    raise
                cleared += guard.expire(deadline)
            else:
                cleared += await run(partial(guard.answer, answers, self.ticks()))
        return cleared

    async def answered_late(self, guard: Guard, run: Run) -> None:
        """Ask for the rules that only watch: nothing waits for it but what is told of them."""
        while questions := guard.late_questions:
            answers = await self._ask(questions, self.policies.watching)
            await run(partial(guard.answer_late, answers, self.ticks()))

    async def in_time(self, work: Awaitable[_Done], deadline: float | None) -> _Done:
        """Wait for ``work``, but not beyond ``deadline``.

        Raises:
            TimeoutError: it took longer.
        """
        if deadline is None:
            return await work
        async with asyncio.timeout(max(0.0, deadline - self.ticks())):
            return await work

    async def _ask(self, questions: Sequence[Subject], policies: Applicable) -> Sequence[Detections]:
        """One answer for each question, in their order; those of one stage are asked together."""
        numbered = sorted(enumerate(questions), key=lambda pair: pair[1].stage)
        answers: dict[int, Detections] = {}
        for stage, group in groupby(numbered, key=lambda pair: pair[1].stage):
            asked = list(group)
            seen = await self.scanner.ask([subject for _, subject in asked], policies.wanted(Stage(stage)))
            answers |= {number: one for (number, _), one in zip(asked, seen, strict=True)}
        return [answers[number] for number in range(len(questions))]
