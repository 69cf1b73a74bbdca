from collections.abc import Callable

import pytest

from gateway.domain.isolation import Isolation
from gateway.domain.target import Target
from gateway.pipeline.credit import Evidence, credit

MakeTarget = Callable[..., Target]


def test_native_stands_where_it_was_shown(a_target: MakeTarget) -> None:
    target = a_target(fmt="secalign", needs_probe=True)
    assert credit(target, Isolation.NATIVE, lambda _: Evidence.SHOWN) is Isolation.NATIVE


def test_native_stands_where_the_configuration_asks_for_no_probe(a_target: MakeTarget) -> None:
    target = a_target(fmt="secalign", needs_probe=False)
    assert credit(target, Isolation.NATIVE, lambda _: Evidence.REFUTED) is Isolation.NATIVE


@pytest.mark.rows
@pytest.mark.parametrize(
    ("unproven", "evidence", "credited"),
    [
        (Isolation.WRAPPED, Evidence.MISSING, Isolation.WRAPPED),
        (Isolation.NONE, Evidence.MISSING, Isolation.NONE),
        (Isolation.WRAPPED, Evidence.REFUTED, Isolation.NONE),
    ],
)
def test_native_without_evidence_counts_for_what_it_is_to_an_untrained_model(
    a_target: MakeTarget, unproven: Isolation, evidence: Evidence, credited: Isolation
) -> None:
    assert credit(a_target(unproven=unproven, needs_probe=True), Isolation.NATIVE, lambda _: evidence) is credited


@pytest.mark.rows
@pytest.mark.parametrize("reached", [Isolation.NONE, Isolation.WRAPPED, Isolation.CHANNEL])
def test_levels_below_native_need_no_evidence(a_target: MakeTarget, reached: Isolation) -> None:
    assert credit(a_target(needs_probe=True), reached, lambda _: Evidence.REFUTED) is reached


def test_no_target_is_credited_beyond_its_ceiling(a_target: MakeTarget) -> None:
    target = a_target(ceiling=Isolation.WRAPPED)
    assert credit(target, Isolation.NATIVE, lambda _: Evidence.SHOWN) is Isolation.WRAPPED
