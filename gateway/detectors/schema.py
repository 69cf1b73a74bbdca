"""Is a text JSON that is valid against a schema?

The schema is the one of the subject, or for output the policy's; where there are both, both count. The rule: nothing is
fetched, patterns run in linear time, and a schema that cannot be used is a failure, never a pass. This is the only file
of the detectors that knows the library.
"""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false

import json
from collections.abc import Mapping
from functools import lru_cache
from typing import Final, Protocol

import jsonschema_rs

from gateway.detectors.text import Text
from gateway.domain.detection import QUIET, Detection, Fact, FactType, Stage, Subject
from gateway.domain.jsonvalue import JsonObject, JsonValue
from gateway.domain.strict_json import parse_object

FACTS: Final = (
    Fact(name="det.schema.checked", type=FactType.BOOL, doc="Whether there was a schema to check against."),
    Fact(
        name="det.schema.valid",
        type=FactType.BOOL,
        doc="Whether the whole text is one strict JSON value (no duplicate keys, no NaN, nothing around it) and valid.",
    ),
    Fact(name="det.schema.invalid", type=FactType.BOOL, doc="Whether there was a schema and the text is not valid."),
)

# A schema's text, and the memory of one compiled pattern, in bytes.
_LONGEST: Final = 256 << 10
_PATTERN_MEMORY: Final = 1 << 20
_KEPT: Final = 64
# The value is parsed as a member of an object, since JSON as strict as ours is read by objects.
_MEMBER: Final = "value"


class UnusableSchema(ValueError):
    """The schema is too long, refers to what is not in it, or holds a pattern that is not linear."""


class _Validator(Protocol):
    def is_valid(self, instance: JsonValue, /) -> bool: ...


class Schema:
    """``det.schema``; ``output_schema`` is the policy's."""

    name = "schema"
    facts = FACTS
    patterns = ()

    def __init__(self, output_schema: JsonObject | None = None) -> None:
        self._output_schema = output_schema

    def detect(self, text: Text, subject: Subject) -> Detection:
        schemas = [schema for schema in (subject.schema, self._for(subject)) if schema is not None]
        if not schemas:
            return QUIET
        try:
            validators = [_compiled(_text_of(schema)) for schema in schemas]
        except UnusableSchema:
            return Detection(failed="schema")
        valid = _valid(text.original, validators)
        return Detection(facts={"det.schema.checked": True, "det.schema.valid": valid, "det.schema.invalid": not valid})

    def _for(self, subject: Subject) -> JsonObject | None:
        """The policy's schema is for what the model answers, not for its reasoning or its refusals."""
        answers = subject.stage is Stage.OUTPUT and subject.facts.get("output.channel", "text") == "text"
        return self._output_schema if answers else None


def usable(schema: JsonObject) -> bool:
    """Whether texts can be checked against it: for lint, which says so before any text comes."""
    try:
        _compiled(_text_of(schema))
    except UnusableSchema:
        return False
    return True


def _text_of(schema: JsonObject) -> str:
    try:
        return json.dumps(schema, default=_plain)
    except (TypeError, ValueError, RecursionError) as exc:
        raise UnusableSchema("write the schema as JSON") from exc


def _plain(value: object) -> object:
    if isinstance(value, Mapping):
        return dict(value)
    raise TypeError


@lru_cache(maxsize=_KEPT)
def _compiled(schema: str) -> _Validator:
    if len(schema) > _LONGEST:
        raise UnusableSchema(f"write the schema in {_LONGEST} bytes")
    limits = jsonschema_rs.RegexOptions(size_limit=_PATTERN_MEMORY, dfa_size_limit=_PATTERN_MEMORY)
    try:
        return jsonschema_rs.validator_for(json.loads(schema), pattern_options=limits, offline=True)
    except (jsonschema_rs.ValidationError, jsonschema_rs.ReferencingError, ValueError, TypeError) as exc:
        raise UnusableSchema(
            "use a schema that refers to nothing outside it, with patterns without look-around"
        ) from exc


def _valid(text: str, validators: list[_Validator]) -> bool:
    try:
        members = parse_object(f'{{"{_MEMBER}":{text}\n}}')
    except ValueError:
        return False
    return len(members) == 1 and all(validator.is_valid(members[_MEMBER]) for validator in validators)
