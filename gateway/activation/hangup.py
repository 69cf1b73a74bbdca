"""What does a worker do on SIGHUP? It reloads its policies, once for any number of signals that come meanwhile."""

import asyncio
import signal
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress

from gateway.domain.errors import PoliciesRejected


@asynccontextmanager
async def reloading_on_hangup(reload: Callable[[], Awaitable[object]]) -> AsyncGenerator[None]:
    """Call ``reload`` on each SIGHUP until the context ends; SIGHUP is ignored from then on."""
    asked = asyncio.Event()
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGHUP, asked.set)
    task = asyncio.create_task(_answer(asked, reload))
    try:
        yield
    finally:
        loop.remove_signal_handler(signal.SIGHUP)
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def _answer(asked: asyncio.Event, reload: Callable[[], Awaitable[object]]) -> None:
    while True:
        await asked.wait()
        asked.clear()
        # The reload itself has logged why, and `GET /admin/policies` shows it.
        with suppress(PoliciesRejected):
            await reload()
