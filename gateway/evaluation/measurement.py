"""How is a model asked, from the first process started to the last answer kept?

The gateway runs in this process, with the same parts as in a worker; what it needs beside it is started and ended here.
"""

import asyncio
import logging
import tempfile
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from gateway.compose import running_app
from gateway.domain.target import Target
from gateway.domain.value import value
from gateway.evaluation.asking import Asking, Sampling
from gateway.evaluation.datasets import DataSet
from gateway.evaluation.measured_settings import measured
from gateway.evaluation.processes import Processes, running
from gateway.evaluation.result import Result
from gateway.evaluation.run import Patience, ask_all, pending
from gateway.evaluation.store import Store
from gateway.main import plan
from gateway.settings import Settings

# Loading the embedded model takes seconds, making its weights some more. A probe that never ends holds nothing up.
_READY_S: Final = 90.0
_EVERY_S: Final = 0.1


@value
class Measurement:
    """What is measured: ``settings`` are the configuration's, ``target`` is one of those of its model ``model``."""

    settings: Settings
    model: str
    target: Target
    formats: tuple[str, ...]
    data: DataSet
    sampling: Sampling
    policies: bool
    concurrency: int


def carry_out(
    measurement: Measurement,
    store: Store,
    *,
    say: Callable[[str], None],
    on_result: Callable[[Result], None],
    patience: Patience | None = None,
) -> None:
    """Ask what ``store`` does not hold yet; ``say`` is told what goes wrong on the way.

    Raises:
        MeasurementStopped: the model cannot be reached.
        ConfigError: the policies cannot be used.
    """
    asked = pending(measurement.data.cases, measurement.formats, store)
    if not asked:
        return
    with tempfile.TemporaryDirectory(prefix="splitgate-") as folder:
        settings = measured(
            measurement.settings,
            measurement.target,
            measurement.formats,
            Path(folder),
            policies=measurement.policies,
        )

        async def gather(processes: Processes) -> None:
            sockets = processes.sockets
            tending = asyncio.create_task(processes.tend())
            try:
                async with (
                    running_app(settings, sockets.get("embedded"), sockets.get("litellm")) as app,
                    Asking(app, measurement.sampling) as ask,
                ):
                    await _ready(ask, processes)
                    await ask_all(
                        asked,
                        ask,
                        store,
                        concurrency=measurement.concurrency,
                        on_result=on_result,
                        patience=patience,
                    )
            finally:
                tending.cancel()

        with _quiet(), running(plan(settings, None, 1).on_demand, say) as processes:
            asyncio.run(gather(processes))


@contextmanager
def _quiet() -> Generator[None]:
    """Without the gateway's warnings: what they are about is tried again here, and told if that does not help."""
    log = logging.getLogger("splitgate")
    before = log.level
    log.setLevel(logging.ERROR)
    try:
        yield
    finally:
        log.setLevel(before)


async def _ready(ask: Asking, processes: Processes) -> None:
    """Wait until the gateway and what runs beside it are ready; whatever is lacking then shows in the answers."""
    loop = asyncio.get_running_loop()
    until = loop.time() + _READY_S
    while loop.time() < until:
        if await processes.well() and await ask.ready():
            return
        await asyncio.sleep(_EVERY_S)
