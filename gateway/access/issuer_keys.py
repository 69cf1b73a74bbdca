"""Which signing keys of an issuer count at present?

They are fetched now and then, and when a token names one that is not known: one fetch at a time, and not more often
than every few seconds, so that made-up names cannot cause a storm. Whoever shows a token of a known key never waits for
any of it. While nothing can be fetched known keys go on to count for a time, and unknown ones are refused.
"""

import asyncio
import logging
import random
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Final

from gateway.access.fetch import NotFetched
from gateway.access.signing_keys import PublicKey, SigningKeys
from gateway.domain.errors import InvalidToken, SignInUnavailable

_log: Final = logging.getLogger("splitgate.keys")

# The first and the longest pause after a failure.
_AFTER_FAILURE_S: Final = (2.0, 60.0)
# Workers that started together should not fetch together for ever.
_SPREAD: Final = (0.9, 1.1)


class IssuerKeys:
    """The keys of the issuer ``name`` in this worker; ``start`` and ``close`` bound the time in which they are kept.

    Fetches that tokens ask for are ``cooldown_s`` apart.
    """

    def __init__(
        self,
        name: str,
        fetch: Callable[[], Awaitable[SigningKeys]],
        *,
        refresh_s: float,
        keep_s: float,
        cooldown_s: float,
        ticks: Callable[[], float] = time.monotonic,
    ) -> None:
        self._name = name
        self._fetch = fetch
        self._refresh_s = refresh_s
        self._keep_s = keep_s
        self._cooldown_s = cooldown_s
        self._ticks = ticks
        self._keys: SigningKeys | None = None
        self._fetched_at = self._tried_at = float("-inf")
        # Failures since the last success.
        self._failures = 0
        self._fetching: asyncio.Task[None] | None = None
        self._keeping: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Fetch the keys, and go on to."""
        self._keeping = asyncio.create_task(self._keep())

    async def close(self) -> None:
        """Stop fetching."""
        for task in (self._keeping, self._fetching):
            if task is not None:
                task.cancel()
                with suppress(asyncio.CancelledError):
                    await task

    @property
    def current(self) -> SigningKeys | None:
        """What counts now; None where nothing was fetched for too long."""
        return self._keys if self._ticks() - self._fetched_at <= self._keep_s else None

    async def key(self, kid: str | None, algorithm: str) -> tuple[PublicKey, SigningKeys]:
        """The key that a token names, and the keys that it is one of.

        Raises:
            InvalidToken: the issuer has no such key.
            SignInUnavailable: whether it has cannot be told.
        """
        found = self._known(kid, algorithm)
        if found is None and await self._asked_anew():
            found = self._known(kid, algorithm)
        if found is not None:
            return found
        if self.current is None or self._failures:
            raise SignInUnavailable("the issuer's signing keys cannot be fetched at present; try again in a while")
        raise InvalidToken("the token's signing key is not among its issuer's; sign in anew")

    def _known(self, kid: str | None, algorithm: str) -> tuple[PublicKey, SigningKeys] | None:
        current = self.current
        found = None if current is None else current.fitting(kid, algorithm)
        return None if current is None or found is None else (found, current)

    async def _asked_anew(self) -> bool:
        """Whether the keys were fetched because of this, or while this waited."""
        if self._fetching is None and self._ticks() - self._tried_at < self._cooldown_s:
            return False
        # Not by awaiting it: a request that is cancelled must not end what others wait for.
        await asyncio.wait({self._begun()})
        return True

    def _begun(self) -> "asyncio.Task[None]":
        if self._fetching is None:
            self._tried_at = self._ticks()
            self._fetching = asyncio.create_task(self._once())
        return self._fetching

    async def _once(self) -> None:
        try:
            fetched = await self._fetch()
        except NotFetched as error:
            self._failed(str(error))
        except Exception as error:  # noqa: BLE001 — whatever it was, keys that are known go on to count
            self._failed(f"the gateway failed ({type(error).__name__})")
        else:
            self._succeeded(fetched)
        finally:
            self._fetching = None

    def _succeeded(self, fetched: SigningKeys) -> None:
        # The same keys stay the same object: what was verified by them need not be again.
        if self._keys is None or self._keys.raw != fetched.raw:
            self._keys = fetched
            _log.info("%d signing keys of %s are known", len(fetched), self._name)
        if self._failures:
            _log.info("the signing keys of %s can be fetched again", self._name)
        self._failures = 0
        self._fetched_at = self._ticks()

    def _failed(self, why: str) -> None:
        self._failures += 1
        if self._failures == 1:
            left = self._fetched_at + self._keep_s - self._ticks()
            stand = "none is known" if self._keys is None else f"those known count for {max(0, round(left))} s more"
            _log.error("the signing keys of %s cannot be fetched, %s: %s", self._name, stand, why)

    async def _keep(self) -> None:
        while True:
            await asyncio.wait({self._begun()})
            await asyncio.sleep(pause(self._failures, self._refresh_s))


def pause(failures: int, refresh_s: float) -> float:
    """Seconds until the next fetch after so many failures, longer each time; ``refresh_s`` or so after a success."""
    first, longest = _AFTER_FAILURE_S
    meant = min(longest, first * 2.0 ** min(failures - 1, 10)) if failures else refresh_s
    return meant * random.uniform(*_SPREAD)  # noqa: S311 - no secret hangs on it
