"""Places: never more than there are, never one lost, whoever leaves and whenever."""

import asyncio
import random

import pytest

from gateway.domain.errors import GatewayFull
from gateway.web.gate import Gate

LONG_S = 30.0


async def test_as_many_as_there_are_places_enter_at_once() -> None:
    gate = Gate(places=2, queue=0, patience_s=LONG_S)
    await gate.enter()
    await gate.enter()
    with pytest.raises(GatewayFull) as caught:
        await gate.enter()
    assert caught.value.retry_after_s >= 1
    gate.leave()
    await gate.enter()


async def test_those_who_wait_enter_in_their_order_and_nobody_overtakes_them() -> None:
    gate = Gate(places=1, queue=3, patience_s=LONG_S)
    order: list[int] = []

    async def come(number: int) -> None:
        await gate.enter()
        order.append(number)
        gate.leave()

    await gate.enter()
    waiting = [asyncio.create_task(come(number)) for number in range(3)]
    await asyncio.sleep(0)
    gate.leave()
    # The place belongs to the first of them already, though none of them has run.
    late = asyncio.create_task(come(3))
    await asyncio.gather(*waiting, late)
    assert order == [0, 1, 2, 3]


async def test_the_queue_has_an_end() -> None:
    gate = Gate(places=1, queue=1, patience_s=LONG_S)
    await gate.enter()
    waiting = asyncio.create_task(gate.enter())
    await asyncio.sleep(0)
    with pytest.raises(GatewayFull):
        await gate.enter()
    gate.leave()
    await waiting


async def test_who_waits_too_long_is_told_and_leaves_the_queue() -> None:
    gate = Gate(places=1, queue=1, patience_s=0.01)
    await gate.enter()
    for _ in range(3):
        with pytest.raises(GatewayFull):
            await gate.enter()
    gate.leave()
    await gate.enter()


async def test_those_refused_are_not_told_to_come_back_at_once_and_all_together() -> None:
    gate = Gate(places=1, queue=0, patience_s=LONG_S)
    await gate.enter()
    told: list[int] = []
    for _ in range(8):
        with pytest.raises(GatewayFull) as caught:
            await gate.enter()
        told.append(caught.value.retry_after_s)
    assert sorted(told) == [1, 1, 2, 2, 3, 3, 4, 4]


async def test_one_that_goes_away_at_the_moment_it_gets_a_place_gives_it_on() -> None:
    gate = Gate(places=1, queue=2, patience_s=LONG_S)
    await gate.enter()
    first, second = asyncio.create_task(gate.enter()), asyncio.create_task(gate.enter())
    await asyncio.sleep(0)
    gate.leave()
    first.cancel()
    with pytest.raises(asyncio.CancelledError):
        await first
    await asyncio.wait_for(second, 10)


@pytest.mark.rows
@pytest.mark.parametrize("seed", range(40))
async def test_whatever_happens_places_are_neither_lost_nor_made(seed: int) -> None:
    chance = random.Random(seed)  # noqa: S311 - no secret
    places, queue = chance.randint(1, 4), chance.randint(0, 4)
    gate = Gate(places=places, queue=queue, patience_s=0.001)
    inside, most = 0, 0

    async def come() -> None:
        nonlocal inside, most
        await gate.enter()
        inside += 1
        most = max(most, inside)
        try:
            for _ in range(chance.randrange(4)):
                await asyncio.sleep(0)
        finally:
            inside -= 1
            gate.leave()

    tasks: list[asyncio.Task[None]] = []
    for _ in range(30):
        tasks.append(asyncio.create_task(come()))
        if chance.random() < 0.5:
            await asyncio.sleep(0 if chance.random() < 0.9 else 0.001)
        if chance.random() < 0.3:
            chance.choice(tasks).cancel()
    done = await asyncio.gather(*tasks, return_exceptions=True)
    assert {type(one) for one in done} <= {type(None), GatewayFull, asyncio.CancelledError}
    assert most <= places
    assert inside == 0
    # All places are free again: so many can be taken at once, and no more.
    for _ in range(places):
        await asyncio.wait_for(gate.enter(), 1)
    if not queue:
        with pytest.raises(GatewayFull):
            await gate.enter()
