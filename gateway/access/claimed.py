"""What caller do a token's claims make?

Nothing that a claim says reaches names, tenants or roles but by the configuration's word: a claim that is missing or
means nothing gives less, never more.
"""

import hashlib
import re
from collections.abc import Collection
from typing import Final

from gateway.access.token import claim_of, words_of
from gateway.configuration.callers import models_of
from gateway.configuration.values import OidcSettings
from gateway.domain.errors import InvalidToken
from gateway.domain.identity import Caller, Role
from gateway.domain.jsonvalue import JsonObject

_NAME: Final = re.compile(r"[A-Za-z0-9_.:-]{1,64}")
_GLOB: Final = re.compile(r"[A-Za-z0-9_.:/*?-]{1,128}")
_MOST_GLOBS: Final = 256
_PSEUDONYM: Final = 16


def caller_of(claims: JsonObject, settings: OidcSettings, models: Collection[str]) -> Caller:
    """The caller; ``models`` are those configured.

    Raises:
        InvalidToken: a claim that has to say who or on whose behalf does not.
    """
    return Caller(
        key=f"{settings.name}:{_key(claims, settings)}",
        tenant=_tenant(claims, settings),
        max_trust=settings.max_trust,
        require_data=settings.require_data,
        roles=_roles(claims, settings),
        models=_models(claims, settings, models),
        routes=settings.routes,
        method="oidc",
    )


def _key(claims: JsonObject, settings: OidcSettings) -> str:
    named = settings.claims.key
    if named is not None:
        return _name(claims, named)
    told = f"{settings.issuer}\n{claims['sub']}"
    return hashlib.sha256(told.encode()).hexdigest()[:_PSEUDONYM]


def _tenant(claims: JsonObject, settings: OidcSettings) -> str:
    named = settings.claims.tenant
    if named is None:
        return settings.tenant
    if not settings.tenants:
        return _name(claims, named)
    said = claim_of(claims, named)
    tenant = settings.tenants.get(said) if isinstance(said, str) else None
    if tenant is None:
        raise InvalidToken(f"the token's claim `{named}` names none of the `tenants` of `auth.oidc`")
    return tenant


def _name(claims: JsonObject, named: str) -> str:
    said = claim_of(claims, named)
    if not isinstance(said, str) or not _NAME.fullmatch(said):
        raise InvalidToken(f"the token's claim `{named}` must be 1 to 64 letters, digits or . _ : - signs")
    return said


def _roles(claims: JsonObject, settings: OidcSettings) -> frozenset[Role]:
    named = settings.claims.roles
    if named is None:
        return settings.roles
    said = words_of(claims, named)
    return frozenset([settings.role_values[one] for one in said if one in settings.role_values])


def _models(claims: JsonObject, settings: OidcSettings, models: Collection[str]) -> frozenset[str] | None:
    named = settings.claims.models
    if named is None:
        return settings.models
    globs = [one for one in words_of(claims, named)[:_MOST_GLOBS] if _GLOB.fullmatch(one)]
    # No glob at all would mean every model.
    said = models_of(globs, models) or frozenset[str]()
    return said if settings.models is None else said & settings.models
