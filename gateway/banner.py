"""What does a start say?

Where it listens, who may call, which models there are at which isolation, and a line to try. Only what the workers have
found is claimed, and the line is a request that they can meet.
"""

import json
import shlex
from collections.abc import Iterator

from adapters.registry import format_named
from gateway.domain.isolation import Isolation
from gateway.domain.model import Model
from gateway.pipeline.measured import shortfalls
from gateway.settings import Settings
from gateway.standing import EXAMPLE, Standing, Standings
from gateway.version import VERSION

_UNTOLD = Standing(reaches=Isolation.NONE, example=None)
# Addresses that stand for all of a machine's own: one listens on them, and calls another.
_EVERYWHERE = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - not bound here


def banner(settings: Settings, host: str, port: int, standings: Standings, metrics_port: int | None = None) -> str:
    """The lines printed when every worker serves."""
    return "\n".join(_lines(settings, host, port, standings, metrics_port)) + "\n"


def _lines(settings: Settings, host: str, port: int, standings: Standings, metrics_port: int | None) -> Iterator[str]:
    yield f"Splitgate {VERSION} is listening on {_url(host, port, settings)}"
    if settings.asks:
        yield from _callers(settings)
    else:
        yield "  keys     NONE CONFIGURED: anyone on this machine may call, nobody else (splitgate keys new)"
    if metrics_port is not None:
        yield f"  metrics  {_url(settings.telemetry.metrics.host, metrics_port)}/metrics"
    width = max(len(name) for name in settings.models)
    for name, model in settings.models.items():
        yield f"  model    {name:<{width}}  {_reaches(model, standings.get(name, _UNTOLD))}"
    yield from (f"  WARNING  {warning}" for warning in settings.warnings)
    yield "  try"
    yield f"    {try_line(settings, _url(_EVERYWHERE.get(host, host), port, settings), standings)}"


def _callers(settings: Settings) -> Iterator[str]:
    names = {key.caller.key for key in settings.keys}
    if names:
        yield f"  keys     {len(names)} configured"
    if settings.keys_file is not None:
        yield f"  keys     those in {settings.keys_file}"
    for issuer in settings.oidc:
        yield f"  tokens   of {issuer.issuer}"


def _url(host: str, port: int, settings: Settings | None = None) -> str:
    scheme = "http" if settings is None or settings.server.tls is None else "https"
    return f"{scheme}://{f'[{host}]' if ':' in host else host}:{port}"


def _reaches(model: Model, standing: Standing) -> str:
    promised = max(min(format_named(target.format).best, target.ceiling) for target in model.targets)
    later = f" now, {promised.label} once a render probe shows it" if promised > standing.reaches else ""
    below = ": BELOW IT, requests that carry data are refused" if standing.reaches < model.min_isolation else ""
    if not below and all(shortfalls(target.card, model.bar) for target in model.targets):
        below = ", NO CARD SHOWS WHAT IS ASKED: requests that carry data are refused"
    targets = ", ".join(f"{target.provider} by {target.format}" for target in model.targets)
    return f"reaches {standing.reaches.label}{later}, floor {model.min_isolation.label}{below}  ({targets})"


def try_line(settings: Settings, url: str, standings: Standings) -> str:
    """A curl command for the first model that can take it, asking for the isolation that it then gets."""
    able = ((name, standings[name].example) for name in settings.models if name in standings)
    found = next(((name, example) for name, example in able if example is not None), None)
    if found is None:
        return "(no model can take data apart from instructions at present: see `splitgate models`)"
    name, isolation = found
    body = {"model": name, **EXAMPLE, "min_isolation": isolation.label}
    words = ["curl", "-s", f"{url}/v1/split", "-H", "content-type: application/json"]
    if settings.asks:
        words += ["-H", "authorization: Bearer YOUR_KEY"]
    return shlex.join([*words, "-d", json.dumps(body)])
