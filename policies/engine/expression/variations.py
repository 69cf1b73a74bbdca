"""Which conditions are nearly the same as this one?

Each differs in one place: a part left out, an operator or a number changed, a fact put in place of one like it. A
policy's cases ought to notice every one of them: see ``policies/engine/mutants.py``.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Final, assert_never

from gateway.domain.detection import FactType, Stage, Vocabulary
from policies.engine.expression.parse import parse
from policies.engine.expression.tree import (
    Binary,
    Call,
    Choice,
    ListOf,
    Literal,
    LiteralValue,
    Name,
    Node,
    Not,
    Operator,
)

# What an operator is easily mistaken for: its limit off by one, or turned around.
_OPERATORS: Final[Mapping[Operator, tuple[Operator, ...]]] = {
    Operator.OR: (Operator.AND,),
    Operator.AND: (Operator.OR,),
    Operator.LESS: (Operator.LESS_OR_EQUAL, Operator.GREATER),
    Operator.LESS_OR_EQUAL: (Operator.LESS, Operator.GREATER),
    Operator.GREATER: (Operator.GREATER_OR_EQUAL, Operator.LESS),
    Operator.GREATER_OR_EQUAL: (Operator.GREATER, Operator.LESS),
    Operator.EQUAL: (Operator.UNEQUAL,),
    Operator.UNEQUAL: (Operator.EQUAL,),
}
_FUNCTIONS: Final[Mapping[str, tuple[str, ...]]] = {
    "startsWith": ("endsWith", "contains"),
    "endsWith": ("startsWith", "contains"),
    "contains": ("startsWith", "endsWith"),
}


def variations(source: str, vocabulary: Vocabulary, stage: Stage) -> Iterator[str]:
    """Conditions that differ from ``source`` in one place; some may make no sense, which compiling them tells.

    Raises:
        ConditionError: ``source`` is no condition.
    """
    tree = parse(source)
    yield written(Not(operand=tree, offset=0))
    for varied in _varied(tree, vocabulary, stage):
        yield written(varied)


def _varied(node: Node, vocabulary: Vocabulary, stage: Stage) -> Iterator[Node]:
    """The node changed itself, then with each of its parts changed."""
    yield from _changed(node, vocabulary, stage)
    match node:
        case Literal() | Name():
            return
        case Not():
            yield from (replace(node, operand=one) for one in _varied(node.operand, vocabulary, stage))
        case Binary():
            yield from (replace(node, left=one) for one in _varied(node.left, vocabulary, stage))
            yield from (replace(node, right=one) for one in _varied(node.right, vocabulary, stage))
        case Choice():
            yield from (replace(node, condition=one) for one in _varied(node.condition, vocabulary, stage))
            yield from (replace(node, then=one) for one in _varied(node.then, vocabulary, stage))
            yield from (replace(node, otherwise=one) for one in _varied(node.otherwise, vocabulary, stage))
        case ListOf():
            yield from (replace(node, items=items) for items in _each(node.items, vocabulary, stage))
        case Call():
            yield from (replace(node, arguments=items) for items in _each(node.arguments, vocabulary, stage))
        case _:
            assert_never(node)


def _each(items: Sequence[Node], vocabulary: Vocabulary, stage: Stage) -> Iterator[tuple[Node, ...]]:
    for at, item in enumerate(items):
        for one in _varied(item, vocabulary, stage):
            yield (*items[:at], one, *items[at + 1 :])


def _changed(node: Node, vocabulary: Vocabulary, stage: Stage) -> Iterator[Node]:
    match node:
        case Literal():
            yield from (replace(node, value=value) for value in _other_values(node.value))
        case Name():
            yield from _like(node, vocabulary, stage)
        case Not():
            yield node.operand
        case Binary():
            if node.operator in {Operator.AND, Operator.OR}:
                yield from (node.left, node.right)
            yield from (replace(node, operator=other) for other in _OPERATORS.get(node.operator, ()))
        case Choice():
            yield from (node.then, node.otherwise)
        case ListOf():
            if len(node.items) > 1:
                yield from (
                    replace(node, items=(*node.items[:at], *node.items[at + 1 :])) for at in range(len(node.items))
                )
        case Call():
            yield from (replace(node, function=other) for other in _FUNCTIONS.get(node.function, ()))
        case _:
            assert_never(node)


def _other_values(value: LiteralValue) -> tuple[LiteralValue, ...]:
    if isinstance(value, bool):
        return (not value,)
    if isinstance(value, str):
        return (f"{value}x", value[:-1]) if value else ("x",)
    return (value - 1, value + 1)


def _like(name: Name, vocabulary: Vocabulary, stage: Stage) -> Iterator[Node]:
    """The other facts of the same detector or part of the exchange, and the opposite of a fact that is true or not."""
    fact = vocabulary.get(name.path)
    if fact is None:
        return
    if fact.type is FactType.BOOL:
        yield Not(operand=name, offset=name.offset)
    family = name.path.rpartition(".")[0]
    for other in sorted(vocabulary):
        alike = vocabulary[other].type is fact.type and stage in vocabulary[other].stages
        if alike and other != name.path and other.rpartition(".")[0] == family:
            yield replace(name, path=other)


def written(node: Node) -> str:
    """The node's source, with every pair of parentheses."""
    match node:
        case Literal():
            return _literal(node.value)
        case Name():
            return node.path
        case ListOf():
            return f"[{_listed(node.items)}]"
        case Not():
            return f"!({written(node.operand)})"
        case Binary():
            return f"({written(node.left)} {node.operator} {written(node.right)})"
        case Choice():
            return f"(({written(node.condition)}) ? ({written(node.then)}) : ({written(node.otherwise)}))"
        case Call(method=True):
            subject, *others = node.arguments
            return f"{written(subject)}.{node.function}({_listed(others)})"
        case Call():
            return f"{node.function}({_listed(node.arguments)})"
        case _:
            assert_never(node)


def _literal(value: LiteralValue) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return json.dumps(value, ensure_ascii=False) if isinstance(value, str) else repr(value)


def _listed(nodes: Sequence[Node]) -> str:
    return ", ".join(map(written, nodes))
