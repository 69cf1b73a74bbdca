"""When do a worker's figures reach the files that all workers share?

Four times a second, and before this worker answers a scrape itself: another worker's scrape lags by that much.
"""

import asyncio
import logging
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from gateway.telemetry.shared import Shared, exposed
from gateway.telemetry.totals import Totals

_log: Final = logging.getLogger("splitgate.metrics")

_EVERY_S: Final = 0.25
# Figures that are read, not counted, may cost a look at a file.
_READ_EVERY: Final = 4


class Publishing:
    """``async with Publishing(…)`` writes what ``totals`` holds, and once more at its end."""

    def __init__(self, folder: Path, worker: str, totals: Totals) -> None:
        self._folder = folder
        self._shared = Shared(folder, worker, totals)
        self._readings: list[Callable[[], None]] = []
        self._task: asyncio.Task[None] | None = None
        self._one_at_a_time = asyncio.Lock()
        self._failing = False

    def read(self, reading: Callable[[], None]) -> None:
        """Have ``reading`` bring figures up to date, about once a second."""
        self._readings.append(reading)

    async def scrape(self) -> bytes:
        """What all workers have counted."""
        async with self._one_at_a_time:
            self._publish(reading=True)
            return await asyncio.to_thread(exposed, self._folder)

    async def __aenter__(self) -> Self:
        self._publish(reading=True)
        self._task = asyncio.create_task(self._run())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task
        self._publish(reading=False)
        self._shared.close()

    async def _run(self) -> None:
        turn = 0
        while True:
            await asyncio.sleep(_EVERY_S)
            turn = (turn + 1) % _READ_EVERY
            self._publish(reading=turn == 0)

    def _publish(self, *, reading: bool) -> None:
        """Nothing that goes wrong here may end the task, nor a request."""
        try:
            if reading:
                for read in self._readings:
                    read()
            self._shared.write()
        except Exception as error:  # noqa: BLE001
            if not self._failing:
                _log.error(
                    "metrics cannot be written (%s): is the folder for temporary files full?", type(error).__name__
                )
            self._failing = True
        else:
            self._failing = False
