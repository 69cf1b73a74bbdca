import asyncio
import logging
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from gateway.telemetry import families
from gateway.telemetry.publish import Publishing
from gateway.telemetry.totals import Totals

Samples = dict[str, float]
GRANT = "splitgate_break_glass"


async def test_a_scrape_shows_what_this_worker_counted_until_now(
    tmp_path: Path, read_samples: Callable[[str], Samples]
) -> None:
    totals = Totals()
    async with Publishing(tmp_path, "1", totals) as publishing:
        totals.of(families.ERRORS)[("client_gone",)] += 1
        found = read_samples((await publishing.scrape()).decode())
        assert found["splitgate_errors_total code=client_gone"] == 1.0


async def test_another_workers_scrape_lags_by_a_quarter_of_a_second(
    tmp_path: Path, read_samples: Callable[[str], Samples]
) -> None:
    totals = Totals()
    async with Publishing(tmp_path, "1", totals), Publishing(tmp_path, "2", Totals()) as other:
        totals.of(families.ERRORS)[("client_gone",)] += 1
        began = time.monotonic()
        while "splitgate_errors_total code=client_gone" not in read_samples((await other.scrape()).decode()):
            assert time.monotonic() - began < 10, "waited in vain"
            await asyncio.sleep(0.02)


async def test_what_was_counted_last_is_written_at_the_end(tmp_path: Path, samples: Callable[[Path], Samples]) -> None:
    totals = Totals()
    async with Publishing(tmp_path, "1", totals):
        totals.of(families.ERRORS)[("client_gone",)] += 1
    assert samples(tmp_path)["splitgate_errors_total code=client_gone"] == 1.0


async def test_figures_are_read_before_a_scrape(tmp_path: Path, read_samples: Callable[[str], Samples]) -> None:
    totals = Totals()

    def read() -> None:
        totals.of(families.BREAK_GLASS)[()] = 1.0

    async with Publishing(tmp_path, "1", totals) as publishing:
        assert read_samples((await publishing.scrape()).decode())[GRANT] == 0.0
        publishing.read(read)
        assert read_samples((await publishing.scrape()).decode())[GRANT] == 1.0


async def test_a_reading_that_fails_is_told_once_and_ends_nothing(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    failing = True

    def read() -> None:
        if failing:
            raise OSError("planted-path")

    with caplog.at_level(logging.ERROR):
        async with Publishing(tmp_path, "1", Totals()) as publishing:
            publishing.read(read)
            for _ in range(3):
                await publishing.scrape()
            assert len(caplog.records) == 1
            failing = False
            await publishing.scrape()
            failing = True
            await publishing.scrape()
    assert [record.getMessage() for record in caplog.records] == [
        "metrics cannot be written (OSError): is the folder for temporary files full?"
    ] * 2
