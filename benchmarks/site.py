"""How is the gateway configured for a measurement?

As a small installation would be: one key, one OpenAI-compatible target, data in the tool envelope, the policies that
come with it, and its journal. Two others differ in one thing each: that there are no rules, that there is no journal.
The scenarios' model names reach the upstream unchanged, since by them it knows what to answer.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from benchmarks.contenders import GATEWAYS, OFF, UNAUDITED, Site
from benchmarks.scenarios import Scenario

_OFF_POLICY: Final = {
    "apiVersion": "splitgate/v1",
    "kind": "Policy",
    "metadata": {"name": "nothing", "owner": "benchmarks"},
    "spec": {"mode": "enforce"},
}


def site_in(folder: Path, upstream_port: int) -> Site:
    """Where the configurations are to stand, one folder for each gateway."""
    configs = {name: folder / name.replace(" ", "-") / "splitgate.yaml" for name in GATEWAYS}
    return Site(upstream_port=upstream_port, configs=configs)


def write_config(site: Site, key: str, scenarios: Sequence[Scenario]) -> None:
    """Write the configuration of each gateway."""
    for name, config in site.configs.items():
        config.parent.mkdir(exist_ok=True)
        policies = _policies(name, config.parent)
        config.write_text(config_text(site.upstream_port, key, scenarios, policies, audited=name != UNAUDITED))


def config_text(
    upstream_port: int,
    key: str,
    scenarios: Sequence[Scenario],
    policies: Mapping[str, object] | None = None,
    *,
    audited: bool = True,
) -> str:
    """The configuration as JSON, which is YAML too; ``policies`` are those that a gateway has unless told otherwise."""

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
    names = sorted({scenario.model for scenario in scenarios})
    return json.dumps(
        {
            "server": {"host": "127.0.0.1", "port": 0},
            "keys": [{"name": "bench", "sha256": digest}],
            "models": {name: {"min_isolation": "channel", "targets": [target(name)]} for name in names},
            # Beside the configuration: a measurement leaves nothing among its user's own files.
            "state_dir": "state",
            "policies": policies or {},
            "audit": {"enabled": audited},
        },
        indent=2,
    )


def _policies(name: str, folder: Path) -> Mapping[str, object]:
    if name != OFF:
        return {}
    (folder / "off.yaml").write_text(json.dumps(_OFF_POLICY))
    return {"packs": [], "paths": ["off.yaml"]}
