"""Who is calling, and how far may their words be trusted?"""

from dataclasses import dataclass

from gateway.domain.prompt import Trust


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """An authenticated caller. ``key`` is the key's name, never the key.

    An ``admin`` may read what the gateway keeps of everybody's requests, reload policies and break the glass. An
    ``approver`` may decide what policies hold back of its tenant's requests.
    """

    key: str
    tenant: str
    max_trust: Trust = Trust.OPERATOR
    require_data: bool = False
    admin: bool = False
    approver: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Key:
    """An API key: ``sha256`` is the digest of the whole key as UTF-8, in lower-case hexadecimal digits."""

    sha256: str
    caller: Caller


# Whoever calls while no keys are configured: the people of this machine, who could read its memory anyway.
ANONYMOUS = Caller(key="anonymous", tenant="local", admin=True)
