"""What was left of budgets when Redis was last heard of."""

from dataclasses import replace

from gateway.domain.quota import Bucket, Calendar, Measure, Portion, Sliding
from gateway.stores._last_heard import LastHeard

DAY_S = 86_400.0
BUDGET = Bucket(rule="b", subject="key:a", measure=Measure.MONEY, window=Calendar(unit="day"), limit=100)
MINUTE = replace(BUDGET, rule="m", window=Sliding(seconds=60))


def _one(bucket: Bucket, amount: int = 1) -> tuple[Portion, ...]:
    return (Portion(bucket=bucket, amount=amount),)


def test_a_process_gives_out_a_share_of_what_was_left() -> None:
    heard = LastHeard()
    heard.told(_one(BUDGET, 30), 10 * DAY_S)
    assert heard.without_redis(_one(BUDGET), 10.9 * DAY_S) == _one(replace(BUDGET, limit=30))


def test_the_next_day_begins_anew() -> None:
    heard = LastHeard()
    heard.told(_one(BUDGET, 0), 10 * DAY_S)
    assert heard.without_redis(_one(BUDGET), 10.9 * DAY_S) == _one(replace(BUDGET, limit=0))
    assert heard.without_redis(_one(BUDGET), 11 * DAY_S) == _one(BUDGET)


def test_sliding_windows_and_what_was_never_heard_of_are_as_configured() -> None:
    heard = LastHeard()
    heard.told(_one(MINUTE, 5), 10 * DAY_S)
    assert heard.without_redis((*_one(MINUTE), *_one(BUDGET)), 10 * DAY_S) == (*_one(MINUTE), *_one(BUDGET))


def test_those_not_asked_for_for_longest_are_forgotten() -> None:
    heard = LastHeard(most=2)
    buckets = [replace(BUDGET, subject=f"key:{name}") for name in "abc"]
    for bucket in (buckets[0], buckets[1], buckets[0], buckets[2]):
        heard.told(_one(bucket, 5), 10 * DAY_S)
    found = [heard.without_redis(_one(bucket), 10 * DAY_S)[0].bucket.limit for bucket in buckets]
    assert found == [5, 100, 5]
