"""Which programs of others are compared, are they on this machine, and how are they told what to do?

Each is set up as its own documentation does it where speed matters: one process that works, no log of requests, no
database. Texts and commands alone; who starts them is in ``outside.py``.
"""

import json
import os
import shutil
import subprocess
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from benchmarks.processes import ROOT

_LITELLM: Final = ROOT / ".venv-litellm-proxy"
_PORTKEY: Final = ROOT / "benchmarks" / "portkey" / "node_modules"
# Written by make when an installation came to its end.
_STAMP: Final = ".installed"
_FOREVER: Final = 2_000_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """It is here; ``version`` is empty for what is part of this project."""

    version: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Missing:
    """It is not; ``what_to_do`` about it, in a few words."""

    what_to_do: str


def find_nginx() -> Found | Missing:
    """The nginx of the system."""
    program = _nginx()
    if program is None:
        return Missing(what_to_do="install nginx")
    said = subprocess.run([program, "-v"], check=False, capture_output=True, text=True)  # noqa: S603
    return Found(version=said.stderr.strip().rpartition("/")[2])


def find_litellm() -> Found | Missing:
    """LiteLLM's proxy, in an environment of its own."""
    if not (_LITELLM / _STAMP).exists():
        return Missing(what_to_do="make bench-others")
    # Beside it stand litellm_enterprise and others.
    (about,) = _LITELLM.glob("lib/python*/site-packages/litellm-[0-9]*.dist-info")
    return Found(version=about.name.removeprefix("litellm-").removesuffix(".dist-info"))


def find_portkey() -> Found | Missing:
    """Portkey's gateway, and the Node.js that it runs on."""
    if not 18 <= _node() < 24:
        return Missing(what_to_do="install Node.js, older than 24, then make bench-others")
    if not (_PORTKEY / _STAMP).exists():
        return Missing(what_to_do="make bench-others")
    about = json.loads((_PORTKEY / "@portkey-ai" / "gateway" / "package.json").read_text())
    return Found(version=about["version"])


def _node() -> int:
    """Its major version; 0 if there is none."""
    program = shutil.which("node")
    if program is None:
        return 0
    said = subprocess.run([program, "--version"], check=False, capture_output=True, text=True)  # noqa: S603
    major = said.stdout.strip().removeprefix("v").partition(".")[0]
    return int(major) if major.isdigit() else 0


def _nginx() -> str | None:
    # Debian has it where only root's PATH leads.
    return shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin:/usr/local/sbin")


def nginx_command(config: Path) -> Sequence[str]:
    """It stays in the foreground; what it has to say goes to its standard error."""
    return [_nginx() or "nginx", "-p", str(config.parent), "-c", str(config), "-e", "stderr"]


def nginx_config(folder: Path, port: int, upstream_port: int) -> str:
    """A plain proxy of one worker that keeps its connections, and passes a stream on as it comes."""
    # Its worker would otherwise be somebody who cannot read the folder.
    user = "user root;\n" if hasattr(os, "geteuid") and os.geteuid() == 0 else ""
    scratch = "\n".join(
        f"  {kind}_temp_path {folder}/{kind};" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    return f"""{user}daemon off;
worker_processes 1;
pid {folder}/nginx.pid;
error_log stderr error;
events {{ worker_connections 8192; }}
http {{
  access_log off;
{scratch}
  client_max_body_size 8m;
  client_body_buffer_size 8m;
  keepalive_requests {_FOREVER};
  upstream model {{ server 127.0.0.1:{upstream_port}; keepalive 1024; keepalive_requests {_FOREVER}; }}
  server {{
    listen 127.0.0.1:{port} backlog=2048;
    location / {{
      proxy_pass http://model;
      proxy_http_version 1.1;
      proxy_set_header connection "";
      proxy_buffering off;
    }}
  }}
}}
"""


LITELLM_ENVIRON: Final = {
    # Without a database it has no keys but a master key; it asks to be told that none is meant.
    "LITELLM_DANGEROUSLY_PERMIT_WEAK_OR_UNSET_MASTER_KEY": "true",
    # Prices come with it; otherwise it fetches them at start.
    "LITELLM_LOCAL_MODEL_COST_MAP": "True",
    "LITELLM_MODE": "PRODUCTION",
    "LITELLM_LOG": "ERROR",
}


def litellm_command(config: Path, port: int) -> Sequence[str]:
    """One worker, which is its default."""
    program = str(_LITELLM / "bin" / "litellm")
    return [program, "--config", str(config), "--host", "127.0.0.1", "--port", str(port), "--telemetry", "False"]


def litellm_config(upstream_port: int, models: Iterable[str]) -> str:
    """Each model under its own name, as JSON, which is YAML too; the settings are those of its own benchmark."""

    def model(name: str) -> dict[str, object]:
        base = f"http://127.0.0.1:{upstream_port}/v1"
        return {
            "model_name": name,
            "litellm_params": {"model": f"openai/{name}", "api_base": base, "api_key": "none"},
        }

    settings: dict[str, object] = {"callbacks": [], "num_retries": 0}
    return json.dumps({"model_list": [model(name) for name in models], "litellm_settings": settings}, indent=2)


PORTKEY_ENVIRON: Final = {"NODE_ENV": "production"}


def portkey_command(port: int) -> Sequence[str]:
    """Without its console in the browser. Where it forwards to, each request says."""
    program = str(_PORTKEY / "@portkey-ai" / "gateway" / "build" / "start-server.js")
    return ["node", program, f"--port={port}", "--headless"]
