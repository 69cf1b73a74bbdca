"""What is compared, and under which load?

Add a contender or a scenario by adding a value to the lists; nothing else needs to know of it.
"""

import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final, Literal, TypeAlias

UPSTREAM: Final = "upstream"
DIRECT: Final = "direct"
# The gateway as it comes, with the pack ``baseline`` and its journal; with policies off; with the journal off.
BASELINE: Final = "gateway"
OFF: Final = "gateway off"
UNAUDITED: Final = "gateway unaudited"
GATEWAYS: Final = (BASELINE, OFF, UNAUDITED)
TWO_KB: Final = 2048


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """What a server's command may depend on: the upstream's port, and the configuration file of each gateway."""

    upstream_port: int
    configs: Mapping[str, Path]


Command: TypeAlias = Callable[[Site], Sequence[str]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """A process under test.

    Its command is completed with ``--fd N --ready-fd M``: it listens on the one and writes a byte to the other when it
    serves.
    """

    name: str
    command: Command


@dataclass(frozen=True, slots=True, kw_only=True)
class Contender:
    """A way from the client to the upstream: which server is asked, on which path, in which dialect."""

    name: str
    server: str
    path: str
    dialect: Literal["chat", "split"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """A load: ``connections`` that each send their next request when the last is answered.

    ``chunks`` is the number of tokens of a streamed answer, sent one by one every ``pace_ms``; 0 is a whole answer.
    """

    name: str
    connections: int
    body_bytes: int = TWO_KB
    chunks: int = 0
    pace_ms: int = 0

    @property
    def model(self) -> str:
        """The model's name, by which the upstream knows what to answer."""
        return f"stream-{self.chunks}-{self.pace_ms}" if self.chunks else "whole"


def _script(module: str) -> Command:
    return lambda site: [sys.executable, "-m", module, "--upstream-port", str(site.upstream_port)]


def _gateway(name: str) -> Command:
    return lambda site: [sys.executable, "-m", "gateway.worker", "--config", str(site.configs[name])]


SERVERS: Final = (
    Server(name="passthrough", command=_script("benchmarks.passthrough")),
    Server(name=BASELINE, command=_gateway(BASELINE)),
    Server(name=OFF, command=_gateway(OFF)),
    Server(name=UNAUDITED, command=_gateway(UNAUDITED)),
)

# The first one is what the others' added times are measured against.
CONTENDERS: Final = (
    Contender(name=DIRECT, server=UPSTREAM, path="/v1/chat/completions", dialect="chat"),
    Contender(name="bare", server="passthrough", path="/v1/chat/completions", dialect="chat"),
    Contender(name="gateway off", server=OFF, path="/v1/chat/completions", dialect="chat"),
    Contender(name=UNAUDITED, server=UNAUDITED, path="/v1/chat/completions", dialect="chat"),
    Contender(name="gateway chat", server=BASELINE, path="/v1/chat/completions", dialect="chat"),
    Contender(name="gateway split", server=BASELINE, path="/v1/split", dialect="split"),
)

SCENARIOS: Final = (
    Scenario(name="whole c=1", connections=1),
    Scenario(name="whole c=32", connections=32),
    Scenario(name="stream c=1", connections=1, chunks=100, pace_ms=2),
    Scenario(name="stream c=32", connections=32, chunks=100, pace_ms=5),
    Scenario(name="burst c=32", connections=32, chunks=100),
)


def of_sizes(sizes: Sequence[int]) -> tuple[Scenario, ...]:
    """The whole answers at c=32, once for each size of the request's body in bytes."""
    whole = SCENARIOS[1]
    return tuple(replace(whole, name=f"{whole.name}, {_short(size)}", body_bytes=size) for size in sizes)


def _short(size: int) -> str:
    return f"{size // 1024}k" if size >= 1024 and size % 1024 == 0 else f"{size} B"


def parse_size(text: str) -> int:
    """Read ``2048`` or ``2k``.

    Raises:
        ValueError: it is neither.
    """
    number, unit = (text[:-1], 1024) if text.lower().endswith("k") else (text, 1)
    size = int(number) * unit
    if not 512 <= size <= 4_000_000:
        raise ValueError("a body has 512 bytes at least and 4,000,000 at most")
    return size
