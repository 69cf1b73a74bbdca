"""When are keys fetched, and what counts meanwhile? Time and the issuer are the test's own."""

import asyncio
import logging
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any, Protocol

import pytest

from gateway.access.fetch import NotFetched
from gateway.access.issuer_keys import IssuerKeys, pause
from gateway.access.signing_keys import SigningKeys
from gateway.domain.errors import InvalidToken, SignInUnavailable

Eventually = Callable[[Callable[[], bool]], Awaitable[None]]
RSA = "RS256"


class Issuer(Protocol):
    def jwks(self, *kids: str, **more: Any) -> bytes: ...


@dataclass(kw_only=True)
class Site:
    """Says what is fetched: a set's bytes, or why there is none; ``gate`` holds fetches up."""

    now: float = 1000.0
    says: bytes | str = ""
    fetches: int = 0
    gate: asyncio.Event = field(default_factory=asyncio.Event)

    async def fetch(self) -> SigningKeys:
        self.fetches += 1
        await self.gate.wait()
        if isinstance(self.says, str):
            raise NotFetched(self.says)
        return SigningKeys(self.says)

    @asynccontextmanager
    async def running(self, **more: Any) -> AsyncGenerator[IssuerKeys]:
        """Keys that were fetched once, unless that is held up."""
        timing = {"refresh_s": 600.0, "keep_s": 86_400.0, "cooldown_s": 5.0, **more}
        keys = IssuerKeys("corp", self.fetch, ticks=lambda: self.now, **timing)
        keys.start()
        try:
            if self.gate.is_set():
                with suppress(InvalidToken, SignInUnavailable):
                    await keys.key("none", RSA)
            yield keys
        finally:
            await keys.close()


async def kind_of(keys: IssuerKeys, kid: str = "rsa") -> str:
    return (await keys.key(kid, RSA))[0].key_type


@pytest.fixture
def site(issuer: Issuer) -> Site:
    made = Site(says=issuer.jwks("rsa"))
    made.gate.set()
    return made


async def test_the_keys_are_there_from_the_start(site: Site) -> None:
    async with site.running() as keys:
        key, by = await keys.key("rsa", RSA)
        assert key.key_type == "RSA"
        assert by is keys.current
    assert site.fetches == 1


async def test_who_comes_first_waits_for_the_first_keys(site: Site) -> None:
    site.gate.clear()
    async with site.running() as keys:
        asking = [asyncio.create_task(keys.key("rsa", RSA)) for _ in range(20)]
        await asyncio.sleep(0.01)
        assert not any(task.done() for task in asking)
        site.gate.set()
        assert all(await asyncio.gather(*asking))
    assert site.fetches == 1


async def test_an_unknown_key_is_asked_for_and_a_new_one_found(site: Site, issuer: Issuer) -> None:
    async with site.running() as keys:
        site.says = issuer.jwks("rsa", "old")
        site.now += 6
        assert await kind_of(keys, "old") == "RSA"
        assert site.fetches == 2


async def test_made_up_names_cause_no_storm(site: Site) -> None:
    async with site.running() as keys:
        site.now += 6
        for number in range(500):
            with pytest.raises(InvalidToken):
                await keys.key(f"made-up-{number}", RSA)
        assert site.fetches == 2
        site.now += 6
        asked = await asyncio.gather(*[keys.key(f"more-{n}", RSA) for n in range(100)], return_exceptions=True)
        assert {type(one) for one in asked} == {InvalidToken}
        assert site.fetches == 3


async def test_a_fetch_that_hangs_holds_up_nobody_whose_key_is_known(site: Site, eventually: Eventually) -> None:
    async with site.running() as keys:
        site.gate.clear()
        site.now += 6
        hanging = asyncio.create_task(keys.key("other", RSA))
        await eventually(lambda: site.fetches == 2)
        async with asyncio.timeout(1):
            assert await kind_of(keys) == "RSA"
        assert not hanging.done()
        hanging.cancel()
        # What others wait for goes on.
        waiting = asyncio.create_task(keys.key("third", RSA))
        await asyncio.sleep(0)
        site.gate.set()
        with pytest.raises(InvalidToken):
            await waiting
        assert site.fetches == 2


async def test_while_the_issuer_is_down_known_keys_count_for_a_time_and_others_cannot_be_told(
    site: Site, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "splitgate.keys")
    async with site.running(keep_s=100.0) as keys:
        site.says = "no answer came in time"
        site.now += 90
        with pytest.raises(SignInUnavailable):
            await keys.key("other", RSA)
        assert await kind_of(keys) == "RSA"
        site.now += 11
        assert keys.current is None
        for _ in range(2):
            with pytest.raises(SignInUnavailable):
                await keys.key("rsa", RSA)
            site.now += 6
    (said,) = [record.getMessage() for record in caplog.records if record.levelno == logging.ERROR]
    assert said == "the signing keys of corp cannot be fetched, those known count for 10 s more: no answer came in time"


async def test_an_issuer_that_is_back_is_believed_again(
    site: Site, issuer: Issuer, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "splitgate.keys")
    site.says = "the call failed (ConnectError)"
    async with site.running() as keys:
        assert keys.current is None
        with pytest.raises(SignInUnavailable):
            await keys.key("rsa", RSA)
        site.says = issuer.jwks("rsa")
        site.now += 6
        assert await kind_of(keys) == "RSA"
        with pytest.raises(InvalidToken):
            await keys.key("other", RSA)
    told = [record.getMessage() for record in caplog.records]
    assert told == [
        "the signing keys of corp cannot be fetched, none is known: the call failed (ConnectError)",
        "1 signing keys of corp are known",
        "the signing keys of corp can be fetched again",
    ]


async def test_a_key_that_the_issuer_took_back_counts_no_more(site: Site, issuer: Issuer) -> None:
    async with site.running() as keys:
        before = keys.current
        site.says = issuer.jwks("old")
        site.now += 6
        assert await kind_of(keys, "old") == "RSA"
        assert keys.current is not before
        with pytest.raises(InvalidToken):
            await keys.key("rsa", RSA)


async def test_the_same_keys_stay_the_same_object(site: Site) -> None:
    async with site.running() as keys:
        before = keys.current
        site.now += 6
        with pytest.raises(InvalidToken):
            await keys.key("other", RSA)
        assert site.fetches == 2
        assert keys.current is before


async def test_keys_are_fetched_anew_without_anybody_asking(site: Site, eventually: Eventually) -> None:
    async with site.running(refresh_s=0.02):
        await eventually(lambda: site.fetches > 3)


@pytest.mark.rows
@pytest.mark.parametrize(("failures", "seconds"), [(1, 2), (2, 4), (3, 8), (8, 60), (2000, 60), (0, 600)])
def test_after_failures_it_is_tried_ever_less_often(failures: int, seconds: float) -> None:
    assert all(0.9 * seconds <= pause(failures, 600) <= 1.1 * seconds for _ in range(50))


async def test_a_fetch_that_breaks_in_an_unforeseen_way_ends_nothing(
    site: Site, caplog: pytest.LogCaptureFixture
) -> None:
    async def breaks() -> SigningKeys:
        raise RuntimeError("planted")

    keys = IssuerKeys("corp", breaks, refresh_s=600, keep_s=600, cooldown_s=5, ticks=lambda: site.now)
    with pytest.raises(SignInUnavailable):
        await keys.key("rsa", RSA)
    await keys.close()
    assert "RuntimeError" in caplog.text
    assert "planted" not in caplog.text
