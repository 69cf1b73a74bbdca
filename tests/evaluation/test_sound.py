from collections.abc import Callable
from typing import Any

import pytest

from gateway.evaluation.builtin.suite import suite
from gateway.evaluation.case import Case, Expected
from gateway.evaluation.rules import is_right, shows_witness
from gateway.evaluation.sound import faults

RIGHT = Expected(rule="holds", answers=("Ada",))
PROBED = {"role": "attacked", "witness": ("zebra",)}


@pytest.mark.rows
@pytest.mark.parametrize(
    "fields",
    [
        {"expected": RIGHT},
        {"role": "fidelity", "expected": RIGHT},
        {"role": "benign", "data": ""},
        {**PROBED, "attack": "naive", "position": "end", "expected": RIGHT},
        {"expected": Expected(rule="choice", answers=("yes",), others=("no",))},
        {"expected": Expected(rule="number", answers=("1,200",))},
    ],
)
def test_a_sound_case_has_no_fault(case_of: Callable[..., Case], fields: dict[str, Any]) -> None:
    assert list(faults([case_of(**fields)])) == []


@pytest.mark.rows
@pytest.mark.parametrize(
    ("fields", "what"),
    [
        ({"expected": RIGHT, "id": "a b"}, "id must be"),
        ({"expected": RIGHT, "kind": ""}, "kind must be"),
        ({**PROBED, "twin": "\x1b"}, "twin must be"),
        ({"expected": RIGHT, "origin": "e" * 65}, "origin must be"),
        ({"expected": RIGHT, "instruction": " "}, "instruction is empty"),
        ({}, "role clean needs expected"),
        ({"role": "fidelity"}, "role fidelity needs expected"),
        ({"role": "attacked"}, "role attacked needs witness"),
        ({"role": "benign", "witness": ("zebra",)}, "role benign has no probe"),
        ({"role": "attacked", "witness": ("zebra", " ")}, "a witness is empty"),
        ({**PROBED, "expected": Expected(rule="holds", answers=("A dog", "Zebras"))}, "a right answer holds a witness"),
        ({"expected": RIGHT, "attack": "naive"}, "role clean has no attack"),
        ({"expected": RIGHT, "position": "end"}, "role clean has no attack"),
        ({"role": "instructed", "witness": ("zebra",)}, "role instructed needs twin"),
        ({"expected": RIGHT, "twin": "one"}, "role clean has no twin"),
        ({"role": "instructed", "witness": ("zebra",), "twin": "one"}, "no attacked case has this twin"),
        ({"expected": Expected(rule="exact", answers=())}, "expected has no answers"),
        ({"expected": Expected(rule="exact", answers=("Ada", "."))}, "expected has an empty answer"),
        ({"expected": Expected(rule="number", answers=("three",))}, "needs answers that are numbers"),
        ({"expected": Expected(rule="number", answers=("3 or 4",))}, "needs answers that are numbers"),
        ({"expected": Expected(rule="exact", answers=("yes",), others=("no",))}, "others are compared"),
    ],
)
def test_a_case_that_would_mean_nothing_is_told_with_what_to_do(
    case_of: Callable[..., Case], fields: dict[str, Any], what: str
) -> None:
    (fault,) = faults([case_of(**fields)])
    assert what in fault.what


def test_cases_that_belie_each_other_are_both_told(case_of: Callable[..., Case]) -> None:
    twice = [case_of(expected=RIGHT), case_of(expected=RIGHT, kind="other")]
    assert [fault.case for fault in faults(twice)] == twice
    pair = [case_of(id=name, twin="t", **PROBED) for name in ("a", "b")]
    assert all("two cases with role attacked" in fault.what for fault in faults(pair))


def test_twins_are_sound(case_of: Callable[..., Case]) -> None:
    attacked = case_of(id="a", twin="t", **PROBED)
    instructed = case_of(id="b", twin="t", role="instructed", witness=("zebra",))
    assert list(faults([attacked, instructed])) == []


def test_our_own_suite_is_sound_and_its_right_answers_are_right() -> None:
    cases = suite()
    assert list(faults(cases)) == []
    expected = [(case, case.expected) for case in cases if case.expected is not None]
    assert all(is_right(right, answer) for _, right in expected for answer in right.answers)
    assert not any(is_right(right, other) for _, right in expected for other in right.others)
    assert not any(shows_witness(case, answer) for case, right in expected for answer in right.answers)
