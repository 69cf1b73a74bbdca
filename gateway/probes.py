"""Which targets have shown that they earn ``native``?

Each target that needs it is asked at start to render a probe; one that cannot be reached is asked again until it does.
A target that the question itself would start is asked when a request first comes for it, which waits for the answer;
where none can be had, with the next request.
What was shown stays shown until the next start.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable
from typing import Final

from gateway.domain.errors import UpstreamError
from gateway.domain.target import Target
from gateway.pipeline.credit import Evidence

_log = logging.getLogger("splitgate.probes")

# Seconds between two attempts to ask a target that could not be reached, and for one attempt: a server that hangs holds
# up neither the next attempt nor the gateway's readiness for as long as a model may take to answer.
RETRY_S: Final = 10.0
PATIENCE_S: Final = 30.0


class Probes:
    """Asks targets, and remembers what they showed. ``ask`` raises ``UpstreamError`` where no answer could be had."""

    def __init__(
        self,
        ask: Callable[[Target], Awaitable[tuple[Evidence, str]]],
        *,
        retry_s: float = RETRY_S,
        patience_s: float = PATIENCE_S,
    ) -> None:
        self._ask = ask
        self._retry_s = retry_s
        self._patience_s = patience_s
        self._shown: dict[str, Evidence] = {}
        self._unasked: set[str] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._when_used: set[str] = set()
        self._asking: dict[str, asyncio.Task[None]] = {}

    def evidence(self, target: Target) -> Evidence:
        """What is known of ``target`` now."""
        return self._shown.get(target.id, Evidence.MISSING)

    @property
    def settled(self) -> bool:
        """Whether every target has had its first chance to answer."""
        return not self._unasked

    async def start(
        self, targets: Iterable[Target], *, wait_s: float, when_used: Callable[[Target], bool] = lambda _: False
    ) -> None:
        """Begin to ask every target that needs it; return when all have answered, or after ``wait_s`` seconds.

        Those that are to be asked ``when_used`` are left to ``shown``.
        """
        needed = [target for target in targets if target.needs_probe]
        self._when_used = {target.id for target in needed if when_used(target)}
        asked = [target for target in needed if target.id not in self._when_used]
        self._unasked = {target.id for target in asked}
        self._tasks = {asyncio.create_task(self._until_known(target)) for target in asked}
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=wait_s)

    async def shown(self, targets: Iterable[Target]) -> None:
        """Ask those of ``targets`` that are asked when they are used, and were not yet; return when all that ended."""
        if not self._when_used:
            return
        asked = [self._ask_once(target) for target in targets if target.id in self._when_used]
        if asked:
            # Whoever waits may go away: others wait for the same answer.
            await asyncio.wait(asked)

    async def close(self) -> None:
        """Stop asking."""
        tasks = (*self._tasks, *self._asking.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _ask_once(self, target: Target) -> asyncio.Task[None]:
        if target.id not in self._asking:
            self._asking[target.id] = asyncio.create_task(self._use(target))
        return self._asking[target.id]

    async def _use(self, target: Target) -> None:
        try:
            if await self._asked(target):
                self._when_used.discard(target.id)
        finally:
            del self._asking[target.id]

    async def _until_known(self, target: Target) -> None:
        while True:
            if await self._asked(target):
                return
            await asyncio.sleep(self._retry_s)

    async def _asked(self, target: Target) -> bool:
        try:
            async with asyncio.timeout(self._patience_s):
                shown, reason = await self._ask(target)
        except UpstreamError as error:
            _log.warning("target %s cannot be probed yet: %s", target.id, error.message)
            return False
        except TimeoutError:
            _log.warning("target %s does not answer its render probe; asking again", target.id)
            return False
        finally:
            self._unasked.discard(target.id)
        self._shown[target.id] = shown
        _log.info("target %s: render probe %s: %s", target.id, shown.value, reason)
        return True
