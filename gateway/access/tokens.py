"""Who is it that a token speaks for?

What was verified once is remembered by the token's SHA-256 until the token ends or its issuer's keys change, so that a
caller who sends it again costs a look-up.
"""

import hashlib
import time
from collections import OrderedDict
from collections.abc import Callable, Collection, Sequence
from typing import Final

from gateway.access.claimed import caller_of
from gateway.access.issuer_keys import IssuerKeys
from gateway.access.signing_keys import SigningKeys
from gateway.access.token import expect_sort, take_apart, verify
from gateway.configuration.values import OidcSettings
from gateway.domain.errors import InvalidToken
from gateway.domain.identity import Caller
from gateway.domain.value import value

MOST_REMEMBERED: Final = 4096


@value
class Issuer:
    """An issuer as it was configured, and its keys."""

    settings: OidcSettings
    keys: IssuerKeys


@value
class _Verified:
    """A caller, until when (seconds since the epoch), and while which keys of its issuer count."""

    caller: Caller
    until: float
    issuer: Issuer
    by: SigningKeys


class Tokens:
    """The tokens of all issuers; ``models`` are those configured."""

    def __init__(
        self, issuers: Sequence[Issuer], models: Collection[str], now: Callable[[], float] = time.time
    ) -> None:
        self._issuers = {issuer.settings.issuer: issuer for issuer in issuers}
        self._models = models
        self._now = now
        self._verified: OrderedDict[bytes, _Verified] = OrderedDict()

    async def caller(self, token: bytes) -> Caller:
        """The caller behind a token.

        Raises:
            InvalidToken: it does not show one.
            CredentialExpired: it has ended.
            SignInUnavailable: it cannot be checked at present.
        """
        digest = hashlib.sha256(token).digest()
        known = self._verified.get(digest)
        if known is not None:
            if known.until > self._now() and known.by is known.issuer.keys.current:
                self._verified.move_to_end(digest)
                return known.caller
            del self._verified[digest]
        found = await self._verify(token)
        self._verified[digest] = found
        if len(self._verified) > MOST_REMEMBERED:
            self._verified.popitem(last=False)
        return found.caller

    async def _verify(self, token: bytes) -> _Verified:
        taken = take_apart(token)
        issuer = self._issuers.get(taken.issuer)
        if issuer is None:
            raise InvalidToken("the token's issuer is not in `auth.oidc` of the configuration")
        expect_sort(taken, issuer.settings)
        key, by = await issuer.keys.key(taken.kid, taken.algorithm)
        until = verify(taken, key, issuer.settings, self._now())
        caller = caller_of(taken.claims, issuer.settings, self._models)
        return _Verified(caller=caller, until=until, issuer=issuer, by=by)
