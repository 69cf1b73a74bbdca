"""Periods and waits."""

import calendar
from datetime import UTC, datetime
from math import inf

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.domain.quota import Bucket, Calendar, InProgress, Measure, Portion, Sliding, Window
from gateway.stores._windows import period_of, used_in, wait_s

MS = st.integers(0, 4_000_000_000_000)


def _portion(window: Window, amount: int, limit: int) -> Portion:
    bucket = Bucket(rule="r", subject="s", measure=Measure.TOKENS, window=window, limit=limit)
    return Portion(bucket=bucket, amount=amount)


@given(ms=MS, seconds=st.integers(1, 100_000))
def test_a_moment_lies_in_its_period(ms: int, seconds: int) -> None:
    assert period_of(Sliding(seconds=seconds), ms / 1000) * seconds <= ms // 1000
    assert ms / 1000 < (period_of(Sliding(seconds=seconds), ms / 1000) + 1) * seconds


@pytest.mark.rows
@pytest.mark.parametrize(
    ("window", "moment", "next_one"),
    [
        (Calendar(unit="day"), "2026-02-28T23:59:59.999", "2026-03-01T00:00:00.000"),
        (Calendar(unit="day"), "2024-02-28T23:59:59.999", "2024-02-29T00:00:00.000"),
        (Calendar(unit="month"), "2026-12-31T23:59:59.999", "2027-01-01T00:00:00.000"),
        (Calendar(unit="month"), "2024-02-29T23:59:59.999", "2024-03-01T00:00:00.000"),
    ],
)
def test_days_and_months_end_at_midnight_in_utc(window: Calendar, moment: str, next_one: str) -> None:
    before, after = (datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp() for text in (moment, next_one))
    assert period_of(window, after) == period_of(window, before) + 1
    full = _portion(window, 1, 10)
    assert wait_s(full, present=10, before=0, at=before) == pytest.approx(0.001, abs=0.0005)
    assert wait_s(full, present=10, before=0, at=after) > 86_000


@given(ms=MS, seconds=st.integers(1, 1000), limit=st.integers(1, 1000), data=st.data())
def test_there_is_room_after_the_wait_and_none_before_it(
    ms: int, seconds: int, limit: int, data: st.DataObject
) -> None:
    amount = data.draw(st.integers(1, limit))
    present, before = data.draw(st.integers(0, 2 * limit)), data.draw(st.integers(0, 2 * limit))
    window = Sliding(seconds=seconds)

    def used(at: int) -> int:
        """At ``at`` milliseconds, if nothing is used meanwhile."""
        gone = period_of(window, at / 1000) - period_of(window, ms / 1000)
        counts = [(present, before), (0, present), (0, 0)][min(gone, 2)]
        return used_in(window, present=counts[0], before=counts[1], at=at / 1000)

    if used(ms) + amount <= limit:
        return
    wait = round(wait_s(_portion(window, amount, limit), present=present, before=before, at=ms / 1000) * 1000)
    assert used(ms + wait) + amount <= limit
    assert used(ms + wait - 1) + amount > limit


@pytest.mark.rows
@pytest.mark.parametrize("window", [Sliding(seconds=60), Calendar(unit="month"), InProgress()])
def test_what_is_over_the_limit_by_itself_never_fits(window: Window) -> None:
    assert wait_s(_portion(window, 11, 10), present=0, before=0, at=0.0) == inf
    assert wait_s(_portion(window, 10, 10), present=10, before=0, at=0.0) < inf


def test_months_are_counted_as_the_calendar_has_them() -> None:
    for year in (1999, 2000, 2023, 2024, 2100):
        for month in range(1, 13):
            last = calendar.monthrange(year, month)[1]
            days = [datetime(year, month, day, 12, tzinfo=UTC).timestamp() for day in (1, last)]
            assert [period_of(Calendar(unit="month"), day) for day in days] == [year * 12 + month - 1] * 2


def test_a_place_in_progress_has_no_period() -> None:
    assert period_of(InProgress(), 1e9) == 0
    assert used_in(InProgress(), present=3, before=9, at=0.0) == 3
