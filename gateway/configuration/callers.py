"""Which keys open, and what may their holders ask for?

Entries of ``keys:`` and lines of the key file alike become ``Key`` values here, so that both mean the same.
"""

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase
from math import inf
from typing import Final

from gateway.configuration.schema_callers import DigestSection, KeySection
from gateway.domain.identity import Caller, Key, Role
from gateway.domain.instant import instant
from gateway.domain.prompt import Trust
from gateway.domain.value import value
from gateway.yamlfile.problems import Loc
from gateway.yamlfile.report import Report

_SHA256: Final = re.compile(r"[0-9a-f]{64}")
_SHA256_OF_NOTHING: Final = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
_WILD: Final = frozenset("*?")


@dataclass(slots=True, kw_only=True)
class Known:
    """What is there already, and what entries may speak of.

    ``models`` are those configured. ``issuers`` are names with which names of keys may not begin. ``strict`` has models
    that are not configured told as problems: a key file may speak of models that another gateway has.
    """

    models: Collection[str]
    issuers: Collection[str] = ()
    strict: bool = True
    names: set[str] = field(default_factory=set[str])
    digests: set[str] = field(default_factory=set[str])
    ids: set[str] = field(default_factory=set[str])


def build_keys(sections: Sequence[KeySection], report: Report, known: Known) -> tuple[Key, ...]:
    """The keys of all entries; ``known`` grows by them."""
    return tuple(
        [key for index, section in enumerate(sections) for key in _entry(section, ("keys", index), report, known)]
    )


def models_of(globs: Collection[str], models: Collection[str]) -> frozenset[str] | None:
    """Which of ``models`` the globs mean; None, which is all, for no globs."""
    return _matching(globs, models) if globs else None


def routes_of(globs: Sequence[str], loc: Loc, report: Report) -> frozenset[str] | None:
    """Which routes the globs mean; None, which is all, for no globs."""
    if not globs:
        return None
    # The names alone are wanted of all that wire formats take: few configurations name a route.
    from gateway.dialects.registry import ROUTES  # noqa: PLC0415

    for index, glob in enumerate(globs):
        if not _WILD & set(glob):
            report.expect_name((*loc, index), "route", glob, ROUTES)
        elif not _matching([glob], ROUTES):
            report.add((*loc, index), f"no route matches `{glob}`; there are {', '.join(sorted(ROUTES))}")
    return _matching(globs, ROUTES)


def expect_models(globs: Sequence[str], loc: Loc, report: Report, models: Collection[str]) -> None:
    """A problem for each that means no configured model."""
    for index, glob in enumerate(globs):
        if not _WILD & set(glob):
            report.expect_name((*loc, index), "model", glob, models)
        elif not _matching([glob], models):
            report.add((*loc, index), f"no model matches `{glob}`; there are {', '.join(sorted(models))}")


def moment_of(text: str | None, loc: Loc, report: Report, *, default: float) -> float:
    """The moment that stands at ``loc``, else ``default``."""
    if text is None:
        return default
    try:
        return instant(text)
    except ValueError as error:
        report.add(loc, f"`{loc[-1]}` {error}")
        return default


def _matching(globs: Collection[str], names: Collection[str]) -> frozenset[str]:
    return frozenset([name for name in names if any(fnmatchcase(name, glob) for glob in globs)])


def _entry(section: KeySection, loc: Loc, report: Report, known: Known) -> list[Key]:
    report.expect_unique(known.names, section.name, (*loc, "name"), f"the key name `{section.name}`")
    issuer = section.name.partition(":")[0]
    if issuer != section.name and issuer in known.issuers:
        report.add((*loc, "name"), f"names that begin with `{issuer}:` are those of `auth.oidc`; take another one")
    if known.strict:
        expect_models(section.models, (*loc, "models"), report, known.models)
    caller = Caller(
        key=section.name,
        tenant=section.tenant,
        max_trust=Trust[section.max_trust.upper()],
        require_data=section.require_data,
        roles=frozenset(map(Role, section.roles)),
        models=models_of(section.models, known.models),
        routes=routes_of(section.routes, (*loc, "routes"), report),
    )
    whole = _times(section, loc, report)
    return [
        _key(digest, place, report, known, caller=caller, whole=whole)
        for place, digest in _digests(section, loc, report).items()
    ]


@value
class _Times:
    not_before: float
    expires: float
    revoked: bool


def _times(section: KeySection | DigestSection, loc: Loc, report: Report) -> _Times:
    times = _Times(
        not_before=moment_of(section.not_before, (*loc, "not_before"), report, default=-inf),
        expires=moment_of(section.expires, (*loc, "expires"), report, default=inf),
        revoked=section.revoked is not None,
    )
    # What was made or taken back when is for people, but it must be a moment all the same.
    moment_of(section.created, (*loc, "created"), report, default=0.0)
    moment_of(section.revoked, (*loc, "revoked"), report, default=0.0)
    if times.expires <= times.not_before:
        report.add((*loc, "expires"), "it would end before it begins; make `expires` later than `not_before`")
    return times


def _digests(section: KeySection, loc: Loc, report: Report) -> Mapping[Loc, DigestSection]:
    """The entry's digests, each with its place."""
    if (section.sha256 is None) == (not section.digests) and report.sound(loc):
        report.add(loc, "give either `sha256` or `digests`; `splitgate keys new` prints an entry")
    if section.digests and section.id is not None:
        report.add((*loc, "id"), "with `digests` each of them has its own `id`; move it there", at_key=True)
    found: dict[Loc, DigestSection] = {(*loc, "digests", index): digest for index, digest in enumerate(section.digests)}
    if section.sha256 is not None:
        found[loc] = DigestSection(sha256=section.sha256, id=section.id)
    return found


def _key(section: DigestSection, loc: Loc, report: Report, known: Known, *, caller: Caller, whole: _Times) -> Key:
    digest = section.sha256.lower()
    report.expect_unique(known.digests, digest, (*loc, "sha256"), "the same key's digest")
    if section.id is not None:
        report.expect_unique(known.ids, section.id, (*loc, "id"), f"the key id `{section.id}`")
    if not _SHA256.fullmatch(digest) or digest == _SHA256_OF_NOTHING:
        message = "`sha256` must be the SHA-256 of a key, 64 hexadecimal digits; `splitgate keys new` prints it"
        report.add((*loc, "sha256"), message)
    own = _times(section, loc, report) if loc[-2] == "digests" else whole
    return Key(
        sha256=digest,
        caller=replace(caller, secret=section.id),
        not_before=max(own.not_before, whole.not_before),
        expires=min(own.expires, whole.expires),
        revoked=own.revoked or whole.revoked,
    )
