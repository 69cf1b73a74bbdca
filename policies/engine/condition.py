"""When does a rule hit? A CEL expression, checked against the facts' types and compiled once.

The engine has no step limit (three nested comprehensions over 150 items ran 41 s), so the rule here is: whatever could
run long is refused when the policy is loaded.
"""

from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Final

from gateway.domain.detection import Facts, FactValue, Stage, Vocabulary
from gateway.domain.value import value
from policies.engine.expression.check import check
from policies.engine.expression.dormancy import detectors_in, grows, when_quiet
from policies.engine.expression.engine import Program, build
from policies.engine.expression.errors import ConditionError, ConditionFailed
from policies.engine.expression.names import Names
from policies.engine.expression.parse import parse

__all__ = ["Condition", "ConditionError", "ConditionFailed", "compile_condition"]

_REMEMBERED: Final = 1024
_LONG: Final = 256


@value
class Condition:
    """A compiled condition.

    ``refs`` are the facts that it reads, ``detectors`` the names of the detectors among them (``secrets``). While all
    of those are quiet, a ``dormant`` condition is false whatever else holds. ``longest`` is how many characters of a
    text it can rest on, None where only the whole text decides; ``monotone`` says that more findings of its one
    detector can make it true and never false. ``decide`` takes the values of ``refs``, whose ``zeros`` stand in.
    """

    source: str
    refs: tuple[str, ...]
    detectors: frozenset[str]
    dormant: bool
    longest: int | None
    monotone: bool
    zeros: tuple[FactValue, ...]
    decide: Callable[..., bool]

    def holds(self, facts: Facts) -> bool:
        """Whether the condition is true; facts that are absent have their type's zero.

        Raises:
            ConditionFailed: it has no value for these facts. Close the door.
        """
        try:
            return self.decide(*map(facts.get, self.refs, self.zeros))
        except _Unremembered as answer:
            return answer.held


def compile_condition(
    source: str, vocabulary: Vocabulary, stage: Stage, constants: Mapping[str, FactValue]
) -> Condition:
    """Check and compile.

    ``constants`` are the policy's lists by dotted name (``lists.hosts``); they are known, typed and never change.

    Raises:
        ConditionError: no CEL; an unknown name (with the nearest known one) or one that this stage does not have; a
            wrong type; a result that is no bool; a macro; a source too long or too deep.
    """
    tree = parse(source)
    check(tree, Names(vocabulary=vocabulary, stage=stage, constants=constants))
    program = build(tree, constants)
    read = [vocabulary[name] for name in program.refs]
    detectors = detectors_in(tree)
    lengths = [fact.longest for fact in read if fact.longest is not None]
    return Condition(
        source=source,
        refs=program.refs,
        detectors=detectors,
        dormant=when_quiet(tree, vocabulary, constants) is False,
        longest=max(lengths, default=0) if len(lengths) == len(read) else None,
        monotone=len(detectors) <= 1 and grows(tree),
        zeros=tuple(fact.type.zero for fact in read),
        decide=_remembering(program),
    )


class _Unremembered(Exception):
    """An answer that leaves as an exception, since the cache keeps all that is returned and nothing that is raised."""

    def __init__(self, *, held: bool) -> None:
        super().__init__()
        self.held = held


def _remembering(program: Program) -> Callable[..., bool]:
    """``program`` with its latest answers, but for long facts. Threads can share the standard library's cache."""

    @lru_cache(maxsize=_REMEMBERED)
    def decide(*values: FactValue) -> bool:
        held = program.run(values)
        if any(_weight(value) > _LONG for value in values):
            raise _Unremembered(held=held)
        return held

    return decide


def _weight(value: FactValue) -> int:
    """Characters that a fact would hold in memory."""
    if isinstance(value, tuple):
        return len(value) + sum(map(len, value))
    return len(value) if isinstance(value, str) else 0
