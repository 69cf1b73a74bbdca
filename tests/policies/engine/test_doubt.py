"""What do conditions come to over facts of which some are not known?"""

from collections.abc import Mapping

import pytest

from gateway.domain.detection import Detection, Fact, Facts, FactType, FactValue, Scanned, Stage, Subject
from gateway.domain.verdict import Action, Weight, decision_of
from policies.engine.applicable import Applicable, applicable_of, apply_policy
from policies.engine.condition import compile_condition
from policies.engine.doubt import bound, is_known, unknown
from policies.engine.evaluate import evaluate
from policies.engine.model import Policy, Rule
from policies.engine.vocabulary import BASE

_FACTS = {"det.a.found": FactType.BOOL, "det.a.count": FactType.INT, "det.b.found": FactType.BOOL}
VOCABULARY = {**BASE, **{name: Fact(name=name, type=kind, doc="A test's.") for name, kind in _FACTS.items()}}
LISTS: Mapping[str, FactValue] = {"lists.hosts": ("a.example",)}


def policies(when: str) -> Applicable:
    condition = compile_condition(when, VOCABULARY, Stage.DATA, LISTS)
    rule = Rule(id="r", stage=Stage.DATA, severity="critical", when=condition, action=Action.BLOCK, message="m")
    policy = Policy(
        name="p", owner="o", file="p", digest="d", mode="enforce", severities={}, thresholds={}, rules=(rule,),
        lists={"hosts": ("a.example",)},
    )  # fmt: skip
    return applicable_of((apply_policy(policy, Weight.ACTS, {"a": "a", "b": "b"}),), "r")


def decided(when: str, facts: Facts, det: Mapping[str, Facts]) -> tuple[str, str]:
    subject = Subject(stage=Stage.DATA, where="d", text="", facts=facts)
    scanned = [Scanned(subject=subject, detections={key: Detection(facts=seen) for key, seen in det.items()})]
    of = policies(when)
    sure, most = (evaluate(bound(of, otherwise=otherwise), scanned, 0.0) for otherwise in (False, True))
    return decision_of(sure), decision_of(most)


A: Mapping[str, Facts] = {"a": {unknown("det.a"): True}}
ORIGIN = {unknown("segment.origin"): True}


@pytest.mark.rows
@pytest.mark.parametrize(
    ("when", "facts", "det", "expected"),
    [
        ("det.a.found", {}, {}, ("allow", "allow")),
        ("det.a.found", {}, A, ("allow", "block")),
        ("!det.a.found", {}, A, ("allow", "block")),
        ("det.a.found && tainted", {}, A, ("allow", "allow")),
        ("det.a.found && tainted", {"tainted": True}, A, ("allow", "block")),
        ("det.a.found || tainted", {"tainted": True}, A, ("block", "block")),
        ("tainted ? det.a.found : det.b.found", {"tainted": True}, A, ("allow", "block")),
        ("tainted ? det.a.found : det.b.found", {}, {**A, "b": {"det.b.found": True}}, ("block", "block")),
        ("det.a.found ? true : true", {}, A, ("allow", "block")),
        ("det.a.count > 2 && det.b.found", {}, {**A, "b": {"det.b.found": True}}, ("allow", "block")),
        ("det.a.count > 2", {}, {"a": {"det.a.found": True, unknown("det.a.count"): True}}, ("allow", "block")),
        ("det.a.found", {}, {"a": {"det.a.found": True, unknown("det.a.count"): True}}, ("block", "block")),
        ("segment.origin in lists.hosts", ORIGIN, {}, ("allow", "block")),
        ("segment.origin in lists.hosts && request.chars in [1]", ORIGIN, {}, ("allow", "allow")),
        ("segment.origin in lists.hosts", {"segment.origin": "a.example"}, {}, ("block", "block")),
        # Whether a condition fails is not known either: both sides of what it may be stand.
        ("1 / request.chars > 0 && det.a.found", {}, A, ("allow", "block")),
        # With all known it fails as ever, and a failure blocks.
        ("1 / request.chars > 0", {}, {}, ("block", "block")),
    ],
)
def test_only_what_hangs_on_the_unknown_is_in_doubt(
    when: str, facts: Facts, det: Mapping[str, Facts], expected: tuple[str, str]
) -> None:
    assert decided(when, facts, det) == expected


def test_a_part_of_a_condition_is_compiled_once_whatever_is_asked_of_it() -> None:
    of = bound(policies("det.a.found || request.chars > 5"), otherwise=False)
    for chars, decision in ((6, "block"), (5, "allow"), (7, "block")):
        subject = Subject(stage=Stage.DATA, where="d", text="", facts={"request.chars": chars})
        scanned = Scanned(subject=subject, detections={"a": Detection(facts=A["a"])})
        assert decision_of(evaluate(of, [scanned], 0.0)) == decision


def test_a_detector_stands_for_all_its_facts() -> None:
    facts = {unknown("det.a"): True, unknown("tool.valid"): True}
    assert [is_known(name, facts) for name in ("det.a.found", "det.b.found", "tool.valid", "tool.name", "tainted")] == [
        False,
        True,
        False,
        True,
        True,
    ]
