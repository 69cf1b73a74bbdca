import asyncio
import os
import signal
from collections.abc import Awaitable, Callable, Iterator

import pytest

from gateway.activation.hangup import reloading_on_hangup
from gateway.domain.errors import PoliciesRejected

Eventually = Callable[[Callable[[], bool]], Awaitable[None]]


@pytest.fixture(autouse=True)
def old_handler() -> Iterator[None]:
    """Give the process its handler back."""
    before = signal.getsignal(signal.SIGHUP)
    yield
    signal.signal(signal.SIGHUP, before)


async def test_each_signal_reloads_and_a_failure_ends_nothing(eventually: Eventually) -> None:
    calls = 0

    async def reload() -> None:
        nonlocal calls
        calls += 1
        raise PoliciesRejected("no")

    async with reloading_on_hangup(reload):
        for number in (1, 2):
            os.kill(os.getpid(), signal.SIGHUP)
            await eventually(lambda number=number: calls == number)
    os.kill(os.getpid(), signal.SIGHUP)
    await asyncio.sleep(0.05)
    assert calls == 2


async def test_signals_during_a_reload_make_one_more(eventually: Eventually) -> None:
    calls, go = 0, asyncio.Event()

    async def reload() -> None:
        nonlocal calls
        calls += 1
        await go.wait()

    async with reloading_on_hangup(reload):
        os.kill(os.getpid(), signal.SIGHUP)
        await eventually(lambda: calls == 1)
        for _ in range(5):
            os.kill(os.getpid(), signal.SIGHUP)
            await asyncio.sleep(0.01)
        go.set()
        await eventually(lambda: calls == 2)
        await asyncio.sleep(0.05)
    assert calls == 2
