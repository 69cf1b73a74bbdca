"""What does a request use of limits and budgets, and who sees to it that this is counted once?

A tab is opened for every request, by the door, and closed once, whatever becomes of it. What is taken before anything
is sent is replaced by what was used when the tab is closed; nobody waits for that.
"""

import asyncio
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Final

from gateway.domain.errors import GatewayError, LimitReached
from gateway.domain.exchange import Embeddings, Reply, StreamEvent, Usage, UsageReport
from gateway.domain.identity import Caller
from gateway.domain.limits import Limits, Price
from gateway.domain.model import Model
from gateway.domain.operation import Operation
from gateway.domain.quota import Bucket, Counters, Denied, Measure, Portion, Taken
from gateway.domain.request import ClientRequest
from gateway.domain.target import Target
from gateway.domain.value import value
from gateway.pipeline.limit_reached import reached
from gateway.pipeline.run import Run, at_once
from gateway.pipeline.tab import Hearing
from gateway.pipeline.usage import Tokens, believed, bills_nothing, dearest, estimate, size_of, size_of_reply, tokens_of

# So many combinations of caller, model and route are remembered; then they are put together anew.
_MOST_PLANS: Final = 10_000
# Seconds in which what was used must be counted when the worker ends.
_DRAIN_S: Final = 2.0
_NO_TOKENS: Final = Tokens(input=0, output=0)
_NOTHING: Final[Mapping[Measure, int]] = {Measure.TOKENS: 0, Measure.MONEY: 0}


@value
class _Plan:
    """What the requests of one caller, model and route use.

    ``fixed`` is the same for each of them; of ``counted``, tokens and money, the amounts are theirs. ``prices`` are
    those of the model's targets, where money is counted.
    """

    fixed: tuple[Portion, ...]
    counted: tuple[Bucket, ...]
    prices: tuple[Price, ...]

    def wanted(self, expected: Tokens) -> tuple[Portion, ...]:
        """What a request takes that is expected to come to so much."""
        amounts = {Measure.TOKENS: expected.all, Measure.MONEY: dearest(self.prices, expected) if self.prices else 0}
        return (*self.fixed, *[Portion(bucket=bucket, amount=amounts[bucket.measure]) for bucket in self.counted])


class Limiter:
    """All limits of a worker. ``fullest`` is how full each rule's counts were at most since it was last cleared."""

    def __init__(self, limits: Limits, counters: Counters) -> None:
        self.limits = limits
        self.rules = {rule.name: rule for rule in limits.rules}
        self.fullest: defaultdict[str, float] = defaultdict(float)
        self.counters = counters
        # Whose counts nobody but one tenant uses.
        self.own = frozenset([rule.name for rule in limits.rules if rule.own])
        self._plans: dict[tuple[str, str, str, str], _Plan] = {}
        self._settling: set[asyncio.Task[None]] = set()

    def plan(self, caller: Caller, model: Model, route: str) -> _Plan:
        key = (caller.key, caller.tenant, model.name, route)
        plan = self._plans.get(key)
        if plan is None:
            if len(self._plans) >= _MOST_PLANS:
                self._plans.clear()
            plan = self._plans[key] = _planned(self.limits, caller, model, route)
        return plan

    def settle(self, taken: Taken, used: Mapping[Measure, int]) -> None:
        """Have it counted soon: whoever used it is not kept waiting."""
        waits = self.counters.settle(taken, used)
        if waits is None:
            return
        task = asyncio.get_running_loop().create_task(waits)
        self._settling.add(task)
        task.add_done_callback(self._settling.discard)

    async def drained(self) -> None:
        """Wait until all is counted, but not for long."""
        if self._settling:
            await asyncio.wait(self._settling, timeout=_DRAIN_S)


class RequestTab:
    """What one request uses: ``Tab`` for the pipeline, and what the door closes.

    ``left`` is what is left to its caller after it: of counts that no other tenant uses.
    """

    __slots__ = ("_answer", "_expected", "_limiter", "_operation", "_owing", "_plan", "_request_id", "_route", "_said",
                 "_taken", "_target", "_usage", "left")  # fmt: skip

    def __init__(self, limiter: Limiter, request_id: str, route: str, operation: Operation) -> None:
        self.left: tuple[Portion, ...] = ()
        self._limiter = limiter
        self._request_id = request_id
        self._route = route
        self._operation = operation
        self._plan: _Plan | None = None
        self._taken: Taken | None = None
        self._expected = _NO_TOKENS
        # The target that was asked last; how many attempts there were that may have cost something.
        self._target: Target | None = None
        self._owing = 0
        self._usage: Usage | None = None
        self._answer: Reply | None = None
        # Bytes of what came of a stream.
        self._said = 0

    async def take(self, request: ClientRequest, caller: Caller, model: Model, run: Run = at_once) -> None:
        """Take one request, a place, and what it may come to; raises as ``Tab`` says."""
        plan = self._limiter.plan(caller, model, self._route)
        wanted = plan.fixed
        if self._operation is not Operation.COUNT and plan.counted:
            self._plan = plan
            assumed = self._limiter.limits.assumed_output_tokens
            self._expected = await run(estimate, request, self._operation, assumed)
            wanted = plan.wanted(self._expected)
        if not wanted:
            return
        try:
            taken = await self._limiter.counters.take(self._request_id, wanted)
        except asyncio.CancelledError:
            # It may have been taken all the same: at least the place is free again.
            self._limiter.settle(Taken(holder=self._request_id, at=0.0, portions=wanted), {})
            raise
        if isinstance(taken, Denied):
            raise self._refusal(taken, wanted)
        self._taken = taken
        own, fullest = self._limiter.own, self._limiter.fullest
        mine: list[Portion] = []
        for one in taken.left:
            bucket = one.bucket
            full = 1.0 - one.amount / bucket.limit
            fullest[bucket.rule] = max(fullest[bucket.rule], full)
            if bucket.rule in own:
                mine.append(one)
        self.left = tuple(mine)

    def asking(self, target: Target) -> None:
        """This is asked next."""
        self._target = target
        self._owing += 1

    def failed(self, error: GatewayError) -> None:
        """An attempt that cannot have cost anything is as good as none."""
        self._owing -= bills_nothing(error)

    @property
    def hearing(self) -> Hearing | None:
        """Who listens to a stream, where tokens or money count."""
        return None if self._plan is None else self._hear

    def answered(self, answer: Reply | Embeddings) -> None:
        """This came, whole."""
        self._usage = answer.usage
        self._answer = answer if isinstance(answer, Reply) else None

    def close(self) -> None:
        """Have counted what was used. Only the first call counts, and nothing is waited for."""
        taken = self._taken
        if taken is not None:
            self._taken = None
            self._limiter.settle(taken, {} if self._plan is None else self._used(self._plan))

    def _hear(self, together: Sequence[StreamEvent]) -> None:
        for event in together:
            if isinstance(event, UsageReport):
                self._usage = event.usage
            else:
                self._said += size_of(event)

    def _used(self, plan: _Plan) -> Mapping[Measure, int]:
        """What takes the place of what was taken; requests stand."""
        if not self._owing or self._target is None:
            return _NOTHING
        used = believed(self._usage) or self._guessed()
        tokens = used.all
        money = used.cost(self._limiter.limits.prices[self._target.id]) if plan.prices else 0
        # What attempts before it may have cost is what it was expected to.
        if lost := self._owing - 1:
            tokens += lost * self._expected.all
            money += lost * dearest(plan.prices, self._expected)
        return {Measure.TOKENS: tokens, Measure.MONEY: money}

    def _guessed(self) -> Tokens:
        """What it came to, where nobody counted who can be believed."""
        said = self._said + (0 if self._answer is None else size_of_reply(self._answer))
        return Tokens(input=self._expected.input, output=max(self._expected.output, tokens_of(said)))

    def _refusal(self, denied: Denied, wanted: tuple[Portion, ...]) -> LimitReached:
        bucket = denied.bucket
        self._limiter.fullest[bucket.rule] = 1.0
        amount = next(one.amount for one in wanted if one.bucket == bucket)
        return reached(denied, self._limiter.rules[bucket.rule], amount, self._limiter.limits.currency)


def _planned(limits: Limits, caller: Caller, model: Model, route: str) -> _Plan:
    buckets: dict[Measure, list[Bucket]] = {measure: [] for measure in Measure}
    for rule in limits.rules:
        if rule.stands_for(caller.key, caller.tenant, model.name, route):
            subject = rule.subject(caller.key, caller.tenant, model.name)
            for allows in rule.allows:
                buckets[allows.measure].append(
                    Bucket(
                        rule=rule.name, subject=subject, measure=allows.measure, window=allows.window,
                        limit=allows.amount,
                    )
                )  # fmt: skip
    one_each = (*buckets[Measure.REQUESTS], *buckets[Measure.CONCURRENT])
    money = buckets[Measure.MONEY]
    prices = dict.fromkeys([limits.prices[target.id] for target in model.targets]) if money else ()
    return _Plan(
        fixed=tuple([Portion(bucket=bucket, amount=1) for bucket in one_each]),
        counted=(*buckets[Measure.TOKENS], *money),
        prices=tuple(prices),
    )
