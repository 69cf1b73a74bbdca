"""How does ``splitgate serve`` put the processes together?

This process becomes the supervisor: it checks the configuration, binds the socket and keeps the workers, the embedded
model and the litellm process running. It serves no request itself.
"""

import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from gateway.banner import banner
from gateway.configuration.limits import refuse_undividable
from gateway.litellm_process import litellm_process
from gateway.rereading import Rereading
from gateway.settings import Settings, load, with_bind
from gateway.standing import read
from gateway.supervisor.config import Companion, Configuration, Listening, MetricsPlace, OnDemand, SupervisorConfig
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
    if config is None:
        settings = with_bind(load(None, os.environ), host, port)
        return _supervise(plan(settings, None, workers), lambda: settings, None)

    def planned(settings: Settings, raw: bytes) -> SupervisorConfig:
        return plan(settings, config, workers, raw)

    rereading = Rereading(config, os.environ, host=host, port=port, plan=planned)
    return _supervise(rereading.first(), lambda: rereading.settings, rereading)


def _supervise(first: SupervisorConfig, settings: Callable[[], Settings], configuration: Configuration | None) -> int:
    """``settings`` are those in force."""

    def announce(listening: Listening) -> None:
        standings = read(listening.reports)
        sys.stdout.write(banner(settings(), listening.host, listening.port, standings, listening.metrics_port))
        sys.stdout.flush()

    def say(text: str) -> None:
        supervisor_says(settings().telemetry.logs)(text)

    return Supervisor(first, on_ready=announce, say=say, configuration=configuration).run()


def plan(settings: Settings, config: Path | None, workers: int, raw: bytes | None = None) -> SupervisorConfig:
    """What the supervisor is to keep running; ``raw`` is what the configuration file was found to hold.

    Raises:
        ConfigError: it has a limit that so many workers cannot divide.
    """
    if settings.redis is None:
        refuse_undividable(settings.limits, workers, settings.file)
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
        snapshot=raw,
    )


def _embedded(settings: Settings) -> OnDemand | None:
    if not any(target.provider == "embedded" for model in settings.models.values() for target in model.targets):
        return None
    return OnDemand(
        name="the embedded model",
        key="embedded",
        # Of what one tenant sent, another one is not to find out how much its own prompts have in common with it.
        command=[sys.executable, "-m", "adapters.embedded", *(["--forget"] if settings.shared else [])],
        variable="SPLITGATE_EMBEDDED_SOCKET",
        at_start=settings.embedded.start == "at_start",
    )


def _companions(settings: Settings, named: Sequence[str]) -> Sequence[Companion]:
    if not settings.audit.enabled or not (settings.audit.ship or settings.audit.anchors):
        return ()
    return (Companion(name="shipper", command=[sys.executable, "-m", "gateway.shipper", *named]),)
