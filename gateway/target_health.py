"""Are the targets well that can be asked?

A target whose configuration names a path for it is asked over and over, by each worker; its breaker is told what came
of it. No credentials are sent: whoever can read what a path for health says needs none, and a key that goes out every
few seconds is one more to lose.
"""

import asyncio
import logging
import random
from collections.abc import Iterable
from typing import Final
from urllib.parse import urlsplit

from gateway.domain.errors import UpstreamError
from gateway.domain.ports import UpstreamClient
from gateway.domain.target import HealthCheck, Target, Timeouts
from gateway.pipeline.condition import Conditions

_log = logging.getLogger("splitgate.targets")

_WELL: Final = range(200, 300)
# Workers, and targets of one server, are not to ask at the same moment.
_LEAST_PART: Final = 0.8


class TargetHealth:
    """Asks the targets that can be asked, until it is closed."""

    def __init__(self, client: UpstreamClient, conditions: Conditions) -> None:
        self._client = client
        self._conditions = conditions
        self._tasks: set[asyncio.Task[None]] = set()

    def start(self, targets: Iterable[Target]) -> None:
        """Begin to ask; nothing waits for an answer."""
        for target in targets:
            if target.health is not None:
                self._tasks.add(asyncio.create_task(self._on_and_on(target, target.health)))

    async def close(self) -> None:
        """Stop asking."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _on_and_on(self, target: Target, check: HealthCheck) -> None:
        condition = self._conditions.of(target)
        while True:
            try:
                condition.probed(check, well=await self._well(target, check))
            except Exception as error:  # noqa: BLE001  whatever it is, the target is asked again
                _log.error("the health of target %s could not be asked: %s", target.id, type(error).__name__)
            await asyncio.sleep(check.interval_s * random.uniform(_LEAST_PART, 1.0))  # noqa: S311  no secret

    async def _well(self, target: Target, check: HealthCheck) -> bool:
        limit = check.timeout_s
        base = urlsplit(target.base_url)
        try:
            async with (
                asyncio.timeout(limit),
                self._client.request(
                    "GET",
                    f"{base.scheme}://{base.netloc}{check.path}",
                    target=target.id,
                    headers={"accept": "*/*", "user-agent": "splitgate"},
                    body=b"",
                    timeouts=Timeouts(connect=limit, first_byte=limit, idle=limit, total=limit),
                    socket=target.socket,
                    addresses=target.addresses,
                    tls=target.tls,
                ) as response,
            ):
                return response.status in _WELL
        except (UpstreamError, TimeoutError):
            return False
