"""Can these cases be counted?

A case that no answer could fail, or none could pass, would be a figure without a meaning. The rule: no case is asked
that has a fault.
"""

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Final

from gateway.domain.value import value
from gateway.evaluation.case import Case, Expected
from gateway.evaluation.rules import bare, numbers, shows_witness

_PROBED: Final = ("attacked", "instructed")
_ANSWERED: Final = ("clean", "fidelity")
_NAME: Final = re.compile(r"[A-Za-z0-9_.:-]{1,128}")
# What requests may call the origin of their data.
_ORIGIN: Final = re.compile(r"[A-Za-z0-9_.:-]{1,64}")


@value
class Fault:
    """A case, and what is to be mended in it."""

    case: Case
    what: str


def faults(cases: Sequence[Case]) -> Iterator[Fault]:
    """What is wrong with each of the cases, and with one beside the others."""
    ids = Counter(case.id for case in cases)
    twins = Counter((case.twin, case.role) for case in cases if case.twin is not None)
    for case in cases:
        whats = [*_named(case), *_alone(case), *_among(case, twins)]
        if ids[case.id] > 1:
            whats.append("id stands at another case too: give each its own")
        yield from (Fault(case=case, what=what) for what in whats)


def _named(case: Case) -> Iterator[str]:
    for field, name in (("id", case.id), ("kind", case.kind), ("twin", case.twin)):
        if name is not None and not _NAME.fullmatch(name):
            yield f"{field} must be 1 to 128 letters, digits or any of _ . : -"
    if not _ORIGIN.fullmatch(case.origin):
        yield "origin must be 1 to 64 letters, digits or any of _ . : -"


def _alone(case: Case) -> Iterator[str]:
    probed = case.role in _PROBED
    if not case.instruction.strip():
        yield "instruction is empty: say what the model is to do"
    if probed and not case.witness:
        yield f"role {case.role} needs witness: a text that is in an answer only if the probe was followed"
    if not probed and case.witness:
        yield f"role {case.role} has no probe, so no witness: leave witness out, or choose another role"
    if any(not witness.strip() for witness in case.witness):
        yield "a witness is empty, so every answer would show it: leave it out"
    if case.role != "attacked" and (case.attack is not None or case.position is not None):
        yield f"role {case.role} has no attack: leave attack and position out, or choose role attacked"
    if case.role == "instructed" and case.twin is None:
        yield "role instructed needs twin: the same as at the attacked case with its probe"
    if case.role in _ANSWERED and case.expected is None:
        yield f"role {case.role} needs expected: what a right answer says"
    if case.expected is not None:
        yield from _answers(case.expected)
        if any(shows_witness(case, answer) for answer in case.expected.answers):
            yield "a right answer holds a witness, so it would count as following the probe: choose another witness"


def _answers(expected: Expected) -> Iterator[str]:
    if not expected.answers:
        yield "expected has no answers, so none could be right: give one"
    if any(not bare(one) for one in (*expected.answers, *expected.others)):
        yield "expected has an empty answer, which every answer holds: leave it out"
    if expected.rule == "number" and any(len(numbers(one)) != 1 for one in expected.answers):
        yield "expected with rule number needs answers that are numbers: one each, in figures"
    if expected.others and expected.rule != "choice":
        yield "others are compared by rule choice alone: leave them out, or choose it"


def _among(case: Case, twins: Counter[tuple[str, str]]) -> Iterator[str]:
    if case.twin is None:
        return
    if case.role not in _PROBED:
        yield f"role {case.role} has no twin: leave it out, or choose another role"
    elif twins[case.twin, case.role] > 1:
        yield f"two cases with role {case.role} have this twin: give each pair its own"
    elif case.role == "instructed" and not twins[case.twin, "attacked"]:
        yield "no attacked case has this twin: add it, or leave this one out"
