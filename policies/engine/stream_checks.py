"""May output be released while it is still coming, under these rules?

In ``window`` mode what has left the window cannot be called back. So every rule that is evaluated on output must come
to its decision inside the window, by itself, and never think better of it.
"""

from collections.abc import Iterator, Sequence
from typing import Final

from gateway.domain.detection import Stage
from gateway.domain.verdict import Action
from gateway.yamlfile.problems import Loc
from gateway.yamlfile.report import Report
from policies.engine.load_settings import severities_of
from policies.engine.model import Rule
from policies.engine.schema import SpecSection

_ADVICE: Final = "set `spec.streaming.mode: hold`"


def check_streaming(spec: SpecSection, rules: Sequence[Rule | None], report: Report) -> None:
    """A problem for each rule that needs ``hold`` in a file that asks for ``window``."""
    if spec.streaming.mode != "window" or not report.sound(("spec", "streaming")):
        return
    detection = max(spec.level.blocking, spec.level.detection or 0)
    for index, rule in enumerate(rules):
        if rule is None or rule.stage is not Stage.OUTPUT or rule.mode == "off" or rule.level > detection:
            continue
        for key, why in _needs_hold(rule, spec):
            loc: Loc = ("spec", "rules", index, key)
            report.add(loc, f"the rule `{rule.id}` cannot decide inside a window: {why}")


def _needs_hold(rule: Rule, spec: SpecSection) -> Iterator[tuple[str, str]]:
    """What of the rule needs the whole answer: the key, and why."""
    window, longest = spec.streaming.window_chars, rule.when.longest
    if longest is None:
        yield "when", f"its condition rests on the whole text; {_ADVICE}"
    elif longest > window:
        yield "when", f"its condition rests on up to {longest} characters; set `window_chars` to that, or {_ADVICE}"
    elif not rule.when.monotone:
        yield "when", f"what comes later can make its condition false again; {_ADVICE}"
    points, threshold = severities_of(spec.scoring.severity)[rule.severity], spec.scoring.threshold.output
    if rule.action is Action.SCORE and points < threshold:
        why = f"its {points} points alone do not reach the threshold of {threshold}, and what was released before the"
        yield "action", f"{why} next hit could not be called back; write `action: block`, or {_ADVICE}"
    if rule.action is Action.REQUIRE_APPROVAL:
        yield "action", f"an answer that waits for approval is held whole; {_ADVICE}"
