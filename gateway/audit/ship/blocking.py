"""How is work on a folder done that may hang?

One thread for one folder: where it hangs nothing else is held up, and whoever waits is told in time.
"""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from gateway.audit.ship.failure import NotTaken

Result = TypeVar("Result")


class Blocking:
    """Does one thing after another; each may take ``timeout_s`` seconds, those before it included."""

    def __init__(self, timeout_s: float) -> None:
        self._timeout_s = timeout_s
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="ship")

    async def do(self, what: Callable[[], Result]) -> Result:
        """Do it, and wait for it.

        Raises:
            NotTaken: it could not be done, or not in time; then it may still be done later.
        """
        try:
            async with asyncio.timeout(self._timeout_s):
                return await asyncio.get_running_loop().run_in_executor(self._thread, what)
        except TimeoutError:
            raise NotTaken("it does not answer in time") from None
        except OSError as error:
            raise NotTaken(error.strerror or type(error).__name__) from None

    def close(self) -> None:
        """Begin nothing more."""
        self._thread.shutdown(wait=False, cancel_futures=True)
