"""How does ``splitgate serve`` put the processes together?

This process becomes the supervisor: it checks the configuration, binds the socket and keeps the workers, the embedded
model and the litellm process running. It serves no request itself.
"""

import os
import sys
from collections.abc import Sequence
from pathlib import Path

from gateway.banner import banner
from gateway.configuration.limits import refuse_undividable
from gateway.litellm_process import litellm_process
from gateway.settings import Settings, load, with_bind
from gateway.standing import read
from gateway.supervisor.config import Companion, Listening, MetricsPlace, OnDemand, SupervisorConfig
from gateway.supervisor.supervise import Supervisor
from gateway.telemetry.logs import supervisor_says

# How long a worker has, beyond the grace, for the last words of what it cut off and to close what it has open.
_CLOSE_S = 8.0
_WORKER = (sys.executable, "-m", "gateway.worker")


def serve(config: Path | None, host: str | None, port: int | None, workers: int) -> int:
    """Run the gateway until SIGTERM or SIGINT; the answer is the exit code.

    Raises:
        ConfigError: the configuration cannot be used, or not with so many workers.
    """
    settings = with_bind(load(config, os.environ), host, port)

    def announce(listening: Listening) -> None:
        standings = read(listening.reports)
        sys.stdout.write(banner(settings, listening.host, listening.port, standings, listening.metrics_port))
        sys.stdout.flush()

    if settings.redis is None:
        refuse_undividable(settings.limits, workers, settings.file)
    supervised = plan(settings, config, workers)
    return Supervisor(supervised, on_ready=announce, say=supervisor_says(settings.telemetry.logs)).run()


def plan(settings: Settings, config: Path | None, workers: int) -> SupervisorConfig:
    """What the supervisor is to keep running."""
    named = [] if config is None else ["--config", str(config)]
    metrics, server = settings.telemetry.metrics, settings.server.crowd
    return SupervisorConfig(
        host=settings.server.host,
        port=settings.server.port,
        workers=workers,
        worker_command=[*_WORKER, "--grace", str(server.grace_s), "--workers", str(workers), *named],
        on_demand=[one for one in (_embedded(settings), litellm_process(settings, os.environ)) if one is not None],
        metrics=MetricsPlace(host=metrics.host, port=metrics.port, chosen=metrics.chosen) if metrics.enabled else None,
        companions=_companions(settings, named),
        grace_s=server.grace_s + _CLOSE_S,
        drain_delay_s=server.drain_delay_s,
    )


def _embedded(settings: Settings) -> OnDemand | None:
    if not any(target.provider == "embedded" for model in settings.models.values() for target in model.targets):
        return None
    return OnDemand(
        name="the embedded model",
        key="embedded",
        command=[sys.executable, "-m", "adapters.embedded"],
        variable="SPLITGATE_EMBEDDED_SOCKET",
        at_start=settings.embedded.start == "at_start",
    )


def _companions(settings: Settings, named: Sequence[str]) -> Sequence[Companion]:
    if not settings.audit.enabled or not (settings.audit.ship or settings.audit.anchors):
        return ()
    return (Companion(name="shipper", command=[sys.executable, "-m", "gateway.shipper", *named]),)
