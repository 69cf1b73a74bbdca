"""Who is calling, what may they ask for, and how far may their words be trusted?"""

from enum import StrEnum
from math import inf
from typing import Literal, TypeAlias

from gateway.domain.prompt import Trust
from gateway.domain.value import value

# How somebody showed who they are.
Method: TypeAlias = Literal["none", "api_key", "oidc"]


class Role(StrEnum):
    """What a caller may do; no role holds another one.

    An ``app`` calls models. An ``approver`` decides what policies hold back of its tenant's requests. An ``auditor``
    sees what is in force, an ``admin`` also changes it, and sees what the gateway keeps of everybody's requests.
    """

    APP = "app"
    APPROVER = "approver"
    AUDITOR = "auditor"
    ADMIN = "admin"


@value
class Caller:
    """An authenticated caller.

    ``key`` is the key's name, or the name that a token was given: never the key or token. ``secret`` is the public id
    of the key that was shown, where it has one. ``models`` and ``routes``, by their dialects' names, are what may be
    asked for, None for all.
    """

    key: str
    tenant: str
    max_trust: Trust = Trust.OPERATOR
    require_data: bool = False
    roles: frozenset[Role] = frozenset({Role.APP})
    models: frozenset[str] | None = None
    routes: frozenset[str] | None = None
    method: Method = "api_key"
    secret: str | None = None

    def may_ask(self, model: str) -> bool:
        """Whether a model of this name is there for this caller."""
        return self.models is None or model in self.models


@value
class Key:
    """An API key: ``sha256`` is the digest of the whole key as UTF-8, in lower-case hexadecimal digits.

    Several keys may stand for one caller, while one takes another's place. It opens from ``not_before`` on, and from
    ``expires`` on no more: seconds since the epoch.
    """

    sha256: str
    caller: Caller
    not_before: float = -inf
    expires: float = inf
    revoked: bool = False


# Whoever calls while no keys are configured: the people of this machine, who could read its memory anyway.
ANONYMOUS = Caller(
    key="anonymous", tenant="local", roles=frozenset({Role.APP, Role.AUDITOR, Role.ADMIN}), method="none"
)
