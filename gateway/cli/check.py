"""Can the gateway run with this configuration?"""

import os
from pathlib import Path

import typer

from gateway.cli.callers import all_keys
from gateway.cli.told import say
from gateway.configuration.json_schema import FILE
from gateway.configuration.redis import RedisSettings
from gateway.domain.limits import LimitRule, in_words
from gateway.settings import Settings, load


def show_schema() -> None:
    """Print the JSON Schema of the configuration file, for editors."""
    typer.echo(FILE.read_text(encoding="utf-8"), nl=False)


def check(path: Path | None, *, secrets: bool) -> None:
    """Print a summary, and warnings on stderr; without ``secrets`` no reference to a credential is followed.

    Raises:
        ConfigError: what is wrong with it, or with the key file that it names.
    """
    settings = load(path, os.environ, offline=not secrets)
    for warning in settings.warnings:
        say(f"warning: {warning}")
    targets = sum(len(model.targets) for model in settings.models.values())
    server = settings.server
    callers = _callers(settings) if settings.asks else "no keys: loopback only"
    models = _count(len(settings.models), "model")
    listens = f"listens on {server.host} port {server.port}"
    unread = "" if secrets else "; credentials were not looked for"
    limits = f", {_count(len(settings.limits.rules), 'limit')}" if settings.limits.rules else ""
    typer.echo(f"{settings.file}: OK — {models}, {_count(targets, 'target')}, {callers}{limits}, {listens}{unread}")
    for rule in settings.limits.rules:
        typer.echo(f"  {_limit(rule, settings.limits.currency)}")
    if settings.limits.rules and settings.redis is not None:
        typer.echo(f"  {_together(settings.redis)}")


def _callers(settings: Settings) -> str:
    keys = _count(len({key.caller.key for key in all_keys(settings)}), "key")
    return f"{keys}, tokens of {_count(len(settings.oidc), 'issuer')}" if settings.oidc else keys


def _limit(rule: LimitRule, currency: str) -> str:
    """One rule in a line: whom it is counted for, for which requests it stands, and what it allows."""
    asked = (("keys", rule.keys), ("tenants", rule.tenants), ("models", rule.models), ("routes", rule.routes))
    only = "".join([f", {what} {' '.join(sorted(names))}" for what, names in asked if names is not None])
    allows = ", ".join([in_words(one, currency) for one in rule.allows])
    return f"limit {rule.name}: per {' and '.join(rule.per)}{only}: {allows}"


def _together(redis: RedisSettings) -> str:
    """Where limits are counted, by how many, and what holds while that is away."""
    without = "each worker gives out its share" if redis.on_failure == "local" else "whatever has a limit is refused"
    gateways = _count(redis.replicas, "gateway")
    return f"counted in Redis at {redis.host} port {redis.port}, by {gateways} together; while it is away {without}"


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"
