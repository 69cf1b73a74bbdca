"""How are the servers configured for a measurement?

The gateway as a small installation would be: one key, one OpenAI-compatible target, data in the tool envelope, the
policies that come with it, and its journal. The others differ from it in what ``_PARTS`` says. The scenarios' model
names reach the upstream unchanged, since by them it knows what to answer.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from benchmarks.contenders import (
    BARE,
    BASELINE,
    EVERYTHING,
    GATEWAYS,
    LITELLM,
    NGINX,
    OFF,
    SERVERS,
    TWO_WORKERS,
    UNAUDITED,
    Site,
)
from benchmarks.others import litellm_config, nginx_config
from benchmarks.outside import free_ports
from benchmarks.scenarios import Scenario


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """Which parts of a gateway are at work, beside those that always are."""

    policies: bool = True
    journal: bool = True
    limits: bool = False


_PARTS: Final[Mapping[str, Parts]] = {
    BASELINE: Parts(),
    OFF: Parts(policies=False),
    UNAUDITED: Parts(journal=False),
    BARE: Parts(policies=False, journal=False),
    EVERYTHING: Parts(limits=True),
    TWO_WORKERS: Parts(limits=True),
}
_OFF_POLICY: Final = {
    "apiVersion": "splitgate/v1",
    "kind": "Policy",
    "metadata": {"name": "nothing", "owner": "benchmarks"},
    "spec": {"mode": "enforce"},
}


# Out of reach, but counted for every request: windows that are kept in memory, and places.
_LIMITS: Final = {
    "rules": [
        {
            "name": "bench",
            "per": "key",
            "requests": ["100000000/minute"],
            "tokens": ["100000000000/minute"],
            "concurrent": 10_000,
        }
    ]
}


def site_in(folder: Path, upstream_port: int) -> Site:
    """Where the configurations are to stand, one folder for each server, and which ports are to be listened on."""
    configs = {name: folder / _folder(name) / "splitgate.yaml" for name in GATEWAYS}
    configs |= {NGINX: folder / NGINX / "nginx.conf", LITELLM: folder / LITELLM / "config.yaml"}
    ports = free_ports(server.name for server in SERVERS if server.listens)
    return Site(folder=folder, upstream_port=upstream_port, configs=configs, ports=ports)


def log_of(site: Site, server: str) -> Path:
    """Where a server's own words are kept, if it listens by itself."""
    return site.folder / f"{_folder(server)}.log"


def _folder(name: str) -> str:
    return name.replace(",", "").replace(" ", "-")


def write_config(site: Site, key: str, scenarios: Sequence[Scenario]) -> None:
    """Write the configuration of each server that has one."""
    for config in site.configs.values():
        config.parent.mkdir(exist_ok=True)
    for name, parts in _PARTS.items():
        config = site.configs[name]
        if not parts.policies:
            (config.parent / "off.yaml").write_text(json.dumps(_OFF_POLICY))
        config.write_text(config_text(site.upstream_port, key, scenarios, parts))
    nginx = site.configs[NGINX]
    nginx.write_text(nginx_config(nginx.parent, site.ports[NGINX], site.upstream_port))
    site.configs[LITELLM].write_text(litellm_config(site.upstream_port, _models(scenarios)))


def config_text(upstream_port: int, key: str, scenarios: Sequence[Scenario], parts: Parts) -> str:
    """A gateway's configuration as JSON, which is YAML too."""

    def target(model: str) -> dict[str, object]:
        return {
            "provider": "openai_compatible",
            "base_url": f"http://127.0.0.1:{upstream_port}/v1",
            "model": model,
            "format": "tool-envelope",
            # The tokens of a family that is much in use: "all" would be a harder case than most.
            "family": "llama3",
        }

    digest = hashlib.sha256(key.encode()).hexdigest()
    return json.dumps(
        {
            "server": {"host": "127.0.0.1", "port": 0},
            "keys": [{"name": "bench", "sha256": digest}],
            "models": {name: {"min_isolation": "channel", "targets": [target(name)]} for name in _models(scenarios)},
            # Beside the configuration: a measurement leaves nothing among its user's own files.
            "state_dir": "state",
            "policies": {} if parts.policies else {"packs": [], "paths": ["off.yaml"]},
            "audit": {"enabled": parts.journal},
            "limits": _LIMITS if parts.limits else {},
            # Another gateway on this machine may have the port that is theirs by default.
            "telemetry": {"metrics": {"port": 0}},
        },
        indent=2,
    )


def _models(scenarios: Sequence[Scenario]) -> list[str]:
    return sorted({scenario.model for scenario in scenarios})
