"""What is to be kept running, and what may be said once it runs?"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import field
from typing import Protocol

from gateway.domain.value import value
from gateway.supervisor.lifecycle import Backoff


@value
class MetricsPlace:
    """Where metrics are to be served. A port that nobody has ``chosen`` gives way to a free one if it is taken."""

    host: str
    port: int
    chosen: bool


@value
class Companion:
    """A process that runs beside the workers and ends after them.

    ``name`` is what it is called in what is said, and in the names of its files of figures: letters and hyphens.
    """

    name: str
    command: Sequence[str]


@value
class OnDemand:
    """A process that is started by the first connection to its Unix socket, unless it is to be there ``at_start``.

    ``name`` is what it is called in what is said, ``key`` in names of files. Workers find the socket's path in
    ``variable``. ``environ`` None gives the process this one's variables. ``told`` is what it reads from a pipe of its
    own at each start: credentials, which stand neither in its variables nor in its command. ``again`` is asked every
    now and then for what it is to be told instead, None while nothing has changed; a process that runs reads it as a
    line from a second pipe.
    """

    name: str
    key: str
    command: Sequence[str]
    variable: str
    at_start: bool = False
    environ: Mapping[str, str] | None = None
    told: bytes | None = field(default=None, repr=False)
    again: Callable[[], bytes | None] | None = field(default=None, repr=False, compare=False)


@value
class SupervisorConfig:
    """``grace_s`` is how long workers may finish open requests after a stop signal.

    They get that signal ``drain_delay_s`` after we do; until then they serve, and say that they are not ready.
    ``ready_s`` is how long a new worker may take to be ready before the one that it is to replace is kept instead.

    Commands are completed with descriptors: a worker's with ``--fd N --ready-fd M`` (a TCP listener, and a pipe to
    write one line to when it serves) and ``--metrics-fd N`` if there are ``metrics`` (a second TCP listener), that of a
    process on demand with ``--fd N`` (a Unix listener), ``--config-fd N`` if it is to be told something (a pipe to
    read to its end) and ``--news-fd N`` if that may change (a pipe of lines). A worker that is to take another's place
    gets ``--successor``: it serves, and says so, once it is ready. With a ``snapshot`` workers and ``companions`` get
    ``--config-fd N``, a file that holds it: the very bytes that were checked, whatever stands in their place by then.
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
    ready_s: float = 60.0
    snapshot: bytes | None = field(default=None, repr=False)
    backoff: Backoff = field(default_factory=Backoff)


@value
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


@value
class Change:
    """What came of a new look at the configuration: ``config`` is what is to be taken up, None where nothing is.

    ``said`` are lines for the log. ``usable`` False says that what stands there now cannot be used at all.
    """

    said: tuple[str, ...] = ()
    config: SupervisorConfig | None = None
    usable: bool = True


class Configuration(Protocol):
    """Where the supervisor looks when it is told to look again, or finds that it should."""

    @property
    def watched(self) -> bool:
        """Whether to ask ``stirred`` every second."""
        ...

    def stirred(self) -> bool:
        """Whether something else may stand there than at the last look. Cheap; raises nothing."""
        ...

    def look(self) -> Change:
        """Read and check what stands there now; raises nothing."""
        ...

    def settle(self, *, taken: bool) -> None:
        """What ``look`` gave last is in force now, or was given up."""
        ...
