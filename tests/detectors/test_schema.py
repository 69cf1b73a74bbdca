from collections.abc import Callable
from types import MappingProxyType
from typing import TypeAlias

import pytest

from gateway.detectors.schema import Schema, usable
from gateway.detectors.text import Text
from gateway.domain.detection import QUIET, Detection, FactValue, Stage, Subject
from gateway.domain.jsonvalue import JsonObject

Facts: TypeAlias = dict[str, FactValue]
Look: TypeAlias = Callable[..., Detection]

_NUMBERS: JsonObject = {"type": "array", "items": {"type": "integer"}}
_NAMED: JsonObject = MappingProxyType({"type": "object", "required": ("name",)})


@pytest.fixture
def look() -> Look:
    def seen(
        text: str,
        *,
        schema: JsonObject | None = None,
        policy: JsonObject | None = None,
        stage: Stage = Stage.OUTPUT,
        facts: Facts | None = None,
    ) -> Detection:
        subject = Subject(stage=stage, where="output", text=text, facts=facts or {}, schema=schema)
        return Schema(policy).detect(Text(text), subject)

    return seen


def _is_valid(detection: Detection) -> bool:
    assert detection.failed is None
    assert detection.facts["det.schema.checked"] is True
    assert detection.facts["det.schema.invalid"] is not detection.facts["det.schema.valid"]
    return detection.facts["det.schema.valid"] is True


@pytest.mark.rows
@pytest.mark.parametrize("text", ["[]", "[1, 2]", " [1]\n"])
def test_valid_json_is_valid(look: Look, text: str) -> None:
    assert _is_valid(look(text, schema=_NUMBERS))


@pytest.mark.rows
@pytest.mark.parametrize(
    "text",
    [
        "",
        "[1",
        '["a"]',
        "[1] and more",
        "```json\n[1]\n```",
        '1,"b":2',
        "1}",
        "[1]//",
        "[NaN]",
        "[18446744073709551616]",
    ],
)
def test_everything_else_is_invalid(look: Look, text: str) -> None:
    assert not _is_valid(look(text, schema=_NUMBERS))


def test_a_key_that_stands_twice_is_invalid(look: Look) -> None:
    assert _is_valid(look('{"name": 1}', schema=_NAMED))
    assert not _is_valid(look('{"name": 1, "name": 1}', schema=_NAMED))


def test_without_a_schema_it_is_quiet(look: Look) -> None:
    assert look("[1]") == QUIET


@pytest.mark.rows
@pytest.mark.parametrize(
    ("facts", "checked"), [({}, True), ({"output.channel": "text"}, True), ({"output.channel": "reasoning"}, False)]
)
def test_the_policys_schema_is_for_the_answer(look: Look, facts: Facts, checked: bool) -> None:
    assert (look("[1]", policy=_NUMBERS, facts=facts) != QUIET) is checked


def test_the_policys_schema_is_for_output_alone(look: Look) -> None:
    assert look("[1]", policy=_NUMBERS, stage=Stage.DATA) == QUIET
    assert _is_valid(look("[1]", schema=_NUMBERS, stage=Stage.DATA))


def test_where_there_are_two_both_count(look: Look) -> None:
    assert not _is_valid(look("[1]", schema=_NUMBERS, policy=_NAMED))
    assert not _is_valid(look("[1]", schema=_NAMED, policy=_NUMBERS))
    assert _is_valid(look("[1]", schema=_NUMBERS, policy=_NUMBERS))


def test_a_reference_within_the_schema_is_followed(look: Look) -> None:
    schema = {"$defs": {"one": {"type": "integer"}}, "$ref": "#/$defs/one"}
    assert _is_valid(look("1", schema=schema))
    assert not _is_valid(look('"1"', schema=schema))


@pytest.mark.rows
@pytest.mark.parametrize(
    "schema",
    [
        {"$ref": "https://example.invalid/schema.json"},
        {"$ref": "file:///etc/hostname"},
        {"$ref": "other.json"},
        {"$ref": "#/$defs/missing"},
        {"$schema": "https://example.invalid/dialect"},
        {"type": "no such type"},
        {"pattern": "(?=a)b"},
        {"pattern": "(a{1000}){1000}"},
        {"description": "x" * 300_000},
    ],
    ids=["remote", "file", "relative", "missing", "dialect", "type", "look-around", "pattern", "long"],
)
def test_a_schema_that_cannot_be_used_fails(look: Look, schema: JsonObject) -> None:
    assert look("{}", schema=schema) == Detection(failed="schema")
    assert not usable(schema)


def test_a_schema_that_is_no_json_fails(look: Look) -> None:
    circle: dict[str, JsonObject] = {}
    circle["not"] = circle
    assert look("{}", schema=circle) == Detection(failed="schema")


def test_a_schema_of_other_values_fails(look: Look) -> None:
    odd: dict[str, object] = {"const": object()}
    assert look("{}", schema=odd) == Detection(failed="schema")


def test_a_usable_schema_is_usable() -> None:
    assert usable(_NAMED)


def test_patterns_run_in_linear_time(look: Look) -> None:
    assert not _is_valid(look(f'"{"a" * 50_000}b"', schema={"pattern": "^(a+)+$"}))
