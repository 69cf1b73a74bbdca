import asyncio
import logging

import pytest

from gateway.domain.errors import ApprovalsUnavailable
from gateway.stores.sweep import swept


async def test_it_sweeps_again_and_again_until_the_context_ends() -> None:
    done = asyncio.Event()
    times = 0

    async def sweep() -> None:
        nonlocal times
        times += 1
        if times == 3:
            done.set()

    async with swept(sweep, every_s=0.001):
        await asyncio.wait_for(done.wait(), 10)
    before = times
    await asyncio.sleep(0.01)
    assert times == before


async def test_a_sweep_that_fails_is_logged_and_tried_again(caplog: pytest.LogCaptureFixture) -> None:
    done = asyncio.Event()
    times = 0

    async def sweep() -> None:
        nonlocal times
        times += 1
        if times == 1:
            raise ApprovalsUnavailable("the file is locked; free it")
        done.set()

    with caplog.at_level(logging.WARNING):
        async with swept(sweep, every_s=0.001):
            await asyncio.wait_for(done.wait(), 10)
    assert "the file is locked" in caplog.text
