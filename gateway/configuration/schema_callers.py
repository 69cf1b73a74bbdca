"""Which keys may the configuration say of callers, and of what type?

Entries of ``keys:`` and of the file that ``keys_file:`` names are the same section. Checks that need more than one
field are in ``callers.py`` and ``oidc.py``.
"""

from collections.abc import Mapping
from typing import Annotated, Final, Literal, TypeAlias

from pydantic import Field

from gateway.configuration.section import Name, Section

_GLOB: Final = r"^[A-Za-z0-9_.:/*?-]{1,128}$"
_ISSUER: Final = r"^[a-z0-9-]{1,32}$"
# What each pattern asks for, in words.
PATTERNS: Final[Mapping[str, str]] = {
    _GLOB: "a name, or a glob with * and ?, of letters, digits and the signs _ . : / -",
    _ISSUER: "1 to 32 small letters, digits or hyphens",
}

Glob: TypeAlias = Annotated[str, Field(pattern=_GLOB)]
Moment: TypeAlias = Annotated[str, Field(max_length=40)]
RoleWord: TypeAlias = Literal["app", "approver", "auditor", "admin"]
Claim: TypeAlias = Annotated[str, Field(min_length=1, max_length=256)]
Address: TypeAlias = Annotated[str, Field(min_length=1, max_length=2048)]
# `none` and the algorithms whose key would be a shared secret are not among them, and never may be.
Algorithm: TypeAlias = Literal[
    "RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "Ed25519"
]

_MODELS: Final = "Models that may be asked for: names, or globs such as `team-*`. None given: all."
_ROUTES: Final = "Routes that may be used, by the names of dialects (`split`, `openai_chat`, …) or globs. None: all."
_TRUST: Final = "The most that this caller's words count for: with `user`, its system messages do too."
_MOMENT: Final = "such as `2030-01-31T12:00:00Z`"


class DigestSection(Section):
    """One of several keys that stand for one entry, so that a new one can be in use before the old one is not."""

    sha256: str = Field(description="SHA-256 of the whole key: 64 hexadecimal digits.")
    id: Name | None = Field(default=None, description="The key's public id, how it begins: `sg-1a2b3c4d`.")
    not_before: Moment | None = Field(default=None, description=f"From when on it opens, {_MOMENT}.")
    expires: Moment | None = Field(default=None, description=f"From when on it opens no more, {_MOMENT}.")
    created: Moment | None = Field(default=None, description="When it was made. It changes nothing.")
    revoked: Moment | None = Field(default=None, description="When it was taken back: whatever it says, it is.")


class KeySection(Section):
    """A client's API key. `splitgate keys new` prints one and its entry."""

    name: Name = Field(description="What the key is called in logs. The key itself is nowhere in the file.")
    sha256: str | None = Field(
        default=None, description="SHA-256 of the whole key: 64 hexadecimal digits. Either this or `digests`."
    )
    id: Name | None = Field(default=None, description="The key's public id, how it begins: `sg-1a2b3c4d`.")
    digests: tuple[DigestSection, ...] = Field(
        default=(),
        max_length=64,
        description="Several keys for this entry, while one takes another's place: see below.",
    )
    tenant: Name = Field(default="default", description="On whose behalf the key's holder calls.")
    roles: tuple[RoleWord, ...] = Field(
        default=("app",),
        min_length=1,
        description="What it may do: `app` calls models, `approver` decides on what policies of its tenant hold back "
        "(never on its own requests), `auditor` sees what is in force, `admin` also changes that and sees the kept "
        "requests of all tenants. No role holds another one.",
    )
    models: tuple[Glob, ...] = Field(default=(), max_length=256, description=_MODELS)
    routes: tuple[Glob, ...] = Field(default=(), max_length=64, description=_ROUTES)
    not_before: Moment | None = Field(default=None, description=f"From when on it opens, {_MOMENT}.")
    expires: Moment | None = Field(default=None, description=f"From when on it opens no more, {_MOMENT}.")
    created: Moment | None = Field(default=None, description="When it was made. It changes nothing.")
    revoked: Moment | None = Field(default=None, description="When it was taken back: whatever it says, it is.")
    max_trust: Literal["operator", "user"] = Field(default="operator", description=_TRUST)
    require_data: bool = Field(
        default=False, description="Refuse requests with this key that carry no data apart from instructions."
    )


class ClaimsSection(Section):
    """Which claims of a token say what: a claim's name, or the way to one inside others, `realm_access.roles`."""

    key: Claim | None = Field(
        default=None,
        description="What the caller is called behind `NAME:`: for applications `azp` or `client_id`. None: a "
        "pseudonym of `iss` and `sub`, so that no name of a person reaches logs, policies or the audit.",
    )
    tenant: Claim | None = Field(default=None, description="The tenant, as it is or by `tenants`. None: `tenant`.")
    roles: Claim | None = Field(
        default=None,
        description="What `role_values` look for: a list, or one text; of `scope` and `scp`, words. None: `roles`.",
    )
    models: Claim | None = Field(
        default=None,
        description="Names or globs of models, a list, or one text: of those in `models`, the ones that may be asked "
        "for. None: `models`.",
    )


class OidcSection(Section):
    """An issuer of tokens (JWT) that clients send as `authorization: Bearer TOKEN`."""

    name: Annotated[str, Field(pattern=_ISSUER)] = Field(
        description="What its callers' names begin with: `NAME:…` in logs, policies and the audit."
    )
    issuer: Address = Field(description="The claim `iss` of its tokens, exactly.")
    audience: tuple[Claim, ...] = Field(
        min_length=1, max_length=16, description="One of these must be in the claim `aud`."
    )
    algorithms: tuple[Algorithm, ...] = Field(
        default=("RS256", "ES256"), min_length=1, description="What tokens may be signed by."
    )
    types: tuple[Claim, ...] = Field(
        default=("JWT", "at+jwt"),
        min_length=1,
        max_length=8,
        description="What the header `typ` may say. A token without one counts as `JWT`.",
    )
    jwks_url: Address | None = Field(
        default=None,
        description="Where its signing keys are, https or loopback. None: where "
        "`ISSUER/.well-known/openid-configuration` says.",
    )
    ca_file: str | None = Field(
        default=None, min_length=1, max_length=4096, description="Certificates (PEM) to trust for that address alone."
    )
    allow_private: bool = Field(
        default=False,
        description="Let the names of its addresses lead to this machine or to a private network. Not needed where an "
        "address holds the number itself or `localhost`.",
    )
    allow_addresses: tuple[Annotated[str, Field(min_length=2, max_length=64)], ...] = Field(
        default=(),
        description="Networks or addresses that they may lead to besides public ones, such as `10.20.0.0/16`: less "
        "than `allow_private` allows.",
    )
    timeout_s: Annotated[float, Field(gt=0, le=60)] = Field(default=5.0, description="How long fetching may take.")
    refresh_s: Annotated[float, Field(ge=10, le=86_400)] = Field(
        default=600.0, description="How often the signing keys are fetched, beside whenever a token names another one."
    )
    cooldown_s: Annotated[float, Field(ge=0.1, le=60)] = Field(
        default=5.0, description="How far apart fetches are that tokens with unknown keys ask for, in each worker."
    )
    keep_s: Annotated[float, Field(ge=10, le=604_800)] = Field(
        default=86_400.0, description="How long those known go on to count while none can be fetched."
    )
    leeway_s: Annotated[int, Field(ge=0, le=300)] = Field(
        default=30, description="How far the issuer's clock may be off."
    )
    require: dict[Claim, str | bool | tuple[str, ...]] = Field(
        default_factory=dict[str, str | bool | tuple[str, ...]],
        description="Claims that must be there, and what each must say or hold (a list; of `scope` and `scp`, words): "
        "one text, `true` or `false`, or a list of which one will do.",
    )
    claims: ClaimsSection = Field(default_factory=ClaimsSection.model_construct, description="See `claims` below.")
    tenant: Name = Field(default="default", description="On whose behalf they call, without `claims.tenant`.")
    tenants: dict[Claim, Name] = Field(
        default_factory=dict[str, str], description="The tenant for each value of `claims.tenant`; others are refused."
    )
    roles: tuple[RoleWord, ...] = Field(
        default=("app",), min_length=1, description="What they may do, without `claims.roles`."
    )
    role_values: dict[Claim, RoleWord] = Field(
        default_factory=dict[str, RoleWord], description="The role that each value in `claims.roles` gives."
    )
    models: tuple[Glob, ...] = Field(default=(), max_length=256, description=_MODELS)
    routes: tuple[Glob, ...] = Field(default=(), max_length=64, description=_ROUTES)
    max_trust: Literal["operator", "user"] = Field(default="operator", description=_TRUST)
    require_data: bool = Field(
        default=False, description="Refuse requests with these tokens that carry no data apart from instructions."
    )


class AuthSection(Section):
    """Who else may call than holders of keys."""

    oidc: tuple[OidcSection, ...] = Field(
        default=(), max_length=8, description="Issuers whose tokens are taken: see `auth.oidc` below."
    )
