import pytest

from gateway.configuration.rates import budget_of, rate_of
from gateway.domain.quota import Calendar, Sliding, Window


@pytest.mark.rows
@pytest.mark.parametrize(
    ("text", "amount", "window"),
    [
        ("60/minute", 60, Sliding(seconds=60)),
        ("60 per minute", 60, Sliding(seconds=60)),
        ("1/second", 1, Sliding(seconds=1)),
        ("100/15 minutes", 100, Sliding(seconds=900)),
        ("7/2hours", 7, Sliding(seconds=7200)),
        ("5000/day", 5000, Calendar(unit="day")),
        ("9/month", 9, Calendar(unit="month")),
    ],
)
def test_a_rate_is_an_amount_in_a_window(text: str, amount: int, window: Window) -> None:
    assert rate_of(text) == (amount, window)


@pytest.mark.rows
@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("60", "is no rate"),
        ("60/fortnight", "is no rate"),
        ("-1/minute", "is no rate"),
        ("1.5/minute", "is no rate"),
        ("planted/minute", "is no rate"),
        ("1/second; 5/minute", "several rates"),
        ("0/minute", "more than 0"),
        ("9999999999999999999/minute", "at most"),
        ("1/2 days", "those of the calendar"),
        ("1/year", "those of the calendar"),
        ("1/800 hours", "744 hours"),
        ("1/0 minutes", "no length"),
    ],
)
def test_what_is_none_is_told(text: str, fault: str) -> None:
    with pytest.raises(ValueError, match=fault):
        rate_of(text)


@pytest.mark.rows
@pytest.mark.parametrize(
    ("text", "amount", "window"),
    [
        ("50/day", 50_000_000, Calendar(unit="day")),
        ("12.50/hour", 12_500_000, Sliding(seconds=3600)),
        ("0.000001 per month", 1, Calendar(unit="month")),
    ],
)
def test_money_may_have_decimals(text: str, amount: int, window: Window) -> None:
    assert budget_of(text) == (amount, window)


@pytest.mark.rows
@pytest.mark.parametrize(
    "text", ["50", "0/day", "0.0/day", "1.1234567/day", "1e3/day", "-5/day", "5/day;6/day", "5 USD/day", ".5/day"]
)
def test_what_is_no_budget_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"must be|is no rate|several|more than 0"):
        budget_of(text)
