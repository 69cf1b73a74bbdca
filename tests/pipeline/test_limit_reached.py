from math import inf

import pytest

from gateway.domain.errors import BudgetSpent, LimitReached, limit_told
from gateway.domain.limits import LimitRule, Per
from gateway.domain.quota import Bucket, Calendar, Denied, InProgress, Measure, Sliding, Window
from gateway.pipeline.limit_reached import reached


def refused(
    window: Window,
    measure: Measure = Measure.REQUESTS,
    *per: Per,
    limit: int = 60,
    amount: int = 1,
    after: float = 11.2,
) -> LimitReached:
    bucket = Bucket(rule="r", subject="s", measure=measure, window=window, limit=limit)
    rule = LimitRule(name="r", per=per or (Per.KEY,), allows=())
    return reached(Denied(bucket=bucket, retry_after_s=after), rule, amount, "EUR")


MINUTE, DAY = Sliding(seconds=60), Calendar(unit="day")


@pytest.mark.rows
@pytest.mark.parametrize(
    ("error", "words"),
    [
        (refused(MINUTE), "the limit `r` is reached: 60 requests per minute for this key; send it again later"),
        (
            refused(MINUTE, Measure.TOKENS, Per.KEY, Per.MODEL),
            "the limit `r` is reached: 60 tokens per minute for this key and model; send it again later",
        ),
        (
            refused(InProgress(), Measure.CONCURRENT, Per.TENANT),
            "the limit `r` is reached: 60 requests at once for this tenant; send it again when another one is over",
        ),
        (
            refused(DAY, Measure.MONEY, Per.GATEWAY, limit=12_500_000),
            (
                "the budget `r` leaves too little: 12.5 EUR per day for all callers together; it begins anew with the "
                "next day (UTC), or have `r` raised"
            ),
        ),
        (
            refused(MINUTE, Measure.REQUESTS, Per.MODEL),
            (
                "the limit `r` is reached: 60 requests per minute for this model, all callers together; "
                "send it again later"
            ),
        ),
    ],
)
def test_it_says_what_is_allowed_and_what_to_do(error: LimitReached, words: str) -> None:
    assert error.message == words


def test_it_is_told_to_programs_as_well() -> None:
    assert limit_told(refused(MINUTE)) == {"rule": "r", "measure": "requests", "window": "minute"}


def test_money_that_is_spent_has_a_code_of_its_own() -> None:
    assert isinstance(refused(DAY, Measure.MONEY), BudgetSpent)
    assert (refused(DAY, Measure.MONEY).code, refused(DAY).code) == ("budget_spent", "rate_limited")


@pytest.mark.rows
@pytest.mark.parametrize(("after", "told"), [(0.001, 1), (1.0, 1), (11.2, 12), (86_399.5, 86_400)])
def test_seconds_are_whole_and_at_least_one(after: float, told: int) -> None:
    assert refused(MINUTE, after=after).retry_after_s == told


@pytest.mark.rows
@pytest.mark.parametrize("after", [0.001, 11.2, 59.0])
def test_who_shares_a_limit_is_not_told_when_the_others_used_it(after: float) -> None:
    assert refused(MINUTE, Measure.REQUESTS, Per.GATEWAY, after=after).retry_after_s == 6
    assert refused(Sliding(seconds=1), Measure.REQUESTS, Per.MODEL, after=after).retry_after_s == 1


@pytest.mark.parametrize("error", [refused(MINUTE, amount=61), refused(MINUTE, Measure.TOKENS, amount=40, after=inf)])
def test_what_never_fits_is_not_to_be_sent_again(error: LimitReached) -> None:
    assert not error.waiting_helps
    assert "this request alone may come to more" in error.message
    assert 1 <= error.retry_after_s <= 60


def test_what_fits_another_time_is() -> None:
    assert refused(MINUTE, amount=60).waiting_helps
