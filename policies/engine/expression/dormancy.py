"""What is sure of a condition before any detector has seen anything?

Three values: true, false, and None for what is not known yet. None also stands for a part that could fail, so that a
condition whose failure would close a door is never passed over.
"""

from collections.abc import Callable, Mapping

from gateway.domain.detection import FactValue, Vocabulary
from policies.engine.expression.engine import build
from policies.engine.expression.errors import ConditionFailed
from policies.engine.expression.tree import LOGICAL, Binary, Choice, Name, Node, Not, Operator, names_in

_DETECTORS = "det."


def detectors_in(tree: Node) -> frozenset[str]:
    """``secrets`` for ``det.secrets.found``."""
    return frozenset(name.split(".")[1] for name in names_in(tree) if _is_detected(name))


def _is_detected(name: str) -> bool:
    return name.startswith(_DETECTORS)


def when_quiet(tree: Node, vocabulary: Vocabulary, constants: Mapping[str, FactValue]) -> bool | None:
    """What the condition is while every detector that it names is quiet, whatever else holds."""
    return sure_of(tree, lambda part: _asked(part, vocabulary, constants))


def sure_of(tree: Node, ask: Callable[[Node], bool | None]) -> bool | None:
    """What is sure of a tree, where ``ask`` tells what is sure of the parts that hold no logic."""
    match tree:
        case Binary(operator=operator) if operator in LOGICAL:
            sides = {sure_of(side, ask) for side in (tree.left, tree.right)}
            decisive = operator is Operator.OR
            return decisive if decisive in sides else None if None in sides else not decisive
        case Not():
            operand = sure_of(tree.operand, ask)
            return None if operand is None else not operand
        case Choice():
            condition = sure_of(tree.condition, ask)
            chosen = tree.then if condition else tree.otherwise
            return None if condition is None else sure_of(chosen, ask)
        case _:
            return ask(tree)


def _asked(tree: Node, vocabulary: Vocabulary, constants: Mapping[str, FactValue]) -> bool | None:
    """What the engine says of a part in which nothing is unknown."""
    if not all(name in constants or _is_detected(name) for name in names_in(tree)):
        return None
    program = build(tree, constants)
    try:
        return program.run([vocabulary[name].type.zero for name in program.refs])
    except ConditionFailed:
        return None


def grows(tree: Node) -> bool:
    """Whether more findings can make it true and never false: detectors are only asked what they have found."""
    if not detectors_in(tree):
        return True
    match tree:
        case Name():
            return True
        case Binary(operator=operator) if operator in LOGICAL:
            return grows(tree.left) and grows(tree.right)
        case Binary(operator=Operator.IN, right=Name()):
            return not detectors_in(tree.left)
        case _:
            return False
