"""How does a worker process work?

``python -m gateway.worker --fd N --ready-fd M [--metrics-fd K] [--workers W] [--config FILE [--config-fd L]]
[--successor]``: started by the supervisor, which bound the sockets behind N and K and waits for a line on M, which says
what the models can do. It is one of W. The worker loads the configuration itself, so that the two never share state:
from L, which holds what stood in FILE when the supervisor checked it. A successor takes another worker's place: it
serves nobody until it is ready.
"""

import argparse
import asyncio
import gc
import os
import signal
import socket
import sys
from collections.abc import Sequence
from contextlib import AsyncExitStack
from pathlib import Path

import uvloop

from gateway.activation.hangup import reloading_on_hangup
from gateway.compose import running_worker
from gateway.configuration.crowd import Crowd
from gateway.domain.errors import ConfigError, GatewayError
from gateway.limited import share_of
from gateway.settings import Settings, load, read_snapshot
from gateway.standing import written
from gateway.stores.share import Share
from gateway.telemetry.logs import set_up_logs
from gateway.web.descriptors import connections_allowed
from gateway.web.metrics import serving_metrics
from gateway.web.protocol import Patience
from gateway.web.server import serve

EMBEDDED_SOCKET = "SPLITGATE_EMBEDDED_SOCKET"
LITELLM_SOCKET = "SPLITGATE_LITELLM_SOCKET"
# How often one that is to take another's place looks whether it is ready.
_LOOK_S = 0.05
# New objects, and younger generations' turns, after which the garbage collector looks.
_COLLECT_AFTER = (10_000, 10, 10)


def work(arguments: Sequence[str] | None = None) -> int:
    """Serve until told to stop; 2 says that the configuration cannot be used."""
    parser = argparse.ArgumentParser(prog="splitgate-worker")
    parser.add_argument("--fd", type=int, required=True)
    parser.add_argument("--ready-fd", type=int, required=True)
    parser.add_argument("--metrics-fd", type=int)
    parser.add_argument("--config", type=Path)
    parser.add_argument("--config-fd", type=int)
    parser.add_argument("--successor", action="store_true")
    parser.add_argument("--grace", type=float, default=30.0)
    parser.add_argument("--workers", type=int, default=1)
    options = parser.parse_args(arguments)
    try:
        settings = load(options.config, os.environ, raw=read_snapshot(options.config_fd))
    except ConfigError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    set_up_logs(settings.telemetry.logs)
    # Until the policies are there to be reloaded, and once they are gone, SIGHUP must not end the process.
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    with socket.socket(fileno=options.fd) as listening, asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        serving = _run(
            settings,
            listening,
            options.ready_fd,
            options.metrics_fd,
            options.grace,
            successor=options.successor,
            share=share_of(os.environ, options.workers),
        )
        try:
            runner.run(serving)
        except GatewayError as error:
            sys.stderr.write(f"{error.message}\n")
            return 2
    return 0


async def _run(
    settings: Settings,
    listening: socket.socket,
    ready_fd: int,
    metrics_fd: int | None,
    grace_s: float,
    *,
    successor: bool,
    share: Share,
) -> None:
    def started() -> None:
        # Not looked through before: of what a start makes, a megabyte is no longer used, and finding it takes long.
        gc.freeze()
        # A request makes some hundred objects that are freed without the collector: it need not look for each request.
        gc.set_threshold(*_COLLECT_AFTER)
        gc.enable()
        with os.fdopen(ready_fd, "wb") as supervisor:
            supervisor.write(written(worker.standings()))

    sockets = (os.environ.get(EMBEDDED_SOCKET), os.environ.get(LITELLM_SOCKET))
    async with (
        running_worker(settings, *sockets, share=share) as worker,
        reloading_on_hangup(worker.reload),
        AsyncExitStack() as more,
    ):
        while successor and not worker.ready():  # noqa: ASYNC110
            # The one whose place this is serves meanwhile: whoever comes is better off there.
            await asyncio.sleep(_LOOK_S)
        if worker.scrape is not None and metrics_fd is not None:
            scrapes = more.enter_context(socket.socket(fileno=metrics_fd))
            await more.enter_async_context(serving_metrics(worker.scrape, worker.app.readiness, scrapes))
        await serve(
            worker.app,
            listening,
            grace_s=grace_s,
            on_started=started,
            patience=_patience(settings.server.crowd),
            tls=settings.server.tls,
        )


def _patience(crowd: Crowd) -> Patience:
    return Patience(
        head_s=crowd.header_timeout_s,
        body_s=crowd.body_timeout_s,
        idle_s=crowd.idle_timeout_s,
        write_s=crowd.write_timeout_s,
        connections=connections_allowed(crowd.max_connections),
    )
