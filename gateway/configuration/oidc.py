"""Whose tokens are taken, how are they checked, and what callers do they make?"""

import re
from collections.abc import Collection
from typing import Final
from urllib.parse import urlsplit

from gateway.configuration.callers import expect_models, models_of, routes_of
from gateway.configuration.schema_callers import OidcSection
from gateway.configuration.secrets import Surroundings
from gateway.configuration.tls import build_authorities
from gateway.configuration.values import ClaimNames, OidcSettings
from gateway.domain.address import PUBLIC_ONLY, Addresses, is_loopback
from gateway.domain.identity import Role
from gateway.domain.prompt import Trust
from gateway.domain.target import Tls
from gateway.yamlfile.addresses import addresses_of
from gateway.yamlfile.problems import Loc
from gateway.yamlfile.report import Report

# Claims that are checked for what they are; `require` cannot loosen or double that.
_CHECKED: Final = frozenset({"iss", "aud", "exp", "nbf", "iat"})
_TYPE: Final = re.compile(r"(?:application/)?([!-~]+)", re.IGNORECASE)


def build_oidc(
    sections: tuple[OidcSection, ...], report: Report, surroundings: Surroundings, models: Collection[str]
) -> tuple[OidcSettings, ...]:
    """The issuers whose tokens are taken; ``models`` are those configured."""
    names: set[str] = set()
    issuers: set[str] = set()
    found: list[OidcSettings] = []
    for index, section in enumerate(sections):
        loc: Loc = ("auth", "oidc", index)
        report.expect_unique(names, section.name, (*loc, "name"), f"the name `{section.name}`")
        report.expect_unique(issuers, section.issuer, (*loc, "issuer"), "the same issuer")
        found.append(_issuer(section, loc, report, surroundings, models))
    return tuple(found)


def wrong_with_address(url: str, *, query: bool = False) -> str | None:
    """Why nothing may be fetched from ``url``, if it may not: only https, or http on this very machine."""
    try:
        address = urlsplit(url)
        sound = bool(address.hostname) and address.port != 0 and all("!" <= char <= "~" for char in url)
    except ValueError:
        return "is not a valid address; write https://host/path"
    if not sound or address.scheme not in ("http", "https"):
        return "must be an https address, such as https://login.example.com"
    if address.scheme == "http" and not is_loopback(address.hostname or ""):
        return "must be https: whoever could change what is fetched from there could let anybody in"
    if "@" in address.netloc or "#" in url or "\\" in url or (address.query and not query):
        return "must hold no credentials, query or fragment"
    return None


def _issuer(
    section: OidcSection, loc: Loc, report: Report, surroundings: Surroundings, models: Collection[str]
) -> OidcSettings:
    _check_addresses(section, loc, report)
    _check_mappings(section, loc, report)
    expect_models(section.models, (*loc, "models"), report, models)
    return OidcSettings(
        name=section.name,
        issuer=section.issuer,
        audience=section.audience,
        algorithms=section.algorithms,
        types=_types(section, loc, report),
        jwks_url=section.jwks_url,
        tls=_tls(section, loc, report, surroundings),
        addresses=_addresses(section, loc, report),
        timeout_s=section.timeout_s,
        refresh_s=section.refresh_s,
        cooldown_s=section.cooldown_s,
        keep_s=section.keep_s,
        leeway_s=section.leeway_s,
        require={name: wanted if isinstance(wanted, tuple) else (wanted,) for name, wanted in section.require.items()},
        claims=ClaimNames(
            key=section.claims.key,
            tenant=section.claims.tenant,
            roles=section.claims.roles,
            models=section.claims.models,
        ),
        tenant=section.tenant,
        tenants=section.tenants,
        roles=frozenset(map(Role, section.roles)),
        role_values={value: Role(role) for value, role in section.role_values.items()},
        models=models_of(section.models, models),
        routes=routes_of(section.routes, (*loc, "routes"), report),
        max_trust=Trust[section.max_trust.upper()],
        require_data=section.require_data,
    )


def _check_addresses(section: OidcSection, loc: Loc, report: Report) -> None:
    # An issuer whose keys are named beside it is a name alone: nothing is fetched from there.
    if section.jwks_url is None:
        wrong = wrong_with_address(section.issuer)
        if wrong is not None:
            report.add((*loc, "issuer"), f"without `jwks_url`, `issuer` {wrong}")
    else:
        wrong = wrong_with_address(section.jwks_url, query=True)
        if wrong is not None:
            report.add((*loc, "jwks_url"), f"`jwks_url` {wrong}")
    if section.keep_s < section.refresh_s:
        report.add((*loc, "keep_s"), "signing keys must count for longer than they are fetched anew; raise `keep_s`")


def _addresses(section: OidcSection, loc: Loc, report: Report) -> Addresses:
    """Where fetching may lead. An address that discovery tells of later gets no more than the issuer's own."""
    key, url = ("issuer", section.issuer) if section.jwks_url is None else ("jwks_url", section.jwks_url)
    if wrong_with_address(url, query=True) is not None:
        return PUBLIC_ONLY
    return addresses_of(
        *(key, urlsplit(url).hostname, loc, report), private=section.allow_private, networks=section.allow_addresses
    )


def _check_mappings(section: OidcSection, loc: Loc, report: Report) -> None:
    if section.tenants and section.claims.tenant is None:
        report.add((*loc, "tenants"), "without `claims.tenant` nothing says which; name the claim", at_key=True)
    if section.role_values and section.claims.roles is None:
        report.add((*loc, "role_values"), "without `claims.roles` nothing says which; name the claim", at_key=True)
    if section.claims.roles is not None and not section.role_values:
        report.add((*loc, "claims", "roles"), "`role_values` must say which value gives which role; add it")
    for name, wanted in section.require.items():
        if name in _CHECKED:
            report.add((*loc, "require", name), f"`{name}` is checked always; leave it out", at_key=True)
        elif wanted == ():
            report.add((*loc, "require", name), "must not be empty: nothing could meet it")


def _types(section: OidcSection, loc: Loc, report: Report) -> frozenset[str]:
    found: set[str] = set()
    for index, text in enumerate(section.types):
        match = _TYPE.fullmatch(text)
        if match is None:
            report.add((*loc, "types", index), "must be a media type's name, such as `at+jwt`")
        else:
            found.add(match[1].lower())
    return frozenset(found)


def _tls(section: OidcSection, loc: Loc, report: Report, surroundings: Surroundings) -> Tls | None:
    if section.ca_file is None or surroundings.offline:
        return None
    path = (surroundings.folder / section.ca_file).absolute()
    return build_authorities(path, (*loc, "ca_file"), report, surroundings)
