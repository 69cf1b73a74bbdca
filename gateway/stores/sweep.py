"""When is what has expired thrown away, though nobody asks for anything?"""

import asyncio
import logging
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from typing import Final

from gateway.domain.errors import GatewayError

EVERY_S: Final = 60.0

_LOG: Final = logging.getLogger("splitgate.stores")


@asynccontextmanager
async def swept(sweep: Callable[[], Awaitable[None]], every_s: float = EVERY_S) -> AsyncGenerator[None]:
    """Call ``sweep`` every ``every_s`` seconds until the context ends. One that fails is logged and tried again."""
    task = asyncio.create_task(_keep_sweeping(sweep, every_s))
    try:
        yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def _keep_sweeping(sweep: Callable[[], Awaitable[None]], every_s: float) -> None:
    while True:
        await asyncio.sleep(every_s)
        try:
            await sweep()
        except GatewayError as error:
            _LOG.warning("what has expired could not be removed: %s", error.message)
