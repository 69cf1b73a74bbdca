"""Who is compared, and how is each asked?

Add one by adding a value to the lists; nothing else needs to know of it.
"""

import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal, TypeAlias

UPSTREAM: Final = "upstream"
DIRECT: Final = "direct"
# The gateway as it comes, with the pack ``baseline`` and its journal; with policies off; with the journal off.
BASELINE: Final = "gateway"
OFF: Final = "gateway off"
UNAUDITED: Final = "gateway unaudited"
GATEWAYS: Final = (BASELINE, OFF, UNAUDITED)


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
