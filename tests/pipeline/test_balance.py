"""Which target is tried first?"""

import random
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from typing import Literal

import pytest

from gateway.domain.model import Model
from gateway.domain.target import Target
from gateway.pipeline.balance import order
from gateway.pipeline.condition import Conditions, Ticket

MakeTarget = Callable[..., Target]


@pytest.fixture
def conditions() -> Conditions:
    return Conditions(draw=random.Random(7).random)  # noqa: S311  no secret


def model(*targets: Target, balance: Literal["in_order", "least_pending"] = "least_pending") -> Model:
    return Model(name="m", targets=targets, balance=balance)


def busy(conditions: Conditions, target: Target, calls: int) -> list[Ticket | None]:
    return [conditions.of(target).begin(again=False) for _ in range(calls)]


def test_in_order_they_stand_as_they_are_whatever_they_do(a_target: MakeTarget, conditions: Conditions) -> None:
    one, other = a_target("a"), a_target("b")
    held = busy(conditions, one, 5)
    assert order(model(one, other, balance="in_order"), conditions) == (one, other)
    assert len(held) == 5


def test_the_one_with_the_fewest_calls_in_progress_is_first(a_target: MakeTarget, conditions: Conditions) -> None:
    a, b, c = a_target("a"), a_target("b"), a_target("c")
    held = [busy(conditions, a, 2), busy(conditions, b, 3), busy(conditions, c, 1)]
    assert [target.id for target in order(model(a, b, c), conditions)] == ["c", "a", "b"]
    assert len(held) == 3


def test_a_target_of_more_weight_takes_more(a_target: MakeTarget, conditions: Conditions) -> None:
    a, b = replace(a_target("a"), weight=3.0), a_target("b")
    held = [busy(conditions, a, 4), busy(conditions, b, 2)]
    assert order(model(b, a), conditions)[0] is a
    held.append(busy(conditions, a, 3))
    assert order(model(a, b), conditions)[0] is b


def test_a_lower_tier_is_first_however_busy_it_is(a_target: MakeTarget, conditions: Conditions) -> None:
    a, b, spare = a_target("a"), a_target("b"), replace(a_target("spare"), tier=2)
    held = [busy(conditions, a, 9), busy(conditions, b, 8)]
    assert [target.id for target in order(model(a, b, spare), conditions)] == ["b", "a", "spare"]
    assert len(held) == 2


def test_ties_are_broken_at_random_by_weight(a_target: MakeTarget, conditions: Conditions) -> None:
    a, b = replace(a_target("a"), weight=3.0), a_target("b")
    first = Counter(order(model(a, b), conditions)[0].id for _ in range(2000))
    assert 1400 < first["a"] < 1600


def test_draws_at_their_bounds_will_do(a_target: MakeTarget) -> None:
    a, b = a_target("a"), a_target("b")
    for drawn in (0.0, 1.0):
        tried = order(model(a, b), Conditions(draw=lambda drawn=drawn: drawn))
        assert sorted(target.id for target in tried) == ["a", "b"]
