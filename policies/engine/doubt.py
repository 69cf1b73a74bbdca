"""What do policies decide where some facts are not known?

Two bounds: what holds whatever the unknown facts are, and what may hold. Where both decide alike, the unknown made no
difference. The rule: a condition is never taken for true or false on the strength of a fact that nobody knows.
"""

from collections.abc import Mapping
from dataclasses import field, replace
from typing import Final

from gateway.domain.detection import Facts, FactValue
from gateway.domain.value import value
from policies.engine.applicable import Applicable, Part, ReadyRule
from policies.engine.condition import ConditionFailed
from policies.engine.expression.dormancy import sure_of
from policies.engine.expression.engine import Program, build
from policies.engine.expression.parse import parse
from policies.engine.expression.tree import Node, names_in

# Before a fact's name, or that of a detector as in ``det.pii``: nobody knows it. No condition can name such a fact.
_UNKNOWN: Final = "?"
_SETTLED: Final = "="


def unknown(name: str) -> str:
    """The fact that says that the fact ``name``, or every fact of the detector ``det.NAME``, is not known."""
    return f"{_UNKNOWN}{name}"


def settled(policy: str, rule: str) -> str:
    """The fact that says whether the rule hit, where that was seen when all of its facts were known."""
    return f"{_SETTLED}{policy}/{rule}"


def is_known(name: str, facts: Facts) -> bool:
    """Whether ``facts`` do not say that the fact ``name`` is not known."""
    return unknown(name) not in facts and unknown(name.rpartition(".")[0]) not in facts


def bound(of: Applicable, *, otherwise: bool) -> Applicable:
    """The same policies, where ``otherwise`` is what a condition is that hangs on what nobody knows."""
    parts = {stage: tuple([_part(part, otherwise) for part in of_stage]) for stage, of_stage in of.parts.items()}
    # Nothing sleeps: that all detectors of a rule are quiet may itself be unknown.
    awake = {stage: tuple([ready for part in of_stage for ready in part.rules]) for stage, of_stage in parts.items()}
    return replace(of, parts=parts, awake=awake)


def _part(part: Part, otherwise: bool) -> Part:
    return replace(part, rules=tuple([_ready(ready, otherwise) for ready in part.rules]))


def _ready(ready: ReadyRule, otherwise: bool) -> ReadyRule:
    constants: dict[str, FactValue] = {f"lists.{name}": texts for name, texts in ready.policy.lists.items()}
    doubted = _Doubted(ready=ready, tree=parse(ready.rule.when.source), constants=constants, otherwise=otherwise)
    awake = replace(ready.rule, when=replace(ready.rule.when, dormant=False))
    return replace(ready, rule=awake, holds=doubted.holds)


@value
class _Doubted:
    """A rule's condition over facts of which some are unknown."""

    ready: ReadyRule
    tree: Node
    constants: Mapping[str, FactValue]
    otherwise: bool
    programs: dict[Node, Program] = field(default_factory=dict[Node, Program])

    def holds(self, facts: Facts) -> bool:
        """Raises ``ConditionFailed`` where everything is known and there is no value."""
        when = self.ready.rule.when
        if all(is_known(name, facts) for name in when.refs):
            return when.holds(facts)
        sure = sure_of(self.tree, lambda part: self._asked(part, facts))
        if sure is not None:
            return sure
        return bool(facts.get(settled(self.ready.policy.name, self.ready.rule.id), self.otherwise))

    def _asked(self, part: Node, facts: Facts) -> bool | None:
        if not all(is_known(name, facts) for name in names_in(part)):
            return None
        program = self.programs.get(part)
        if program is None:
            program = self.programs[part] = build(part, self.constants)
        zeros = dict(zip(self.ready.rule.when.refs, self.ready.rule.when.zeros, strict=True))
        try:
            return program.run([facts.get(name, zeros[name]) for name in program.refs])
        except ConditionFailed:
            # CEL lets the other side of a connective decide where one side fails: not sure is what is certain here.
            return None
