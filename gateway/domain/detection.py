"""What is scanned, and what did detectors see in it?

A detector turns text into facts, which the conditions of policies compare, and into marks, which say where to redact.
A detector that saw nothing says ``QUIET``; one that could not look says why in ``failed``, and never passes for quiet.
"""

from collections.abc import Mapping
from dataclasses import field
from enum import StrEnum
from typing import Final, TypeAlias

from gateway.domain.jsonvalue import JsonObject
from gateway.domain.value import value


class Stage(StrEnum):
    """Which part of an exchange is looked at. Each has its own anomaly score and threshold."""

    INSTRUCTIONS = "instructions"
    DATA = "data"
    TOOLS = "tools"
    TOOL_CALL = "tool_call"
    OUTPUT = "output"


STAGES: Final = frozenset(Stage)
# What is looked at before anything is sent.
INPUT_STAGES: Final = frozenset({Stage.INSTRUCTIONS, Stage.DATA, Stage.TOOLS})

FactValue: TypeAlias = bool | int | float | str | tuple[str, ...]
# By dotted name, as conditions write it: ``segment.origin``, ``det.secrets.found``. One that is absent has its type's
# zero: false, 0, 0.0, "" or the empty list.
Facts: TypeAlias = Mapping[str, FactValue]


class FactType(StrEnum):
    """CEL's name of a fact's type."""

    BOOL = "bool"
    INT = "int"
    DOUBLE = "double"
    STRING = "string"
    STRINGS = "list(string)"

    @property
    def zero(self) -> FactValue:
        """What a fact of this type is where nobody says otherwise."""
        return _ZEROS[self]


_ZEROS: Final[Mapping[FactType, FactValue]] = {
    FactType.BOOL: False,
    FactType.INT: 0,
    FactType.DOUBLE: 0.0,
    FactType.STRING: "",
    FactType.STRINGS: (),
}


@value
class Fact:
    """One name that conditions may use.

    ``longest`` is how many characters of a text the fact can rest on: 0 where it is known before any text comes, None
    where only the whole text tells. A stream can be released in pieces only under facts with a finite one.

    ``closed`` says of a fact that holds words that all of them come from a vocabulary of the gateway's or the policy's
    own, and none from the text: only then may a record hold them. What is no word never holds any text.
    """

    name: str
    type: FactType
    doc: str
    stages: frozenset[Stage] = STAGES
    longest: int | None = None
    closed: bool = False


Vocabulary: TypeAlias = Mapping[str, Fact]


@value
class Mark:
    """Characters ``start`` to ``end`` of the original text are a ``kind``: ``aws_access_key``, ``EMAIL_ADDRESS``."""

    kind: str
    start: int
    end: int


@value
class Detection:
    """What one detector saw in one text; its facts have their whole dotted names.

    ``failed`` is a word for why it could not look (``timeout``, ``error``, ``nan``, …).
    """

    facts: Facts = field(default_factory=dict[str, FactValue])
    marks: tuple[Mark, ...] = ()
    failed: str | None = None


QUIET: Final = Detection()

# By the detector's instance key; quiet ones are absent.
Detections: TypeAlias = Mapping[str, Detection]


@value
class Subject:
    """One text to be looked at, and what is known of it beside the text.

    ``where`` is a segment id, ``tools``, a tool's name or ``output``. ``canary`` is the request's token among the
    instructions, ``schema`` what the text must be valid against, where there is one.
    """

    stage: Stage
    where: str
    text: str
    facts: Facts
    canary: str | None = None
    schema: JsonObject | None = None


@value
class Scanned:
    """A subject, and what was seen in it."""

    subject: Subject
    detections: Detections
