"""What do the file's sections mean together?

Turns sections into the domain's values, checks what needs more than one field or the world outside the file, and
collects every problem before it gives up.
"""

import re
from collections import Counter
from dataclasses import replace
from difflib import get_close_matches
from pathlib import Path
from typing import Final

from gateway.configuration.callers import Known, build_keys
from gateway.configuration.crowd import build_crowd
from gateway.configuration.limits import build_limits, callers_of
from gateway.configuration.observing import build_audit, build_telemetry
from gateway.configuration.oidc import build_oidc
from gateway.configuration.packs import shipped
from gateway.configuration.redis import build_redis
from gateway.configuration.schema import (
    Document,
    ModelSection,
    PoliciesSection,
    ServerSection,
    TemplateSection,
)
from gateway.configuration.secrets import Surroundings
from gateway.configuration.state import state_dir
from gateway.configuration.targets import build_target
from gateway.configuration.tls import build_server_tls
from gateway.configuration.values import EmbeddedSettings, PolicySettings, Server, Settings
from gateway.domain.address import is_loopback
from gateway.domain.card import Bar, strictest
from gateway.domain.isolation import Isolation, isolation_from_label
from gateway.domain.model import Model, Persistence, Template
from gateway.domain.target import Target
from gateway.pipeline.measured import MEND, shortfalls
from gateway.pipeline.unmix import parse_template
from gateway.yamlfile.problems import Loc
from gateway.yamlfile.report import Report

_HOST_NAME: Final = re.compile(r"[A-Za-z0-9._-]{1,253}|[0-9A-Fa-f]*:[0-9A-Fa-f:.]*:[0-9A-Fa-f:.]*")


def build(document: Document, report: Report, surroundings: Surroundings) -> Settings:
    """Turn the file's sections into settings.

    Raises:
        ConfigError: some of it cannot be used; all of that is told.
    """
    asks = bool(document.keys or document.keys_file or document.auth.oidc)
    server = _server(document.server, report, surroundings, asks=asks)
    oidc = build_oidc(document.auth.oidc, report, surroundings, document.models)
    known = Known(models=document.models, issuers=[one.name for one in oidc])
    keys = build_keys(document.keys, report, known)
    models = {name: _model(name, section, report, surroundings) for name, section in document.models.items()}
    _expect_unique_ids(document, report)
    policies = _policies(document.policies, report, surroundings)
    state = state_dir(document.state_dir, report.source.file, surroundings)
    audit = build_audit(document.audit, report, surroundings, state)
    telemetry = build_telemetry(document.telemetry, report, surroundings)
    callers = callers_of(keys, asks=asks, closed=not (document.keys_file or document.auth.oidc))
    limits = build_limits(document.limits, report, models, callers)
    redis = build_redis(document.limits.redis, report, surroundings)
    if redis is not None and not limits.rules:
        report.warn(("limits", "redis"), "nothing is counted there without `limits.rules`; add some, or remove it")
    report.finish()
    return Settings(
        file=report.source.file,
        server=server,
        keys=keys,
        keys_file=_keys_file(document.keys_file, report, surroundings),
        oidc=oidc,
        models=models,
        transport=document.server.transport,
        embedded=EmbeddedSettings(start=document.server.embedded.start),
        limits=limits,
        redis=redis,
        policies=policies,
        audit=audit,
        telemetry=telemetry,
        state_dir=state,
        warnings=tuple(report.warnings),
    )


def _server(section: ServerSection, report: Report, surroundings: Surroundings, *, asks: bool) -> Server:
    wrong = wrong_with_bind(section.host, asks=asks)
    if wrong is not None:
        report.add(("server", "host"), wrong)
    for index, name in enumerate(section.allowed_hosts):
        if not _HOST_NAME.fullmatch(name):
            report.add(("server", "allowed_hosts", index), "must be a host name alone, without scheme, port or path")
    if section.record_recent:
        report.warn(("server", "record_recent"), "the last request bodies, prompt text included, are kept in memory")
    return Server(
        host=section.host,
        port=section.port,
        max_body_bytes=section.max_body_bytes,
        compressed_bodies=section.compressed_bodies,
        record_recent=section.record_recent,
        record_recent_bytes=section.record_recent_bytes,
        allowed_hosts=tuple(host.lower() for host in section.allowed_hosts),
        crowd=build_crowd(section, report),
        tls=build_server_tls(section.tls, report, surroundings),
        watch=section.watch,
    )


def wrong_with_bind(host: str, *, asks: bool) -> str | None:
    """Why the gateway may not listen on ``host``, if it may not; ``asks`` says whether it asks who calls."""
    if asks or is_loopback(host):
        return None
    return (
        f"without `keys`, `keys_file` or `auth` the gateway listens on loopback only, and {host} is reachable from "
        "elsewhere; add an entry to `keys` (`splitgate keys new` prints one), or use 127.0.0.1"
    )


def _keys_file(given: str | None, report: Report, surroundings: Surroundings) -> Path | None:
    if given is None:
        return None
    path = (surroundings.folder / given).absolute()
    if not _is_there(path):
        report.warn(("keys_file",), "there is no such file; `splitgate keys new --write` makes it, with the first key")
    return path


def _policies(section: PoliciesSection, report: Report, surroundings: Surroundings) -> PolicySettings:
    loc: Loc = ("policies",)
    seen: set[str] = set()
    # The default names a pack of ours: only what somebody wrote can be misspelt.
    for index, name in enumerate(section.packs if "packs" in section.model_fields_set else ()):
        where: Loc = (*loc, "packs", index)
        wrong = _wrong_with_pack(name)
        if wrong is not None:
            report.add(where, wrong)
        report.expect_unique(seen, name, where, f"the pack `{name}`")
    paths = tuple((surroundings.folder / path).absolute() for path in section.paths)
    for index, path in enumerate(paths):
        where = (*loc, "paths", index)
        report.expect_unique(seen, str(path), where, "the same path")
        if not _is_there(path):
            # No error: at a restart the copy last in force stands in for a folder that is gone.
            report.warn(where, "there is no such file or folder; policies cannot be put in force until there is")
    return PolicySettings(packs=section.packs, paths=paths, watch=section.watch)


def _is_there(path: Path) -> bool:
    try:
        return path.exists()
    except OSError:
        return False


def _wrong_with_pack(name: str) -> str | None:
    """Why ``name`` is no pack, if it is none."""
    names = shipped()
    if name in names:
        return None
    close = get_close_matches(name, names, n=1, cutoff=0.6)
    hint = f"did you mean `{close[0]}`?" if close else f"there are {', '.join(names) or 'none'}"
    return f"no pack is called `{name}`; {hint}; files of your own go into `policies.paths`"


def _model(name: str, section: ModelSection, report: Report, surroundings: Surroundings) -> Model:
    loc: Loc = ("models", name)
    targets = tuple(
        target
        for index, target_section in enumerate(section.targets)
        if (
            target := build_target(
                target_section, (*loc, "targets", index), report, surroundings, default_id=f"{name}/{index + 1}"
            )
        )
        is not None
    )
    model = Model(
        name=name,
        targets=targets,
        min_isolation=isolation_from_label(section.min_isolation),
        bar=strictest([Bar(min_separation=section.min_separation, max_attack_success=section.max_attack_success)]),
        user_channel=section.user_channel,
        templates=_templates(section.templates, (*loc, "templates"), report),
        allow_unmatched=section.allow_unmatched,
        require_data=section.require_data,
        allow_prefill=section.allow_prefill,
        balance=section.balance,
        persistence=Persistence(retries=section.retries, max_wait_s=section.max_wait_s, deadline_s=section.deadline_s),
    )
    _warn_of_floor(model, loc, report)
    # A stable order: targets of one tier stay as they stand in the file.
    return replace(model, targets=tuple(sorted(targets, key=lambda target: target.tier)))


def _templates(sections: tuple[TemplateSection, ...], loc: Loc, report: Report) -> tuple[Template, ...]:
    names: set[str] = set()
    templates: list[Template] = []
    for index, section in enumerate(sections):
        name = section.name or f"template-{index + 1}"
        where = (*loc, index, "template")
        report.expect_unique(names, name, where, f"the template name `{name}`")
        try:
            templates.append(parse_template(name, section.template, section.role))
        except ValueError as error:
            report.add(where, f"the template `{name}` cannot be used: {error}")
    return tuple(templates)


def _warn_of_floor(model: Model, loc: Loc, report: Report) -> None:
    if not model.targets:
        return
    for index, target in enumerate(model.targets):
        if target.ceiling < model.min_isolation:
            message = f"target {target.id} reaches {target.ceiling.label} at most, below the model's floor of "
            advice = f"{model.min_isolation.label}: it is never used for a request that carries data"
            report.warn((*loc, "targets", index), message + advice)
        short = shortfalls(target.card, model.bar)
        if short:
            message = f"target {target.id} is never used for a request that carries data: {'; '.join(short)}"
            report.warn((*loc, "targets", index), f"{message}; {MEND}")
        _warn_of_assumption(target, (*loc, "targets", index), report)
    if max(target.ceiling for target in model.targets) < model.min_isolation:
        message = f"no target of `{model.name}` can reach {model.min_isolation.label}: every request that carries data "
        report.warn(loc, message + "is refused; lower min_isolation, or add a target with another format")
    if all(shortfalls(target.card, model.bar) for target in model.targets):
        message = f"no target of `{model.name}` has a card that shows what the model asks for: every request that "
        report.warn(loc, message + f"carries data is refused; {MEND}, or ask for less")


def _warn_of_assumption(target: Target, loc: Loc, report: Report) -> None:
    if target.assumed and target.ceiling is Isolation.NATIVE:
        report.warn(loc, f"target {target.id} counts as native on this file's word; replies say so")


def _expect_unique_ids(document: Document, report: Report) -> None:
    ids = [
        (section.id or f"{name}/{index + 1}", ("models", name, "targets", index, "id"))
        for name, model in document.models.items()
        for index, section in enumerate(model.targets)
    ]
    counts = Counter(identity for identity, _ in ids)
    seen: set[str] = set()
    for identity, loc in ids:
        if counts[identity] > 1:
            report.expect_unique(seen, identity, loc, f"the target id `{identity}`")
