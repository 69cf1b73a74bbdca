import json
from collections.abc import Iterator
from typing import Any

import jsonschema_rs
import pytest

from gateway.yamlfile.source import read_source
from policies.engine.json_schema import FILE, schema_text
from policies.engine.schema import SECTIONS
from policies.engine.schema_words import Section

SCHEMA: dict[str, Any] = json.loads(FILE.read_text(encoding="utf-8"))
# Facts of cases, arguments of calls, schemas of output: whoever writes them knows their keys.
FREE = {"additionalProperties", "segment", "request", "output", "arguments"}


def objects(value: Any, name: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    """Every schema of an object, with the key that it stands at."""
    if isinstance(value, dict):
        found: dict[str, Any] = value  # pyright: ignore[reportUnknownVariableType]
        if found.get("type") == "object":
            yield name, found
        for key, inner in found.items():
            yield from objects(inner, name if key == "anyOf" else key)
    elif isinstance(value, list):
        for inner in value:  # pyright: ignore[reportUnknownVariableType]
            yield from objects(inner, name)


def test_the_file_is_what_the_code_says() -> None:
    assert FILE.read_text(encoding="utf-8") == schema_text(), "run: python -m policies.engine.json_schema"


@pytest.mark.rows
@pytest.mark.parametrize(("path", "section"), SECTIONS)
def test_every_key_stands_in_it_with_its_meaning(path: tuple[str, ...], section: type[Section]) -> None:
    found = SCHEMA if path == () else SCHEMA["$defs"][section.__name__]
    assert set(found["properties"]) == {field.alias or name for name, field in section.model_fields.items()}
    for name, field in section.model_fields.items():
        assert field.description
        assert found["properties"][field.alias or name]["description"] == field.description


def test_unknown_keys_are_mistakes_everywhere_but_in_free_mappings() -> None:
    for name, found in objects(SCHEMA):
        # `det` maps names to free mappings, so that it is neither.
        assert (found["additionalProperties"] is False) is (name not in {*FREE, "det"})


def test_words_are_offered() -> None:
    rule = SCHEMA["$defs"]["RuleSection"]["properties"]
    assert rule["stage"]["enum"] == ["instructions", "data", "tools", "tool_call", "output"]
    assert rule["action"]["enum"] == ["score", "block", "redact", "pseudonymise", "require_approval", "set_channel"]


def test_it_takes_a_sound_policy_and_no_other(sound: str) -> None:
    validator = jsonschema_rs.validator_for(SCHEMA)
    text = json.dumps(read_source("p.yaml", sound.encode()).value)
    assert [error.message for error in validator.iter_errors(json.loads(text))] == []
    for wrong in (
        text.replace('"block"', '"blok"'),
        text.replace('"severity"', '"severty"'),
        text.replace('"LLM02:2025"', '"llm02"'),
    ):
        assert not validator.is_valid(json.loads(wrong))
