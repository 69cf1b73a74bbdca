from datetime import UTC, datetime

import pytest

from gateway.domain.period import period_of
from gateway.domain.quota import Calendar


def at(*moment: int) -> float:
    return datetime(*moment, tzinfo=UTC).timestamp()  # type: ignore[arg-type]


@pytest.mark.rows
@pytest.mark.parametrize(
    ("moment", "start", "end"),
    [
        ((2026, 11, 30), (2026, 11, 30), (2026, 12, 1)),
        ((2026, 11, 30, 23, 59, 59), (2026, 11, 30), (2026, 12, 1)),
        ((2026, 12, 1), (2026, 12, 1), (2026, 12, 2)),
        ((2028, 2, 28, 12), (2028, 2, 28), (2028, 2, 29)),
    ],
)
def test_a_day_is_one_of_the_calendar_in_utc(
    moment: tuple[int, ...], start: tuple[int, ...], end: tuple[int, ...]
) -> None:
    period = period_of(Calendar(unit="day"), at(*moment))
    assert (period.start, period.end) == (at(*start), at(*end))


@pytest.mark.rows
@pytest.mark.parametrize(
    ("moment", "start", "end"),
    [
        ((2026, 1, 31, 23, 59, 59), (2026, 1, 1), (2026, 2, 1)),
        ((2026, 2, 1), (2026, 2, 1), (2026, 3, 1)),
        ((2028, 2, 29), (2028, 2, 1), (2028, 3, 1)),
        ((2026, 12, 31), (2026, 12, 1), (2027, 1, 1)),
    ],
)
def test_a_month_ends_where_the_next_one_begins(
    moment: tuple[int, ...], start: tuple[int, ...], end: tuple[int, ...]
) -> None:
    period = period_of(Calendar(unit="month"), at(*moment))
    assert (period.start, period.end) == (at(*start), at(*end))
