import pytest

from adapters._refusal import Refused
from adapters.embedded.schema_limits import (
    MOST_CHOICES,
    MOST_DEPTH,
    MOST_MAGNITUDE,
    MOST_NODES,
    MOST_REPEATS,
    MOST_TEXT,
    check_schema,
)
from gateway.domain.jsonvalue import JsonObject, JsonValue

STRING: JsonObject = {"type": "string"}


PERSON: JsonObject = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "title": "Person",
    "type": "object",
    "properties": {
        "name": {"type": "string", "description": "d", "minLength": 1, "maxLength": MOST_REPEATS},
        "age": {"type": ["integer", "null"], "minimum": 0, "exclusiveMaximum": 150.5},
        "born": {"type": "string", "format": "date"},
        "pattern": {"const": "x"},
        "kind": {"enum": ["a", 1, None, {"b": []}]},
        "home": {"$ref": "#/$defs/Address"},
        "work": {"anyOf": [{"$ref": "#/$defs/Address"}, {"type": "null"}]},
        "tags": {"type": "array", "items": STRING, "minItems": 0, "maxItems": 10, "uniqueItems": True},
        "pair": {"prefixItems": [STRING, STRING]},
        "old": {"items": [STRING, {"oneOf": [STRING]}]},
        "all": {"allOf": [STRING]},
    },
    "required": ["name"],
    "additionalProperties": False,
    "$defs": {"Address": {"type": "object", "properties": {"city": STRING}}},
}


def code(schema: JsonValue) -> str | None:
    """The refusal's code; None: the schema is let through."""
    try:
        check_schema(schema, "response_format")
    except Refused as refused:
        return refused.code
    return None


def nested(depth: int) -> JsonObject:
    schema = STRING
    for _ in range(depth - 1):
        schema = {"type": "array", "items": schema}
    return schema


def wide(count: int) -> JsonObject:
    return {"properties": {f"p{number}": STRING for number in range(count)}}


@pytest.mark.rows
@pytest.mark.parametrize("schema", [True, {}, PERSON])
def test_ordinary_schemas_are_let_through(schema: JsonValue) -> None:
    assert code(schema) is None


@pytest.mark.rows
@pytest.mark.parametrize(
    ("within", "beyond"),
    [
        (nested(MOST_DEPTH), nested(MOST_DEPTH + 1)),
        (nested(MOST_DEPTH), nested(900)),
        (wide(MOST_NODES - 1), wide(MOST_NODES)),
        ({"enum": list(range(MOST_CHOICES))}, {"enum": list(range(MOST_CHOICES + 1))}),
        ({"anyOf": [STRING] * MOST_CHOICES}, {"anyOf": [STRING] * (MOST_CHOICES + 1)}),
        ({"const": "a" * (MOST_TEXT - 2)}, {"const": "a" * (MOST_TEXT - 1)}),
        ({"properties": {"a" * MOST_TEXT: True}}, {"properties": {"a" * (MOST_TEXT + 1): True}}),
        ({"required": ["a" * (MOST_TEXT - 2)]}, {"required": ["a" * (MOST_TEXT - 1)]}),
        ({"maxLength": MOST_REPEATS}, {"maxLength": MOST_REPEATS + 1}),
        ({"minItems": 0}, {"minItems": -1}),
        ({"maximum": MOST_MAGNITUDE}, {"maximum": MOST_MAGNITUDE * 10}),
        ({"minimum": -MOST_MAGNITUDE}, {"minimum": -1e300}),
    ],
)
def test_each_limit_lets_its_value_through_and_nothing_beyond(within: JsonValue, beyond: JsonValue) -> None:
    assert (code(within), code(beyond)) == (None, "schema_too_complex")


def test_references_count_as_if_they_were_written_out() -> None:
    def doubling(levels: int) -> JsonObject:
        definitions: dict[str, JsonValue] = {
            f"a{level}": {"allOf": [{"$ref": f"#/$defs/a{level + 1}"}] * 2} for level in range(levels)
        }
        return {"$ref": "#/$defs/a0", "$defs": {**definitions, f"a{levels}": STRING}}

    assert (code(doubling(4)), code(doubling(10))) == (None, "schema_too_complex")


@pytest.mark.rows
@pytest.mark.parametrize(
    "schema",
    [
        {"$ref": "#/$defs/a", "$defs": {"a": {"$ref": "#/$defs/a"}}},
        {"$ref": "#/$defs/a", "$defs": {"a": {"type": "array", "items": {"$ref": "#/$defs/a"}}}},
        {"$ref": "#/$defs/a", "$defs": {"a": {"$ref": "#/$defs/b"}, "b": {"anyOf": [{"$ref": "#/$defs/a"}]}}},
    ],
)
def test_a_schema_that_refers_to_itself_is_refused(schema: JsonValue) -> None:
    assert code(schema) == "schema_too_complex"


@pytest.mark.rows
@pytest.mark.parametrize(
    "schema",
    [
        {"pattern": "a"},
        {"properties": {"a": {"pattern": "^((((a{0,999}){0,999}){0,999}){0,999})$"}}},
        {"$ref": "#/$defs/a", "$defs": {"a": {"pattern": "a"}}},
        {"$ref": "#/default", "default": {"pattern": "a"}},
        {"patternProperties": {"a": {}}},
        {"propertyNames": {"pattern": "a"}},
        {"not": {}},
        {"if": {}},
        {"$ref": "#"},
        {"$ref": "#/$defs/missing"},
        {"$ref": "#/items/0", "items": [STRING]},
        {"$ref": "https://example.com/a"},
        {"$ref": "#/$defs/a~1b", "$defs": {"a/b": STRING}},
        {"$ref": 1},
        {"format": "a" * 65},
        {"format": {}},
        {"type": 1},
        {"required": [1]},
        {"enum": "a"},
        {"anyOf": {}},
        {"properties": []},
        {"items": "a"},
        {"maxLength": "9"},
        {"maxLength": True},
        "string",
        None,
    ],
)
def test_what_is_not_known_to_be_cheap_is_refused(schema: JsonValue) -> None:
    assert code(schema) == "schema_unsupported"


def test_a_refusal_does_not_repeat_the_schema() -> None:
    with pytest.raises(Refused) as caught:
        check_schema({"properties": {"secret": {"secret-word": "secret"}}}, "tools")
    assert "secret" not in caught.value.message
    assert caught.value.param == "tools"
