"""A worker's counters over Redis, put together by the settings."""

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from gateway.audit.events import NO_EVENTS
from gateway.configuration.redis import RedisSettings
from gateway.counted_together import address_of, counted_together
from gateway.domain.errors import LimitReached, LimitsUnavailable
from gateway.domain.identity import ANONYMOUS
from gateway.domain.operation import Operation
from gateway.domain.quota import Bucket, Calendar, Measure, Portion, Sliding, Taken
from gateway.domain.request import ClientRequest
from gateway.limited import limited
from gateway.pipeline.limiter import RequestTab
from gateway.settings import load
from gateway.stores.share import Share
from gateway.telemetry import families
from gateway.telemetry.together import TogetherFigures
from gateway.telemetry.totals import Totals

MINUTE = Bucket(rule="r", subject="s", measure=Measure.REQUESTS, window=Sliding(seconds=60), limit=8)
MONTH = Bucket(rule="m", subject="s", measure=Measure.TOKENS, window=Calendar(unit="month"), limit=80)


def _settings(port: int) -> RedisSettings:
    return RedisSettings(
        host="127.0.0.1",
        port=port,
        db=0,
        tls=False,
        cluster=False,
        username=None,
        password=None,
        ca_file=None,
        cert_file=None,
        key_file=None,
        prefix="test",
        timeout_s=0.1,
        replicas=2,
        on_failure="local",
    )


async def _taken(counters: Any, bucket: Bucket, amount: int) -> int:
    """How often so much of it is given out."""
    count = 0
    while isinstance(await counters.take(f"h{count}", (Portion(bucket=bucket, amount=amount),)), Taken):
        count += 1
    return count


async def test_without_redis_a_worker_gives_out_its_part_of_short_and_long_windows(
    redis: Any, between: Callable[..., AbstractAsyncContextManager[Any]]
) -> None:
    totals = Totals()
    figures = TogetherFigures(totals, "2")
    async with between(redis.port) as way:
        way.fault = "close"
        async with counted_together(_settings(way.port), Share(number=2, of=2), NO_EVENTS, figures) as counters:
            assert await _taken(counters, MINUTE, 1) == 2
            assert await _taken(counters, MONTH, 10) == 2
    assert totals.of(families.LIMITS_TOGETHER) == {("2",): 0.0}
    assert totals.of(families.LIMITS_CHANGES) == {("alone",): 1.0}


async def test_with_redis_a_worker_gives_out_all_that_is_there(redis: Any) -> None:
    totals = Totals()
    figures = TogetherFigures(totals, "1")
    async with counted_together(_settings(redis.port), Share(number=1, of=2), NO_EVENTS, figures) as counters:
        assert await _taken(counters, MINUTE, 1) == 8
        assert await _taken(counters, MONTH, 10) == 8
    assert totals.of(families.LIMITS_TOGETHER) == {("1",): 1.0}
    assert sum(totals.histogram(families.LIMITS_SECONDS).row(())[:-1]) == 18


async def test_where_the_settings_say_so_nothing_passes_without_it(
    redis: Any, between: Callable[..., AbstractAsyncContextManager[Any]]
) -> None:
    async with between(redis.port) as way:
        way.fault = "close"
        settings = replace(_settings(way.port), on_failure="close")
        async with counted_together(settings, Share(), NO_EVENTS, None) as counters:
            with pytest.raises(LimitsUnavailable):
                await counters.take("h", (Portion(bucket=MINUTE, amount=1),))


async def test_workers_of_a_configuration_that_names_redis_share_what_it_allows(redis: Any, tmp_path: Path) -> None:
    file = tmp_path / "splitgate.yaml"
    file.write_text(
        "models: {m: {targets: [{provider: embedded}]}}\n"
        "limits: {rules: [{name: r, per: gateway, requests: [3/hour], concurrent: 9}], "
        f"redis: {{url: 'redis://127.0.0.1:{redis.port}', timeout_ms: 500}}}}\n"
    )
    settings = load(file, {})
    asked = ClientRequest(dialect="split", model="m", messages=())
    refused = 0
    async with limited(settings, Share(number=1, of=2)) as one, limited(settings, Share(number=2, of=2)) as other:
        for number, limiter in enumerate([one, other, one, other]):
            assert limiter is not None
            tab = RequestTab(limiter, f"id-{number}", "split", Operation.CHAT)
            try:
                await tab.take(asked, ANONYMOUS, settings.models["m"])
            except LimitReached:
                refused += 1
            tab.close()
    assert refused == 1
    assert redis.say("ZCARD", "{splitgate}:r:gateway:concurrent:now").startswith(":0"), "all of them are over"


def test_files_count_only_with_tls(certificates: Any) -> None:
    settings = replace(_settings(1), ca_file=certificates.ca, cert_file=certificates.client)
    assert address_of(settings).tls is None
    files = address_of(replace(settings, tls=True)).tls
    assert files is not None
    assert (files.ca, files.cert, files.key) == (certificates.ca, certificates.client, None)
