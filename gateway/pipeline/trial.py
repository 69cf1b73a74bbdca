"""What would a policy make of a text that its own file gives as a case?

The same subjects, detectors and evaluation as for a live request, for one policy alone. A case may set facts of
detectors that would have to ask a service; it is the one thing that is taken on the file's word.
"""

from collections.abc import Mapping
from typing import Final

import orjson

from gateway.domain.detection import Detection, Detections, Facts, FactValue, Scanned, Stage, Subject
from gateway.domain.ports import Scanner
from gateway.domain.prompt import Data, Instruction, Prompt, Speaker, ToolCall, Trust, Turn
from gateway.domain.strict_json import parse_object
from gateway.domain.verdict import Weight
from gateway.pipeline.apply import replacements
from gateway.pipeline.edits import Replacement, replaced
from gateway.pipeline.leaves import Leaves
from gateway.pipeline.pseudonyms import Pseudonyms
from gateway.pipeline.taint import Grounds
from policies.engine.applicable import Applicable, applicable_of, apply_policy
from policies.engine.cases import CaseRunner, Tried
from policies.engine.evaluate import evaluate
from policies.engine.model import CallCase, Case, Policy

# The canary of every case: a case writes it, or a coded form of it, where an answer is to leak it.
CANARY: Final = "sg-abcdefghij234567"
_REVISION: Final = "trial"
_DETECTOR: Final = "det."


def case_runner(scanner: Scanner, instances: Mapping[str, Mapping[str, str]], now: float) -> CaseRunner:
    """Tries cases with ``scanner``; ``instances`` are the instance keys of each policy's detectors."""

    def run(policy: Policy, case: Case) -> Tried:
        applied = apply_policy(policy, Weight.ACTS, instances.get(policy.name, {}))
        policies = applicable_of((applied,), _REVISION)
        subject = _subject(case, policies)
        seen = {**scanner.scan(subject, policies.wanted(case.stage)), **_given(case, applied.instances)}
        verdict = evaluate(policies, [Scanned(subject=subject, detections=seen)], now)
        edits = replacements(verdict.found.edits, subject.text, Pseudonyms())
        return Tried(verdict=verdict, text=_text(case, subject, edits))

    return run


def _subject(case: Case, policies: Applicable) -> Subject:
    facts: dict[str, FactValue] = {"tainted": bool(case.data)}
    if case.call is not None:
        tainted = bool(case.facts.get("tainted", case.data))
        facts |= Grounds.of([_prompt(case)], policies, tainted=tainted).facts(_call(case.call))
    facts |= {name: told for name, told in case.facts.items() if not name.startswith(_DETECTOR)}
    text = case.text if case.call is None else _call_text(case.call, offered=bool(facts.get("tool.offered")))
    return Subject(stage=case.stage, where=_where(case), text=text, facts=facts, canary=CANARY)


def _call_text(call: CallCase, *, offered: bool) -> str:
    """As the guard reads a call: the name of a tool that was not offered is the model's own text."""
    leaves = _leaves(call, offered=offered)
    if leaves is not None:
        return leaves.text
    return call.arguments if offered else f"{call.name}\n{call.arguments}"


def _leaves(call: CallCase, *, offered: bool) -> Leaves | None:
    try:
        arguments = parse_object(call.arguments)
    except ValueError:
        return None
    return Leaves.of(arguments if offered else {call.name: arguments})


def _where(case: Case) -> str:
    return case.call.name if case.call is not None else "output" if case.stage is Stage.OUTPUT else "case"


def _call(case: CallCase) -> ToolCall:
    return ToolCall(id="case", name=case.name, arguments=case.arguments)


def _prompt(case: Case) -> Prompt:
    instruction = Instruction(id="instructions", origin="operator", text=case.instructions, trust=Trust.OPERATOR)
    data = Data(id="data", origin="case", text=case.data)
    return Prompt(turns=(Turn(speaker=Speaker.USER, segments=(instruction, data)),))


def _given(case: Case, instances: Mapping[str, str]) -> Detections:
    """What the case says that detectors see, by instance key."""
    by_name: dict[str, dict[str, FactValue]] = {}
    for name, told in case.facts.items():
        if name.startswith(_DETECTOR):
            by_name.setdefault(name.split(".")[1], {})[name] = told
    return {instances[name]: _detection(facts) for name, facts in by_name.items() if name in instances}


def _detection(facts: Facts) -> Detection:
    return Detection(facts=facts)


def _text(case: Case, subject: Subject, edits: list[Replacement]) -> str:
    """The case's text after the edits; of a call its arguments, empty where they cannot be edited."""
    if case.call is None:
        return replaced(subject.text, edits)
    offered = bool(subject.facts.get("tool.offered"))
    leaves = _leaves(case.call, offered=offered)
    if not edits or leaves is None:
        return "" if edits else case.call.arguments
    rewritten = leaves.rewritten(edits)
    if not isinstance(rewritten, Mapping):
        return ""
    return orjson.dumps(rewritten if offered else rewritten[case.call.name]).decode()
