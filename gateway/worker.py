"""How does a worker process run?

``python -m gateway.worker --fd N --ready-fd M [--config FILE]``: started by the supervisor, which bound the socket
behind N and waits for a line on M, which says what the models can do. The worker loads the configuration itself, so
that the two never share state.
"""

import argparse
import asyncio
import gc
import logging
import os
import signal
import socket
import sys
from collections.abc import Sequence
from pathlib import Path

import uvloop

from gateway.activation.hangup import reloading_on_hangup
from gateway.compose import running_worker
from gateway.domain.errors import ConfigError
from gateway.settings import Settings, load
from gateway.standing import written
from gateway.web.server import serve

EMBEDDED_SOCKET = "SPLITGATE_EMBEDDED_SOCKET"


def main(arguments: Sequence[str] | None = None) -> int:
    """Serve until told to stop; 2 says that the configuration cannot be used."""
    parser = argparse.ArgumentParser(prog="splitgate-worker")
    parser.add_argument("--fd", type=int, required=True)
    parser.add_argument("--ready-fd", type=int, required=True)
    parser.add_argument("--config", type=Path)
    parser.add_argument("--grace", type=float, default=30.0)
    options = parser.parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    try:
        settings = load(options.config, os.environ)
    except ConfigError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    # Until the policies are there to be reloaded, and once they are gone, SIGHUP must not end the process.
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    with socket.socket(fileno=options.fd) as listening, asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_run(settings, listening, options.ready_fd, options.grace))
    return 0


async def _run(settings: Settings, listening: socket.socket, ready_fd: int, grace_s: float) -> None:
    def started() -> None:
        gc.collect()
        gc.freeze()
        with os.fdopen(ready_fd, "wb") as supervisor:
            supervisor.write(written(worker.standings()))

    async with (
        running_worker(settings, os.environ.get(EMBEDDED_SOCKET)) as worker,
        reloading_on_hangup(worker.reload),
    ):
        await serve(worker.app, listening, grace_s=grace_s, on_started=started)


if __name__ == "__main__":
    sys.exit(main())
