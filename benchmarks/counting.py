"""What do limits cost a request, in memory and over Redis?

A tab is opened, takes and is closed, again and again, in this process; with ``--redis URL`` the counts stand in a real
server. CPU time of this process, the least of the rounds: other programs only add.
Nothing here asserts a time.
"""

import argparse
import asyncio
import sys
import time
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

from gateway.domain.exchange import Choice, Reply, Usage
from gateway.domain.identity import Caller
from gateway.domain.limits import Allowance, LimitRule, Limits, Per, Price
from gateway.domain.model import Model
from gateway.domain.operation import Operation
from gateway.domain.quota import Calendar, Counters, InProgress, Measure, Sliding
from gateway.domain.request import ClientRequest, Message, Options, Role, TextPart
from gateway.domain.target import Target
from gateway.pipeline.limiter import Limiter, RequestTab
from gateway.stores.memory_counters import MemoryCounters
from gateway.stores.redis_client import RedisAddress, RedisClient
from gateway.stores.shared_counters import SharedCounters, Told

_PLENTY: Final = 10**12
_CALLER: Final = Caller(key="k", tenant="t")
_TARGET: Final = Target(
    id="m/1", provider="openai_compatible", base_url="http://x", model="m", format="spotlight", family=""
)
_MODEL: Final = Model(name="m", targets=(_TARGET,))
_ASKED: Final = ClientRequest(
    dialect="split",
    model="m",
    messages=(Message(role=Role.USER, parts=(TextPart(text="x" * 2048, path="p"),), path="p"),),
    options=Options(values={"max_tokens": 200}),
)
_ANSWER: Final = Reply(
    id="r",
    created=0,
    model="m",
    choices=(Choice(index=0, text="x", finish_reason="stop"),),
    usage=Usage(input_tokens=500, output_tokens=100),
)
_REQUESTS: Final = Allowance(measure=Measure.REQUESTS, window=Sliding(seconds=60), amount=_PLENTY)
_PLACES: Final = Allowance(measure=Measure.CONCURRENT, window=InProgress(), amount=_PLENTY)
_TOKENS: Final = Allowance(measure=Measure.TOKENS, window=Sliding(seconds=60), amount=_PLENTY)
_MONEY: Final = Allowance(measure=Measure.MONEY, window=Calendar(unit="day"), amount=_PLENTY)
RULES: Final = {
    "requests": (_REQUESTS,),
    "requests, places": (_REQUESTS, _PLACES),
    "requests, places, tokens, money": (_REQUESTS, _PLACES, _TOKENS, _MONEY),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Effort:
    """How many rounds of how many requests a figure rests on."""

    rounds: int = 20
    requests: int = 2_000


def limits_of(allows: Sequence[Allowance]) -> Limits:
    """One rule for each key, with these allowances."""
    rule = LimitRule(name="r", per=(Per.KEY,), allows=tuple(allows))
    price = Price(input=1_000_000, output=2_000_000, cached_input=500_000, cache_write=1_000_000)
    return Limits(rules=(rule,), prices={_TARGET.id: price})


async def micros(counters: Counters, allows: Sequence[Allowance], effort: Effort, at_once: int = 1) -> float:
    """Microseconds of this process's CPU that one request takes, ``at_once`` of them being in progress."""
    limiter = Limiter(limits_of(allows), counters)
    least = float("inf")
    for _ in range(effort.rounds):
        began = time.process_time_ns()
        await asyncio.gather(*[_some(limiter, each, effort.requests // at_once) for each in range(at_once)])
        await limiter.drained()
        least = min(least, (time.process_time_ns() - began) / (effort.requests // at_once * at_once))
    return least / 1000


async def _some(limiter: Limiter, number: int, requests: int) -> None:
    for each in range(requests):
        tab = RequestTab(limiter, f"{number}-{each}", "split", Operation.CHAT)
        await tab.take(_ASKED, _CALLER, _MODEL)
        tab.asking(_TARGET)
        tab.answered(_ANSWER)
        tab.close()
        if each % 16 == 0:
            # What is settled is settled by tasks: they have their turn as under load.
            await asyncio.sleep(0)


@asynccontextmanager
async def together(url: str) -> AsyncGenerator[SharedCounters]:
    """Counters in the server at ``url``."""
    parts = urlsplit(url)
    address = RedisAddress(host=parts.hostname or "127.0.0.1", port=parts.port or 6379, db=0)
    counters = SharedCounters(
        RedisClient(address), MemoryCounters(time.time), prefix="splitgate-bench", patience_s=1.0,
        on_failure="local", told=Told(changed=lambda _: None),
    )  # fmt: skip
    async with counters.running():
        yield counters


async def figures(url: str | None, effort: Effort, say: Callable[[str], None]) -> None:
    """Measure, and say it line by line."""
    for name, allows in RULES.items():
        say(f"in memory   {name:32} {await micros(MemoryCounters(time.time), allows, effort):7.1f} µs")
    if url is None:
        return
    few = Effort(rounds=max(1, effort.rounds // 4), requests=max(64, effort.requests // 4))
    async with together(url) as counters:
        for at_once in (1, 16, 64):
            took = await micros(counters, RULES["requests, places, tokens, money"], few, at_once)
            say(f"over Redis  {f'all four, {at_once} at once':32} {took:7.1f} µs")


def main() -> int:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--redis", metavar="URL", help="such as redis://127.0.0.1:6379: keys are made there")
    parser.add_argument("--quick", action="store_true", help="shows that it works, measures nothing")
    options = parser.parse_args()
    effort = Effort(rounds=1, requests=64) if options.quick else Effort()
    asyncio.run(figures(options.redis, effort, print))
    return 0


if __name__ == "__main__":
    sys.exit(main())
