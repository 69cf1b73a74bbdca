"""What does an editor need to know of a kind of file? Its JSON Schema, made from the pydantic model."""

import json
from collections.abc import Mapping

from pydantic import BaseModel
from pydantic.json_schema import GenerateJsonSchema
from pydantic_core import core_schema


class Untitled(GenerateJsonSchema):
    """Without a title for each key: it would only repeat the key."""

    def field_title_should_be_set(self, schema: object) -> bool:
        del schema
        return False

    def dict_schema(self, schema: core_schema.DictSchema) -> dict[str, object]:
        """A mapping whose keys follow a pattern has no others."""
        made = super().dict_schema(schema)
        return {**made, "additionalProperties": False} if "patternProperties" in made else made


def schema_text(schema: Mapping[str, object], title: str) -> str:
    """The schema as it is checked in."""
    head = {"$schema": GenerateJsonSchema.schema_dialect, "title": title}
    return json.dumps({**schema, **head}, indent=2, ensure_ascii=False, sort_keys=True) + "\n"


def schema_of(document: type[BaseModel], title: str) -> str:
    """The JSON Schema of a whole file."""
    return schema_text(document.model_json_schema(schema_generator=Untitled), title)
