"""Headers that say what is left."""

from collections.abc import Callable, Mapping

import pytest

from gateway.domain.limits import Limits
from gateway.domain.operation import Operation
from gateway.domain.quota import Bucket, Calendar, Denied, Measure, Portion, Sliding, Taken, Window
from gateway.pipeline.limiter import Limiter, RequestTab
from gateway.web.limits import limit_headers

# Half past eleven in the morning, UTC.
NOW = 20_000 * 86_400 + 41_400


class Counters:
    async def take(self, holder: str, wanted: tuple[Portion, ...]) -> Taken | Denied:
        raise NotImplementedError

    async def settle(self, taken: Taken, used: Mapping[Measure, int]) -> None:
        raise NotImplementedError


@pytest.fixture
def tab() -> Callable[..., RequestTab]:
    def make(*left: Portion) -> RequestTab:
        made = RequestTab(Limiter(Limits(), Counters()), "id", "split", Operation.CHAT)
        made.left = left
        return made

    return make


def left(amount: int, limit: int, window: Window, measure: Measure = Measure.REQUESTS) -> Portion:
    bucket = Bucket(rule="r", subject="key:k", measure=measure, window=window, limit=limit)
    return Portion(bucket=bucket, amount=amount)


MINUTE, DAY = Sliding(seconds=60), Calendar(unit="day")


def test_each_vendor_has_names_of_its_own(tab: Callable[..., RequestTab]) -> None:
    told = tab(left(3, 60, MINUTE), left(5000, 9000, MINUTE, Measure.TOKENS))
    assert limit_headers(told, "openai", lambda: NOW) == (
        (b"x-ratelimit-limit-requests", b"60"),
        (b"x-ratelimit-remaining-requests", b"3"),
        (b"x-ratelimit-reset-requests", b"60s"),
        (b"x-ratelimit-limit-tokens", b"9000"),
        (b"x-ratelimit-remaining-tokens", b"5000"),
        (b"x-ratelimit-reset-tokens", b"60s"),
    )
    assert limit_headers(told, "anthropic", lambda: NOW)[:3] == (
        (b"anthropic-ratelimit-requests-limit", b"60"),
        (b"anthropic-ratelimit-requests-remaining", b"3"),
        (b"anthropic-ratelimit-requests-reset", b"2024-10-04T11:31:00Z"),
    )


@pytest.mark.parametrize("order", [slice(None), slice(None, None, -1)])
def test_the_fullest_is_told(tab: Callable[..., RequestTab], order: slice) -> None:
    told = tab(*(left(30, 60, MINUTE), left(100, 5000, DAY), left(40, 60, MINUTE))[order])
    assert dict(limit_headers(told, "openai", lambda: NOW)) == {
        b"x-ratelimit-limit-requests": b"5000",
        b"x-ratelimit-remaining-requests": b"100",
        b"x-ratelimit-reset-requests": b"45000s",
    }


def test_money_is_told_to_nobody(tab: Callable[..., RequestTab]) -> None:
    assert limit_headers(tab(left(1, 9, DAY, Measure.MONEY)), "openai") == ()


def test_where_nothing_is_counted_nothing_is_told(tab: Callable[..., RequestTab]) -> None:
    assert limit_headers(None, "openai") == ()
    assert limit_headers(tab(), "anthropic") == ()
