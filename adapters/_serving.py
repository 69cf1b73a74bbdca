"""How does a process on demand serve, and when does it end?

On the listening Unix socket that it was started with, until SIGTERM or SIGINT, until the process that started it ends,
or until it finds itself that it is over.
"""

import asyncio
import os
import signal
import socket
from collections.abc import Callable, Coroutine
from contextlib import suppress

from aiohttp import web

_PARENT_CHECK_S = 1.0
_STOP_S = 0.1  # aiohttp takes 0 as no limit


async def serve(
    application: web.Application,
    listener: socket.socket,
    parent: int,
    until: Callable[[], Coroutine[None, None, None]] | None = None,
) -> bool:
    """Serve until one of these things happens; what is under way is broken off. ``parent`` is who started us.

    ``until`` is begun once requests are served; the answer says whether it was its end that ended all. A handler whose
    client goes away is cancelled.
    """
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    runner = web.AppRunner(application, handler_cancellation=True, access_log=None, shutdown_timeout=_STOP_S)
    await runner.setup()
    await web.SockSite(runner, listener).start()
    watching = None if until is None else asyncio.create_task(until())
    while not stop.is_set() and not (watching and watching.done()) and os.getppid() == parent:
        with suppress(TimeoutError):
            await asyncio.wait_for(stop.wait(), _PARENT_CHECK_S)
    over = watching is not None and watching.done()
    if watching is not None:
        watching.cancel()
    await runner.cleanup()
    return over
