"""How is a checked tree run? By the Rust engine, over a source that is written anew from the tree.

This is the only file that knows ``cel``. The rule it keeps: what runs is what was checked. The engine never sees the
policy's own text: each name, literal and list is a variable of ours, and ``size``, ``matches`` and ``in`` over a list
that is known ask Python, since the binding counts bytes for characters, has another regular expression language than
CEL's, and searches lists one by one.
"""

import math
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from types import ModuleType
from typing import Final, assert_never

# The package imports its own command line, and with that a toolkit for terminals: a seventh of what a worker's start
# takes. Nobody asks for it in this process, so an empty module stands in its place.
if "cel.cli" not in sys.modules:
    sys.modules["cel.cli"] = ModuleType("cel.cli")
import cel

from gateway.domain.detection import FactValue
from policies.engine.expression.errors import ConditionFailed
from policies.engine.expression.patterns import compiled
from policies.engine.expression.tree import (
    BINDING,
    Binary,
    Call,
    Choice,
    ListOf,
    Literal,
    Name,
    Node,
    Not,
    Operator,
)

_UNARY: Final = 6
_LARGEST: Final = 2**63


@dataclass(frozen=True, slots=True, kw_only=True)
class Program:
    """A compiled tree. ``refs`` are the facts that it reads, in the order in which ``run`` takes them."""

    refs: tuple[str, ...]
    program: cel.Program
    known: Mapping[str, FactValue]
    functions: Mapping[str, Callable[..., object]]

    def run(self, values: Sequence[FactValue]) -> bool:
        """Whether it is true for these values of ``refs``. Every call has its own context, so threads can share this.

        Raises:
            ConditionFailed: it has no value.
        """
        variables: dict[str, FactValue] = dict(self.known)
        for index, value in enumerate(values):
            variables[f"f{index}"] = _finite(value)
        try:
            result: object = self.program.execute(cel.Context(variables, dict(self.functions)))
        except (ArithmeticError, LookupError, RuntimeError, TypeError, ValueError):
            # The engine's words quote facts: they end here.
            raise ConditionFailed from None
        if not isinstance(result, bool):
            raise ConditionFailed
        return result


def _finite(value: FactValue) -> FactValue:
    """``value`` as the engine takes it: it would turn integers over 64 bits into doubles, and orders no NaN."""
    if isinstance(value, float):
        if not math.isfinite(value):
            raise ConditionFailed
        return value + 0.0  # -0.0 is remembered as 0.0, so it is one
    if isinstance(value, int) and not -_LARGEST <= value < _LARGEST:
        raise ConditionFailed
    return value


def build(tree: Node, constants: Mapping[str, FactValue]) -> Program:
    """Compile a tree that ``check`` let pass."""
    writer = _Writer(constants=constants)
    source = writer.written(tree, 0)
    return Program(
        refs=tuple(writer.refs),
        program=cel.compile(source),
        known=writer.known,
        functions=writer.functions,
    )


@dataclass(slots=True, kw_only=True)
class _Writer:
    """Writes a tree as source, and keeps what the names in it stand for."""

    constants: Mapping[str, FactValue]
    refs: dict[str, str] = field(default_factory=dict[str, str])
    known: dict[str, FactValue] = field(default_factory=dict[str, FactValue])
    functions: dict[str, Callable[..., object]] = field(default_factory=dict[str, Callable[..., object]])

    def written(self, node: Node, binding: int) -> str:
        """The source of ``node``, in parentheses where it binds less tightly than ``binding``."""
        match node:
            case Literal():
                return self._known(node.value)
            case Name():
                return self._name(node)
            case ListOf():
                return f"[{', '.join(self.written(one, 0) for one in node.items)}]"
            case Not():
                return f"!{self.written(node.operand, _UNARY)}"
            case Binary():
                return _bracketed(self._binary(node), BINDING[node.operator] < binding)
            case Choice():
                asked = f"{self.written(node.condition, 1)} ? {self.written(node.then, 1)}"
                return _bracketed(f"{asked} : {self.written(node.otherwise, 0)}", binding > 0)
            case Call():
                return self._call(node)
            case _:
                assert_never(node)

    def _name(self, node: Name) -> str:
        if node.path in self.constants:
            return self._known(self.constants[node.path])
        return self.refs.setdefault(node.path, f"f{len(self.refs)}")

    def _known(self, value: FactValue) -> str:
        name = f"k{len(self.known)}"
        self.known[name] = value
        return name

    def _function(self, function: Callable[..., object]) -> str:
        name = f"g{len(self.functions)}"
        self.functions[name] = function
        return name

    def _binary(self, node: Binary) -> str:
        binding = BINDING[node.operator]
        elements = self._elements(node.right) if node.operator is Operator.IN else None
        if elements is not None:
            return f"{self._function(elements.__contains__)}({self.written(node.left, 0)})"
        return f"{self.written(node.left, binding)} {node.operator} {self.written(node.right, binding + 1)}"

    def _elements(self, node: Node) -> frozenset[FactValue] | None:
        """What is in the list, where that is known already."""
        if isinstance(node, Name) and node.path in self.constants:
            value = self.constants[node.path]
            return frozenset(value) if isinstance(value, tuple) else None
        if not isinstance(node, ListOf):
            return None
        literals = [one.value for one in node.items if isinstance(one, Literal)]
        return frozenset(literals) if len(literals) == len(node.items) else None

    def _call(self, node: Call) -> str:
        first, *others = node.arguments
        match node.function, others:
            case "size", _:
                return f"{self._function(len)}({self.written(first, 0)})"
            case "matches", [Literal(value=pattern)]:
                matches = compiled(str(pattern), node.offset)
                return f"{self._function(matches)}({self.written(first, 0)})"
            case name, [other]:
                return f"{self.written(first, _UNARY + 1)}.{name}({self.written(other, 0)})"
            case _:
                return f"{node.function}({self.written(first, 0)})"


def _bracketed(source: str, needed: bool) -> str:
    return f"({source})" if needed else source
