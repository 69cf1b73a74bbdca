"""What is to be kept running, and what may be said once it runs?"""

from collections.abc import Mapping, Sequence
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
class OnDemand:
    """A process that is started by the first connection to its Unix socket, unless it is to be there ``at_start``.

    ``name`` is what it is called in what is said, ``key`` in names of files. Workers find the socket's path in
    ``variable``. ``environ`` None gives the process this one's variables. ``told`` is what it reads from a pipe of its
    own at each start: credentials, which stand neither in its variables nor in its command.
    """

    name: str
    key: str
    command: Sequence[str]
    variable: str
    at_start: bool = False
    environ: Mapping[str, str] | None = None
    told: bytes | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class SupervisorConfig:
    """``grace_s`` is how long workers may finish open requests after a stop signal.

    They get that signal ``drain_delay_s`` after we do; until then they serve, and say that they are not ready.

    Commands are completed with descriptors: a worker's with ``--fd N --ready-fd M`` (a TCP listener, and a pipe to
    write one line to when it serves) and ``--metrics-fd N`` if there are ``metrics`` (a second TCP listener), that of a
    process on demand with ``--fd N`` (a Unix listener) and ``--config-fd N`` if it is to be told something (a pipe to
    read to its end). ``companions`` are run as they are.
    """

    host: str
    port: int
    workers: int
    worker_command: Sequence[str]
    on_demand: Sequence[OnDemand] = ()
    metrics: MetricsPlace | None = None
    companions: Sequence[Companion] = ()
    grace_s: float = 30.0
    drain_delay_s: float = 0.0
    backoff: Backoff = field(default_factory=Backoff)


@dataclass(frozen=True, slots=True, kw_only=True)
class Listening:
    """Where the gateway really listens: no port is 0. Given once, when every worker serves.

    ``sockets`` are the paths of processes on demand, by their keys. ``reports`` are the lines that the workers said
    then, in their order; the supervisor does not look into them.
    """

    host: str
    port: int
    sockets: Mapping[str, str] = field(default_factory=dict[str, str])
    metrics_port: int | None = None
    reports: tuple[str, ...] = ()
