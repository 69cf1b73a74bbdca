"""What is to be recorded, shipped and told of the gateway's work?

Turns the sections ``audit`` and ``telemetry`` into values, and checks what needs more than one field.
"""

import base64
import binascii
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from gateway.audit.note import BadKey, SigningKey, VerifierKey
from gateway.configuration.schema import (
    AnchorSection,
    AuditSection,
    MetricsSection,
    SinkSection,
    TelemetrySection,
    TracesSection,
)
from gateway.configuration.secrets import Surroundings, Withheld, resolve
from gateway.configuration.values import (
    AnchorSettings,
    AuditSettings,
    BucketSettings,
    MetricsSettings,
    SinkSettings,
    TelemetrySettings,
    TracesSettings,
)
from gateway.domain.target import Secret
from gateway.yamlfile.problems import Loc
from gateway.yamlfile.report import Report

_S3_NEEDS: Final = ("endpoint", "bucket", "access_key_id", "secret_access_key")
_SINK_NEEDS: Final = {"directory": ("path",), "webhook": ("url",), "redis_stream": ("url",), "s3": _S3_NEEDS}
_SINK_SCHEMES: Final = {"webhook": ("http", "https"), "redis_stream": ("redis", "rediss", "unix")}
_ANCHOR_NEEDS: Final = {"directory": ("path",), "s3": _S3_NEEDS}
_MASTER_BYTES: Final = 32


def build_audit(section: AuditSection, report: Report, surroundings: Surroundings, state: Path) -> AuditSettings:
    """The audit's settings; ``state`` is the folder for what outlives a process."""
    loc: Loc = ("audit",)
    if not section.enabled:
        report.warn((*loc, "enabled"), "nothing is recorded: there will be no evidence of what was sent and decided")
    names: set[str] = set()
    for kind, sections in (("ship", section.ship), ("anchors", section.anchors)):
        for index, one in enumerate(sections):
            report.expect_unique(names, one.name, (*loc, kind, index, "name"), f"the name `{one.name}`")
    return AuditSettings(
        enabled=section.enabled,
        dir=state / "audit" if section.dir is None else (surroundings.folder / section.dir).absolute(),
        name=section.name,
        content=section.content,
        signing_keys=_signing_keys(section, report, surroundings),
        earlier_keys=_earlier_keys(section, report),
        master_key=_master_key(section, report, surroundings),
        deadline_s=section.deadline_s,
        checkpoint_records=section.checkpoint_records,
        checkpoint_s=section.checkpoint_s,
        heartbeat_s=section.heartbeat_s,
        roll_bytes=section.roll_bytes,
        ship=tuple([_sink(one, (*loc, "ship", i), report, surroundings) for i, one in enumerate(section.ship)]),
        anchors=tuple(
            [_anchor(one, (*loc, "anchors", i), report, surroundings) for i, one in enumerate(section.anchors)]
        ),
    )


def build_telemetry(section: TelemetrySection, report: Report, surroundings: Surroundings) -> TelemetrySettings:
    """The settings of metrics, traces and logs."""
    return TelemetrySettings(
        metrics=_metrics(section.metrics),
        traces=_traces(section.traces, report, surroundings),
        logs=section.logs,
    )


def _signing_keys(section: AuditSection, report: Report, surroundings: Surroundings) -> tuple[Secret, ...]:
    found: list[Secret] = []
    for index, reference in enumerate(section.signing_keys):
        loc: Loc = ("audit", "signing_keys", index)
        # What was signed and wrapped by a key must be found again under it: these change at a start alone.
        secret = _secret(reference, loc, report, surroundings, fixed=True)
        if secret is None or isinstance(secret, Withheld):
            continue
        try:
            key = SigningKey.parse(secret.reveal())
        except BadKey as error:
            report.add(loc, str(error))
            continue
        if key.name != section.name:
            report.add(loc, f"this key is called {key.name}, and `audit.name` is {section.name}; make them one")
        found.append(secret)
    return tuple(found)


def _earlier_keys(section: AuditSection, report: Report) -> tuple[VerifierKey, ...]:
    found: list[VerifierKey] = []
    for index, text in enumerate(section.earlier_keys):
        try:
            found.append(VerifierKey.parse(text))
        except BadKey as error:
            report.add(("audit", "earlier_keys", index), f"{error}; `splitgate audit key show` prints public keys")
    return tuple(found)


def _master_key(section: AuditSection, report: Report, surroundings: Surroundings) -> Secret | None:
    loc: Loc = ("audit", "master_key")
    secret = None
    if section.master_key is not None:
        secret = _secret(section.master_key, loc, report, surroundings, fixed=True)
    if secret is None or isinstance(secret, Withheld):
        return secret
    try:
        right = len(base64.b64decode(secret.reveal(), validate=True)) == _MASTER_BYTES
    except (binascii.Error, ValueError):
        right = False
    if not right:
        report.add(loc, "a master key is 32 bytes in base64; `openssl rand -base64 32` prints one")
    return secret


def _sink(section: SinkSection, loc: Loc, report: Report, surroundings: Surroundings) -> SinkSettings:
    _require(section, section.kind, _SINK_NEEDS[section.kind], loc, report)
    if section.url is not None and section.kind in _SINK_SCHEMES:
        _check_url(section.url, _SINK_SCHEMES[section.kind], (*loc, "url"), report)
    return SinkSettings(
        name=section.name,
        kind=section.kind,
        path=None if section.path is None else (surroundings.folder / section.path).absolute(),
        url=section.url,
        bucket=_bucket(section, loc, report, surroundings),
        stream=section.stream,
        max_len=section.max_len,
        username=section.username,
        secret=_optional(section.secret, (*loc, "secret"), report, surroundings),
        gather_s=section.gather_s if section.kind == "s3" else 0.0,
        batch=section.batch,
        timeout_s=section.timeout_s,
    )


def _anchor(section: AnchorSection, loc: Loc, report: Report, surroundings: Surroundings) -> AnchorSettings:
    _require(section, section.kind, _ANCHOR_NEEDS[section.kind], loc, report)
    return AnchorSettings(
        name=section.name,
        kind=section.kind,
        path=None if section.path is None else (surroundings.folder / section.path).absolute(),
        bucket=_bucket(section, loc, report, surroundings),
        timeout_s=section.timeout_s,
    )


def _bucket(
    section: SinkSection | AnchorSection, loc: Loc, report: Report, surroundings: Surroundings
) -> BucketSettings | None:
    """What of a bucket is there; None where something is missing."""
    if section.endpoint is not None:
        _check_url(section.endpoint, ("http", "https"), (*loc, "endpoint"), report)
    id_ = _optional(section.access_key_id, (*loc, "access_key_id"), report, surroundings)
    secret = _optional(section.secret_access_key, (*loc, "secret_access_key"), report, surroundings)
    if section.endpoint is None or section.bucket is None or id_ is None or secret is None:
        return None
    return BucketSettings(
        endpoint=section.endpoint,
        bucket=section.bucket,
        prefix=section.prefix,
        region=section.region,
        access_key_id=id_,
        secret_access_key=secret,
    )


def _metrics(section: MetricsSection) -> MetricsSettings:
    return MetricsSettings(
        enabled=section.enabled,
        host=section.host,
        port=section.port,
        chosen="port" in section.model_fields_set,
    )


def _traces(section: TracesSection, report: Report, surroundings: Surroundings) -> TracesSettings:
    loc: Loc = ("telemetry", "traces")
    if section.endpoint is not None:
        _check_url(section.endpoint, ("http", "https"), (*loc, "endpoint"), report)
    headers: dict[str, Secret] = {}
    for name, value in section.headers.items():
        if value.startswith(("env:", "file:")):
            secret = _secret(value, (*loc, "headers", name), report, surroundings)
            headers |= {} if secret is None else {name.lower(): secret}
        else:
            headers[name.lower()] = Secret(value)
    return TracesSettings(
        endpoint=section.endpoint,
        headers=headers,
        sample=section.sample,
        propagate=section.propagate,
        conventions=section.conventions,
    )


def _require(section: SinkSection | AnchorSection, kind: str, names: tuple[str, ...], loc: Loc, report: Report) -> None:
    for name in names:
        if getattr(section, name) is None:
            report.add(loc, f"`{kind}` needs `{name}`; add it")


def _check_url(url: str, schemes: tuple[str, ...], loc: Loc, report: Report) -> None:
    try:
        parts = urlsplit(url)
        wrong = parts.scheme not in schemes or not (parts.hostname or parts.scheme == "unix")
        credentials = parts.username is not None or parts.password is not None
    except ValueError:
        wrong, credentials = True, False
    if wrong:
        report.add(loc, f"must be a URL that begins with {' or '.join(f'{scheme}://' for scheme in schemes)}")
    elif credentials:
        report.add(loc, "no credentials may stand in it; name them beside it, as `env:NAME` or `file:PATH`")


def _optional(reference: str | None, loc: Loc, report: Report, surroundings: Surroundings) -> Secret | None:
    return None if reference is None else _secret(reference, loc, report, surroundings)


def _secret(
    reference: str, loc: Loc, report: Report, surroundings: Surroundings, *, fixed: bool = False
) -> Secret | None:
    try:
        return resolve(reference, surroundings, at=loc, fixed=fixed)
    except ValueError as error:
        report.add(loc, str(error))
        return None
