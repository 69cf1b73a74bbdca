import time
from collections.abc import Callable
from dataclasses import replace

import pytest

from gateway.domain.evidence import Ended
from gateway.domain.operation import Operation
from gateway.telemetry import families
from gateway.telemetry.counting import Counting
from gateway.telemetry.families import UNKNOWN, Family
from gateway.telemetry.totals import Labels, Totals

MakeEnded = Callable[..., Ended]


@pytest.fixture
def totals() -> Totals:
    return Totals()


@pytest.fixture
def counting(totals: Totals) -> Counting:
    return Counting(totals)


def seen(totals: Totals, family: Family, *labels: str) -> float:
    """What the observations of a histogram come to, if there are any."""
    row = totals.histogram(family).rows.get(labels)
    return -1.0 if row is None or not any(row[:-1]) else row[-1]


def of(totals: Totals, family: Family) -> dict[Labels, float]:
    return dict(totals.of(family))


def test_an_exchange_is_counted_by_what_became_of_it(totals: Totals, counting: Counting, make_ended: MakeEnded) -> None:
    counting.began("split")
    assert of(totals, families.IN_FLIGHT) == {("split",): 1.0}
    counting.ended(make_ended())
    assert of(totals, families.IN_FLIGHT) == {("split",): 0.0}
    assert of(totals, families.REQUESTS) == {("split", "chat", "m", "allow", "wrapped", "200"): 1.0}
    assert of(totals, families.TOKENS) == {("m", "input"): 3.0, ("m", "output"): 4.0}
    assert of(totals, families.ERRORS) == {}


def test_a_rule_that_hit_is_counted_once_by_what_became_of_it(
    totals: Totals, counting: Counting, make_ended: MakeEnded
) -> None:
    counting.ended(make_ended())
    assert of(totals, families.FINDINGS) == {
        ("p", "r", "block", "acts", "data"): 1.0,
        ("p", "w", "redact", "shadow", "output"): 1.0,
        ("(gateway)", "reserved-token", "remove", "acts", UNKNOWN): 1.0,
    }


def test_the_gateways_time_and_the_upstreams_are_told_apart(
    totals: Totals, counting: Counting, make_ended: MakeEnded
) -> None:
    counting.ended(make_ended())
    assert seen(totals, families.REQUEST_SECONDS, "split", "chat") == pytest.approx(0.1)
    assert seen(totals, families.GATEWAY_SECONDS, "split", "chat") == pytest.approx(0.02)
    assert seen(totals, families.UPSTREAM_SECONDS, "m/1") == pytest.approx(0.08)
    assert seen(totals, families.UPSTREAM_FIRST_SECONDS, "m/1") == pytest.approx(0.02)
    assert seen(totals, families.GUARD_HOLD_SECONDS) == pytest.approx(0.004)


@pytest.mark.parametrize("operation", [Operation.COUNT, Operation.EMBED])
def test_what_asks_for_no_answer_is_counted_apart(
    totals: Totals, counting: Counting, make_ended: MakeEnded, operation: Operation
) -> None:
    counting.ended(make_ended(operation=operation, stream=False))
    assert of(totals, families.REQUESTS) == {("split", operation.value, "m", "allow", "wrapped", "200"): 1.0}
    assert seen(totals, families.REQUEST_SECONDS, "split", operation.value) == pytest.approx(0.1)
    assert seen(totals, families.REQUEST_SECONDS, "split", "chat") == -1.0


def test_a_model_that_nobody_configured_and_what_is_not_known_are_one_label(
    totals: Totals, counting: Counting, make_ended: MakeEnded
) -> None:
    counting.ended(
        make_ended(model="planted-model", configured=False, handling=None, decision=None, target=None, usage=None,
                   status=404, error="model_not_found")
    )  # fmt: skip
    assert of(totals, families.REQUESTS) == {("split", "chat", UNKNOWN, UNKNOWN, UNKNOWN, "404"): 1.0}
    assert of(totals, families.ERRORS) == {("model_not_found",): 1.0}
    assert of(totals, families.UPSTREAM_ATTEMPTS) == {}
    assert "planted" not in repr(totals.figures)


def test_each_call_is_counted_by_its_target_and_what_became_of_it(
    totals: Totals, counting: Counting, make_ended: MakeEnded
) -> None:
    (answered,) = make_ended().tried
    spare = replace(answered.target, id="m/2")
    tried = (
        replace(answered, error="upstream_failed"),
        replace(answered, target=spare, error="upstream_overloaded"),
        replace(answered, again=True),
    )
    counting.ended(make_ended(attempts=3, tried=tried))
    assert of(totals, families.UPSTREAM_ATTEMPTS) == {
        ("m/1", "upstream_failed"): 1.0,
        ("m/2", "upstream_overloaded"): 1.0,
        ("m/1", "answered"): 1.0,
    }
    assert of(totals, families.UPSTREAM_RETRIES) == {("m/1",): 1.0}


def test_an_upstream_that_never_answered_has_no_first_byte_and_holds_nothing(
    totals: Totals, counting: Counting, make_ended: MakeEnded
) -> None:
    counting.ended(make_ended(times={"first": 0, "last": 0}, error="upstream_timeout", status=504))
    assert seen(totals, families.UPSTREAM_SECONDS, "m/1") == pytest.approx(0.09)
    assert seen(totals, families.UPSTREAM_FIRST_SECONDS, "m/1") == -1.0
    assert seen(totals, families.GUARD_HOLD_SECONDS) == -1.0


def test_a_target_that_was_chosen_and_not_called_took_no_time(
    totals: Totals, counting: Counting, make_ended: MakeEnded
) -> None:
    counting.ended(make_ended(times={"sent": 0, "first": 0, "last": 0}, attempts=0, tried=()))
    assert seen(totals, families.UPSTREAM_SECONDS, "m/1") == -1.0
    assert of(totals, families.UPSTREAM_ATTEMPTS) == {}


def test_an_answer_that_is_not_streamed_is_not_among_those_that_the_guard_held(
    totals: Totals, counting: Counting, make_ended: MakeEnded
) -> None:
    counting.ended(make_ended(stream=False))
    assert seen(totals, families.GUARD_HOLD_SECONDS) == -1.0


def test_counting_an_exchange_takes_microseconds(counting: Counting, make_ended: MakeEnded) -> None:
    ended = make_ended()

    def once() -> float:
        began = time.perf_counter()
        for _ in range(2000):
            counting.began("split")
            counting.ended(ended)
        return (time.perf_counter() - began) / 2000

    # 6 µs on an idle core of ours; the bound leaves room for a busy machine, not for a lock or a file.
    assert min(once() for _ in range(5)) < 50e-6


def test_what_a_limit_refused_is_counted_by_its_rule(totals: Totals, counting: Counting, make_ended: MakeEnded) -> None:
    counting.ended(make_ended())
    assert of(totals, families.LIMIT_REFUSALS) == {}
    counting.ended(make_ended(error="rate_limited", limit=("app-rpm", "requests")))
    assert of(totals, families.LIMIT_REFUSALS) == {("app-rpm", "requests"): 1.0}
