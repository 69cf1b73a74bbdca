"""What is to be kept running, and what may be said once it runs?"""

from collections.abc import Sequence
from dataclasses import dataclass, field

from gateway.supervisor.lifecycle import Backoff


@dataclass(frozen=True, slots=True, kw_only=True)
class MetricsPlace:
    """Where metrics are to be served. A port that nobody has ``chosen`` gives way to a free one if it is taken."""

    host: str
    port: int
    chosen: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Companion:
    """A process that runs beside the workers and ends after them.

    ``name`` is what it is called in what is said, and in the names of its files of figures: letters and hyphens.
    """

    name: str
    command: Sequence[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class SupervisorConfig:
    """``grace_s`` is how long workers may finish open requests after a stop signal.

    They get that signal ``drain_delay_s`` after we do; until then they serve, and say that they are not ready.

    Both commands are completed with descriptors: a worker's with ``--fd N --ready-fd M`` (a TCP listener, and a pipe
    to write one line to when it serves) and ``--metrics-fd N`` if there are ``metrics`` (a second TCP listener), the
    embedded model's with ``--fd N`` (a Unix listener). ``embedded_command`` None means that no embedded model is
    configured; ``embedded_at_start`` loads it before the first request. ``companions`` are run as they are.
    """

    host: str
    port: int
    workers: int
    worker_command: Sequence[str]
    embedded_command: Sequence[str] | None = None
    embedded_at_start: bool = False
    metrics: MetricsPlace | None = None
    companions: Sequence[Companion] = ()
    grace_s: float = 30.0
    drain_delay_s: float = 0.0
    backoff: Backoff = field(default_factory=Backoff)


@dataclass(frozen=True, slots=True, kw_only=True)
class Listening:
    """Where the gateway really listens: no port is 0. Given once, when every worker serves.

    ``reports`` are the lines that the workers said then, in their order; the supervisor does not look into them.
    """

    host: str
    port: int
    embedded_socket: str | None
    metrics_port: int | None = None
    reports: tuple[str, ...] = ()
