import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from adapters.registry import FAMILIES, FORMATS, PROVIDERS
from gateway.configuration.json_schema import FILE, schema_text
from gateway.configuration.schema import SECTIONS, Section

ROOT = Path(__file__).parents[2]
SCHEMA: dict[str, Any] = json.loads(FILE.read_text(encoding="utf-8"))


def objects(value: Any) -> Iterator[dict[str, Any]]:
    """Every schema of an object."""
    if isinstance(value, dict):
        found: dict[str, Any] = value  # pyright: ignore[reportUnknownVariableType]
        if found.get("type") == "object":
            yield found
        for inner in found.values():
            yield from objects(inner)
    elif isinstance(value, list):
        for inner in value:  # pyright: ignore[reportUnknownVariableType]
            yield from objects(inner)


def test_the_file_is_what_the_code_says() -> None:
    assert FILE.read_text(encoding="utf-8") == schema_text(), "run: python -m gateway.configuration.json_schema"


@pytest.mark.rows
@pytest.mark.parametrize(("path", "section"), SECTIONS)
def test_every_key_stands_in_it_with_its_meaning(path: tuple[str, ...], section: type[Section]) -> None:
    found = SCHEMA if path == () else SCHEMA["$defs"][section.__name__]
    assert set(found["properties"]) == set(section.model_fields)
    for name, field in section.model_fields.items():
        assert found["properties"][name]["description"] == field.description


def test_unknown_keys_are_mistakes_everywhere_but_in_free_mappings() -> None:
    target = SCHEMA["$defs"]["TargetSection"]["properties"]
    traces = SCHEMA["$defs"]["TracesSection"]["properties"]
    oidc = SCHEMA["$defs"]["OidcSection"]["properties"]
    free = [target["credentials"], target["format_options"], target["headers"], traces["headers"]]
    free += [oidc["require"], oidc["tenants"], oidc["role_values"]]
    for found in objects(SCHEMA):
        if found not in free:
            assert found["additionalProperties"] is False


def test_the_names_of_the_registry_are_known() -> None:
    target = SCHEMA["$defs"]["TargetSection"]["properties"]
    assert set(target["provider"]["enum"]) == set(PROVIDERS)
    assert set(target["format"]["enum"]) == set(FORMATS)
    assert set(target["family"]["anyOf"][0]["enum"]) == set(FAMILIES)
    assert target["family"]["anyOf"][1] == {"type": "null"}


def test_a_template_may_be_plain_text() -> None:
    templates = SCHEMA["$defs"]["ModelSection"]["properties"]["templates"]["items"]["anyOf"]
    assert templates == [{"type": "string"}, {"$ref": "#/$defs/TemplateSection"}]


def test_the_shipped_configuration_names_it() -> None:
    first = (ROOT / "splitgate.yaml").read_text(encoding="utf-8").partition("\n")[0]
    mark, _, path = first.partition("$schema=")
    assert mark == "# yaml-language-server: "
    assert (ROOT / path).resolve() == FILE.resolve()
