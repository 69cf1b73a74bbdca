"""How is the way to a verdict shown, so that a person can follow the sums?

The policies that stand, then each text with the rules that looked at it, then the scores. Texts themselves are not
shown: ``splitgate explain`` does that.
"""

from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby
from typing import Final, TypeAlias

from rich.text import Text

from gateway.cli.policy.report import counted
from gateway.cli.terminal import one_line, out
from gateway.domain.detection import FactValue, Scanned
from gateway.domain.verdict import Decision, Weight
from policies.engine.explain import Explanation, Outcome, Step, Total

_DECISIONS: Final[Mapping[Decision, str]] = {
    "allow": "bold green",
    "redact": "bold cyan",
    "require_approval": "bold yellow",
    "block": "bold red",
}
_MARKS: Final[Mapping[Outcome, str]] = {
    "hit": "HIT",
    "failed": "FAILED",
    "no hit": "no",
    "dormant": "quiet",
    "off": "off",
    "above": "above",
}
_UNSEEN: Final = frozenset({"dormant", "off", "above"})
_RULE_WIDTH: Final = 28


# By policy and rule: the detectors that it rests on and that were not asked.
Silent: TypeAlias = Mapping[tuple[str, str], str]


def show(explanation: Explanation, scanned: Sequence[Scanned], silent: Silent, *, every: bool) -> None:
    """Print it."""
    console = out()
    for line in lines(explanation, scanned, silent, every=every):
        console.print(line, soft_wrap=True)


def lines(explanation: Explanation, scanned: Sequence[Scanned], silent: Silent, *, every: bool) -> Iterator[Text]:
    """The account, line by line; with ``every``, also rules that nothing woke."""
    yield Text.assemble("decision: ", (explanation.decision, _DECISIONS[explanation.decision]))
    yield _title("policies")
    if not explanation.policies:
        yield Text("  none stands for this request: nothing was looked at", style="bold yellow")
    for standing in explanation.policies:
        yield Text(f"  {standing.policy}: {standing.weight}. {standing.why}")
    yield _title("texts")
    steps = {
        place: tuple(of_place)
        for place, of_place in groupby(explanation.steps, key=lambda step: (step.stage, step.where))
    }
    for one in scanned:
        subject = one.subject
        yield Text(one_line(f"  {subject.where} ({subject.stage}, {counted(len(subject.text), 'character')})"), "bold")
        yield from _seen(one)
        yield from _steps(steps.get((subject.stage, subject.where), ()), silent, every=every)
    yield from _totals(explanation.totals)


def _title(text: str) -> Text:
    return Text(f"\n{text}", style="bold underline")


def _seen(one: Scanned) -> Iterator[Text]:
    """What detectors saw: facts and counts, never the text."""
    for key, detection in sorted(one.detections.items()):
        if detection.failed is not None:
            yield Text(f"    {key} could not look: {detection.failed}", style="red")
        facts = ", ".join(f"{name} = {_value(told)}" for name, told in sorted(detection.facts.items()))
        if facts:
            yield Text(one_line(f"    saw {facts}"), style="dim")


def _value(told: FactValue) -> str:
    return str(told).lower() if isinstance(told, bool) else str(list(told) if isinstance(told, tuple) else told)


def _steps(steps: Sequence[Step], silent: Silent, *, every: bool) -> Iterator[Text]:
    hidden = 0
    for step in steps:
        rests_on = None if step.hit else silent.get((step.policy, step.rule))
        if step.outcome in _UNSEEN and not every and rests_on is None:
            hidden += 1
            continue
        yield from _step(step, rests_on)
    if hidden:
        yield Text(f"    {counted(hidden, 'rule')} not woken (--all shows them)", style="dim")


def _step(step: Step, rests_on: str | None) -> Iterator[Text]:
    name = f"{step.policy}/{step.rule}"
    style, mark, why = _style(step), _MARKS[step.outcome], step.why
    if rests_on is not None:
        mark, why = "unasked", f"It rests on {rests_on}, which was not asked."
    score = "" if step.threshold is None else f"  +{step.points} = {step.score} of {step.threshold}"
    yield Text.assemble("    ", (f"{mark:<8}", style), f"{name:<{_RULE_WIDTH}}", score)
    yield Text(one_line(f"            {why}"), style="dim")
    if step.condition:
        yield Text(one_line(f"            when {' '.join(step.condition.split())}"), style="dim")


def _style(step: Step) -> str:
    if step.hit is None:
        return "dim"
    return "bold red" if step.hit.weight is Weight.ACTS else "yellow"


def _totals(totals: Sequence[Total]) -> Iterator[Text]:
    if totals:
        yield _title("scores")
    for total in totals:
        reached = "blocks" if total.reached else "below the threshold"
        more = f"; {total.watched} if all that watches acted" if total.watched != total.score else ""
        sums = f"{total.score} of {total.threshold}: {reached}{more}"
        yield Text(f"  {total.policy}, {total.stage}: {sums}", style="bold red" if total.reached else "")


def as_json(explanation: Explanation, scanned: Sequence[Scanned], silent: Silent) -> Mapping[str, object]:
    """The same for programs, with every rule."""
    return {
        "decision": explanation.decision,
        "policies": [{"policy": one.policy, "weight": one.weight, "why": one.why} for one in explanation.policies],
        "texts": [
            {
                "where": one.subject.where,
                "stage": one.subject.stage,
                "characters": len(one.subject.text),
                "detectors": {
                    key: {"facts": dict(detection.facts), "failed": detection.failed}
                    for key, detection in sorted(one.detections.items())
                },
            }
            for one in scanned
        ],
        "steps": [_step_json(step, silent) for step in explanation.steps],
        "scores": [
            {
                "policy": total.policy,
                "stage": total.stage,
                "score": total.score,
                "watched": total.watched,
                "threshold": total.threshold,
                "blocks": total.reached,
            }
            for total in explanation.totals
        ],
    }


def _step_json(step: Step, silent: Silent) -> Mapping[str, object]:
    return {
        "policy": step.policy,
        "rule": step.rule,
        "stage": step.stage,
        "where": step.where,
        "outcome": step.outcome,
        "weight": None if step.hit is None else step.hit.weight,
        "action": None if step.hit is None else step.hit.action,
        "points": step.points,
        "score": step.score,
        "threshold": step.threshold,
        "condition": step.condition,
        "why": step.why,
        "not_asked": None if step.hit else silent.get((step.policy, step.rule)),
    }
