"""Who is compared, and how is each asked?

Add one by adding a value to the lists; nothing else needs to know of it.
"""

import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Literal, TypeAlias

from benchmarks import others

UPSTREAM: Final = "upstream"
DIRECT: Final = "direct"
# The gateway as it comes, with the pack ``baseline`` and its journal.
BASELINE: Final = "gateway"
# The same with one thing less: without policies, without the journal, with neither of them.
OFF: Final = "gateway off"
UNAUDITED: Final = "gateway unaudited"
BARE: Final = "gateway bare"
# The same with what a larger installation has beside: metrics, and limits counted in memory; under its supervisor.
EVERYTHING: Final = "gateway everything"
TWO_WORKERS: Final = "gateway everything, 2 workers"
GATEWAYS: Final = (BASELINE, OFF, UNAUDITED, BARE, EVERYTHING, TWO_WORKERS)
NGINX: Final = "nginx"
LITELLM: Final = "litellm"
PORTKEY: Final = "portkey"
# Programs of others.
OTHERS: Final = (NGINX, LITELLM, PORTKEY)
PASSTHROUGH: Final = "passthrough"
# The gateway as its users start it, where its start is measured.
SERVE: Final = "splitgate serve"

Dialect: TypeAlias = Literal["chat", "split", "plain"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """What a server's command may depend on.

    ``configs`` are the configuration files, by server; ``ports`` those of the servers that listen by themselves.
    """

    folder: Path
    upstream_port: int
    configs: Mapping[str, Path]
    ports: Mapping[str, int]


Command: TypeAlias = Callable[[Site], Sequence[str]]


def _always() -> others.Found:
    return others.Found(version="")


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """A process under test, or one with others below it.

    Its command is completed with ``--fd N --ready-fd M``: it listens on the one and writes a byte to the other when it
    serves. One that ``listens`` by itself is told its port in its command or its configuration, and serves when it
    answers. ``cores`` is for how many it has work; ``look`` tells whether it is on this machine.
    """

    name: str
    command: Command
    listens: bool = False
    cores: int = 1
    environ: Mapping[str, str] = field(default_factory=dict[str, str])
    look: Callable[[], others.Found | others.Missing] = _always


@dataclass(frozen=True, slots=True, kw_only=True)
class Contender:
    """A way from the client to the upstream: which server is asked, on which path, in which dialect.

    ``plain`` is ``chat`` for those that know no data part. In ``headers`` stands ``{upstream_port}`` for that port.
    """

    name: str
    server: str
    path: str = "/v1/chat/completions"
    dialect: Dialect = "chat"
    headers: Mapping[str, str] = field(default_factory=dict[str, str])


def _script(module: str) -> Command:
    return lambda site: [sys.executable, "-m", module, "--upstream-port", str(site.upstream_port)]


def _gateway(name: str) -> Server:
    return Server(
        name=name, command=lambda site: [sys.executable, "-m", "gateway.worker", "--config", str(site.configs[name])]
    )


def serve_command(config: Path, port: int, workers: int) -> Sequence[str]:
    """What the command ``splitgate serve`` does, in this tree wherever it is installed from."""
    splitgate = [sys.executable, "-c", "from gateway.cli.main import run; run()"]
    return [*splitgate, "serve", "--config", str(config), "--port", str(port), "--workers", str(workers)]


def _supervised(name: str, workers: int) -> Server:
    return Server(
        name=name,
        command=lambda site: serve_command(site.configs[name], site.ports[name], workers),
        listens=True,
        cores=workers,
    )


SERVERS: Final = (
    Server(
        name=NGINX,
        command=lambda site: others.nginx_command(site.configs[NGINX]),
        listens=True,
        look=others.find_nginx,
    ),
    Server(name=PASSTHROUGH, command=_script("benchmarks.passthrough")),
    _gateway(BARE),
    _gateway(OFF),
    _gateway(UNAUDITED),
    _gateway(BASELINE),
    _supervised(EVERYTHING, 1),
    _supervised(TWO_WORKERS, 2),
    Server(
        name=LITELLM,
        command=lambda site: others.litellm_command(site.configs[LITELLM], site.ports[LITELLM]),
        listens=True,
        environ=others.LITELLM_ENVIRON,
        look=others.find_litellm,
    ),
    Server(
        name=PORTKEY,
        command=lambda site: others.portkey_command(site.ports[PORTKEY]),
        listens=True,
        environ=others.PORTKEY_ENVIRON,
        look=others.find_portkey,
    ),
)

# The first one is what the others' added times are measured against.
CONTENDERS: Final = (
    Contender(name=DIRECT, server=UPSTREAM),
    Contender(name=NGINX, server=NGINX),
    Contender(name="bare", server=PASSTHROUGH),
    Contender(name=BARE, server=BARE),
    Contender(name=OFF, server=OFF),
    Contender(name=UNAUDITED, server=UNAUDITED),
    Contender(name="gateway chat", server=BASELINE),
    Contender(name="gateway split", server=BASELINE, path="/v1/split", dialect="split"),
    Contender(name=EVERYTHING, server=EVERYTHING),
    Contender(name=TWO_WORKERS, server=TWO_WORKERS),
    Contender(name=LITELLM, server=LITELLM, dialect="plain"),
    Contender(
        name=PORTKEY,
        server=PORTKEY,
        dialect="plain",
        headers={
            "x-portkey-provider": "openai",
            "x-portkey-custom-host": "http://127.0.0.1:{upstream_port}/v1",
        },
    ),
)
