"""Is this way to reach a model sound, and what does the gateway know about it?"""

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Final
from urllib.parse import urlsplit

from adapters.embedded.models import MEASURED_WITH, MODELS, PLAIN, SPLIT, offers_split
from adapters.registry import (
    FAMILIES,
    FORMATS,
    PROVIDERS,
    FormatEntry,
    family_for,
    format_named,
    is_trained,
    provider_entry,
)
from gateway.configuration import translated
from gateway.configuration.address import check_address, wrong_with_url
from gateway.configuration.evidence import credit, shows_native
from gateway.configuration.json_of import as_json
from gateway.configuration.left_alone import build_breaker, build_health
from gateway.configuration.schema import TargetSection
from gateway.configuration.secrets import Surroundings, resolve
from gateway.configuration.target_cards import build_card, options_of
from gateway.configuration.tls import build_target_tls
from gateway.dialects.body import is_forbidden_field
from gateway.domain.address import PUBLIC_ONLY, Addresses
from gateway.domain.card import Card
from gateway.domain.isolation import Isolation
from gateway.domain.target import Secret, Target, Timeouts, Tls, Translated
from gateway.yamlfile.addresses import addresses_of
from gateway.yamlfile.problems import Loc
from gateway.yamlfile.report import Report

# The child process answers on a Unix socket, whose path the supervisor knows: this host is never resolved.
EMBEDDED_URL: Final = "http://embedded.invalid/v1"

# Keys that mean something to some providers alone, which say so.
_OF_SOME_PROVIDERS: Final = ("auth", "api_version", "credentials")
_EMBEDDED_REFUSES: Final = (
    *("base_url", "socket", "allow_private", "allow_addresses", "api_key", "headers", "trained"),
    *("ca_file", "client_cert_file", "client_key_file"),
    "render_probe",
)
_HEADER_NAME: Final = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,100}")
_CREDENTIAL_HEADERS: Final = frozenset(
    {"authorization", "proxy-authorization", "cookie", "api-key", "x-api-key", "x-goog-api-key"}
)
_OWN_HEADERS: Final = frozenset(
    {
        *("accept", "accept-encoding", "connection", "content-encoding", "content-length", "content-type", "expect"),
        *("host", "keep-alive", "te", "trailer", "transfer-encoding", "upgrade"),
    }
)


def build_target(
    section: TargetSection, loc: Loc, report: Report, surroundings: Surroundings, *, default_id: str
) -> Target | None:
    """A checked target, or None once its problems are in the report."""
    before = report.count
    embedded = section.provider == "embedded"
    report.expect_known(loc, "provider", section.provider, PROVIDERS)
    report.expect_known(loc, "format", section.format, FORMATS)
    if section.family is not None:
        report.expect_known(loc, "family", section.family, FAMILIES)
    key = _secret(section, loc, report, surroundings)
    told, tls = None, None
    if section.provider in translated.PROVIDERS:
        told = translated.build_translated(section, loc, report, surroundings, key)
        key = None
    elif embedded:
        _refuse_for_embedded(section, loc, report)
    else:
        _require_address(section, loc, report)
        tls = build_target_tls(section, loc, report, surroundings)
    addresses = _addresses(section, loc, report, told)
    _refuse_foreign(section, loc, report)
    _check_headers(section, loc, report)
    _check_extra_params(section, loc, report)
    entry = _format(section, loc, report)
    card = build_card(section, _model(section), loc, report, surroundings)
    if report.count > before or entry is None:
        return None
    target = replace(
        _target(section, default_id, entry, key, told=told, addresses=addresses, tls=tls, card=card),
        breaker=build_breaker(section.breaker, (*loc, "breaker"), report),
        health=build_health(section.health, section.provider, (*loc, "health"), report),
    )
    if report.count > before:
        return None
    try:
        provider_entry(section.provider).check_target(target)
    except ValueError as error:
        name, _, wrong = str(error).partition(": ")
        report.add((*loc, name), f"`{name}` {wrong}")
        return None
    return target


def _target(
    section: TargetSection,
    default_id: str,
    entry: FormatEntry,
    key: Secret | None,
    *,
    told: Translated | None,
    addresses: Addresses,
    tls: Tls | None,
    card: Card | None,
) -> Target:
    provider = provider_entry(section.provider)
    model = _model(section)
    shown = shows_native(card)
    credited = credit(
        best=best_of(section.provider, entry, shown=shown),
        unproven=entry.unproven,
        known=shown or is_trained(section.format, model),
        trained=section.trained,
        probe=section.render_probe,
    )
    return Target(
        id=section.id or default_id,
        provider=section.provider,
        base_url=_url(section),
        model=model,
        format=section.format,
        family=section.family or family_for(model),
        ceiling=credited.ceiling,
        unproven=entry.unproven,
        api_key=key,
        socket=section.socket,
        addresses=addresses,
        format_options=options_of(section),
        extra_params=frozenset(section.extra_params) | provider.takes,
        reserved_tokens=section.reserved_tokens,
        headers=_headers(section, card),
        timeouts=Timeouts(**section.timeouts.model_dump()),
        needs_probe=credited.needs_probe,
        assumed=credited.assumed,
        auth=section.auth,
        api_version=section.api_version,
        translated=told,
        tier=section.tier,
        weight=section.weight,
        tls=tls,
        card=card,
    )


def best_of(provider: str, entry: FormatEntry, *, shown: bool) -> Isolation:
    """The most that a format can reach by a provider; ``shown`` says that a card shows the model to be native."""
    # An embedded model is native by its card, in a format that can be, or `wrapped` whatever its layout.
    earned = provider != "embedded" or (shown and entry.best is Isolation.NATIVE)
    return entry.best if earned else min(entry.best, Isolation.WRAPPED)


def _headers(section: TargetSection, card: Card | None) -> Mapping[str, str]:
    """Those of the file; to the embedded model also which adapter the card is of: it may be replaced while we run."""
    headers = {name.lower(): value for name, value in section.headers.items()}
    if _model(section) == SPLIT and section.provider == "embedded" and card is not None and card.weights is not None:
        headers[MEASURED_WITH] = card.weights
    return headers


def _model(section: TargetSection) -> str:
    """The model's name at the upstream."""
    return section.model or (PLAIN if section.provider == "embedded" else "")


def _url(section: TargetSection) -> str:
    if section.provider == "embedded":
        return EMBEDDED_URL
    return translated.URL if section.provider in translated.PROVIDERS else (section.base_url or "").rstrip("/")


def _refuse_for_embedded(section: TargetSection, loc: Loc, report: Report) -> None:
    for name in _EMBEDDED_REFUSES:
        if name in section.model_fields_set:
            report.add((*loc, name), f"`{name}` means nothing to the embedded provider; remove it", at_key=True)
    if section.model is not None:
        report.expect_known(loc, "model", section.model, MODELS)
    if section.model == SPLIT and not offers_split():
        report.warn((*loc, "model"), f"{SPLIT} is not served: its adapter is missing; install Splitgate again")


def _refuse_foreign(section: TargetSection, loc: Loc, report: Report) -> None:
    if section.provider not in PROVIDERS:
        return
    known = provider_entry(section.provider).settings
    for name in _OF_SOME_PROVIDERS:
        if name in section.model_fields_set and name not in known:
            report.add(
                (*loc, name), f"`{name}` means nothing to the provider `{section.provider}`; remove it", at_key=True
            )


def _require_address(section: TargetSection, loc: Loc, report: Report) -> None:
    if section.model is None:
        report.add((*loc, "model"), "the key `model` is missing here; add the model's name at the upstream")
    if section.base_url is None:
        report.add(
            (*loc, "base_url"), "the key `base_url` is missing here; add the API's address, such as https://host/v1"
        )
        return
    check_address(section.base_url, (*loc, "base_url"), report, by_socket=section.socket is not None)


def _addresses(section: TargetSection, loc: Loc, report: Report, told: Translated | None) -> Addresses:
    """Where connections may lead, ours or the litellm process's; a URL that is wrong has been told of."""
    url = section.base_url if told is None else translated.address_of(told)
    if section.provider == "embedded" or url is None or wrong_with_url(url) is not None:
        return PUBLIC_ONLY
    host = urlsplit(url).hostname if section.socket is None else None
    return addresses_of(
        *("base_url", host, loc, report), private=section.allow_private, networks=section.allow_addresses
    )


def _check_headers(section: TargetSection, loc: Loc, report: Report) -> None:
    for name, value in section.headers.items():
        where = (*loc, "headers", name)
        if not _HEADER_NAME.fullmatch(name):
            report.add(where, "is not a header's name", at_key=True)
        elif name.lower() in _CREDENTIAL_HEADERS:
            report.add(where, f"`{name}` carries credentials; use `api_key: env:NAME`", at_key=True)
        elif name.lower() in _OWN_HEADERS:
            report.add(where, f"`{name}` is set by the gateway itself; remove it", at_key=True)
        elif not all(" " <= char <= "~" for char in value) or value != value.strip():
            report.add(where, f"the value of `{name}` must be printable ASCII without blanks around it")
    if len({name.lower() for name in section.headers}) < len(section.headers):
        report.add((*loc, "headers"), "a header stands twice in different spelling; keep one", at_key=True)


def _check_extra_params(section: TargetSection, loc: Loc, report: Report) -> None:
    for index, name in enumerate(section.extra_params):
        if is_forbidden_field(name):
            message = f"`{name}` is never taken from clients: it could redirect, re-credential or re-template the call"
            report.add((*loc, "extra_params", index), message)


def _secret(section: TargetSection, loc: Loc, report: Report, surroundings: Surroundings) -> Secret | None:
    if section.api_key is None or section.provider == "embedded":
        return None
    try:
        return resolve(section.api_key, surroundings, at=(*loc, "api_key"))
    except ValueError as error:
        report.add((*loc, "api_key"), f"`api_key`: {error}")
        return None


def _format(section: TargetSection, loc: Loc, report: Report) -> FormatEntry | None:
    if section.format not in FORMATS:
        return None
    entry = format_named(section.format)
    try:
        entry.check_settings(as_json(section.format_options) or {})
    except ValueError as error:
        report.add((*loc, "format_options"), f"`format_options` of {section.format}: {error}", at_key=True)
    if section.provider in PROVIDERS:
        _check_spoken(section, loc, report)
    return entry


def _check_spoken(section: TargetSection, loc: Loc, report: Report) -> None:
    speaks = provider_entry(section.provider).speaks
    if not speaks(section.format):
        fitting = ", ".join([name for name in FORMATS if speaks(name)])
        report.add(
            (*loc, "format"),
            f"the provider `{section.provider}` does not speak what `{section.format}` lays out; it takes {fitting}",
        )
