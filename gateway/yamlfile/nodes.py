"""How is YAML text taken apart into nodes with positions?

This is the only file that knows the YAML library; what the library leaves untyped is typed here.
"""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false

import warnings
from collections.abc import Iterator
from typing import Final, TypeAlias

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError, YAMLWarning
from ruamel.yaml.events import CollectionEndEvent, CollectionStartEvent, Event
from ruamel.yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode
from ruamel.yaml.parser import Parser

__all__ = ["MAX_DEPTH", "MappingNode", "Node", "NotYamlError", "Position", "ScalarNode", "SequenceNode"]

# Line and column, counted from 1.
Position: TypeAlias = tuple[int, int]

# Deeper than any configuration; aliases can make it deeper still, which ``source.py`` watches.
MAX_DEPTH: Final = 32

_TAG: Final = "tag:yaml.org,2002:"


class NotYamlError(Exception):
    """The text is no YAML document; ``position`` says where it stops being one."""

    def __init__(self, message: str, position: Position) -> None:
        super().__init__(message)
        self.message = message
        self.position = position


def compose(text: str) -> Node | None:
    """The root node of the one document in ``text``, None where it is empty.

    Raises:
        NotYamlError: the text does not parse.
    """
    yaml = YAML(typ="safe", pure=True)
    yaml.Parser = _Shallow
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", YAMLWarning)
            node: object = yaml.compose(text)
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        position = (1, 1) if mark is None else (int(mark.line) + 1, int(mark.column) + 1)
        raise NotYamlError(str(error.problem or error.context), position) from error
    except YAMLWarning as error:
        raise NotYamlError("an anchor is defined twice", (1, 1)) from error
    except (YAMLError, ValueError) as error:
        raise NotYamlError("the text cannot be read", (1, 1)) from error
    return node if isinstance(node, Node) else None


class _Shallow(Parser):
    """Composing recurses: what is nested beyond reason is refused while it is still a stream of events."""

    depth = 0

    def get_event(self) -> Event:
        event: Event = super().get_event()
        self.depth += isinstance(event, CollectionStartEvent) - isinstance(event, CollectionEndEvent)
        if self.depth > MAX_DEPTH:
            mark = event.start_mark
            raise NotYamlError("it is nested too deeply", (int(mark.line) + 1, int(mark.column) + 1))
        return event


def position_of(node: Node) -> Position:
    return int(node.start_mark.line) + 1, int(node.start_mark.column) + 1


def tag_of(node: Node) -> str:
    """The short name of a standard tag, the whole tag otherwise."""
    return str(node.tag).removeprefix(_TAG)


def text_of(node: ScalarNode) -> str:
    return str(node.value)


def items_of(node: SequenceNode) -> Iterator[Node]:
    yield from node.value


def pairs_of(node: MappingNode) -> Iterator[tuple[Node, Node]]:
    yield from node.value
