"""What does an editor need to know of the configuration file? Its JSON Schema, made from the schema itself.

``python -m gateway.configuration.json_schema`` writes ``splitgate.schema.json`` anew. The schema says what may stand
where; what takes more than one key or the world outside the file to judge, ``splitgate check`` alone can tell.
"""

from collections.abc import Collection
from pathlib import Path
from typing import Final

from adapters.registry import FAMILIES, FORMATS, PROVIDERS
from gateway.configuration.schema import Document
from gateway.yamlfile import json_schema
from gateway.yamlfile.json_schema import Untitled

FILE: Final = Path(__file__).with_name("splitgate.schema.json")


def schema_text() -> str:
    """The JSON Schema of the whole file, as it is checked in."""
    schema = Document.model_json_schema(schema_generator=Untitled)
    target = schema["$defs"]["TargetSection"]["properties"]
    known: tuple[tuple[str, Collection[str]], ...] = (
        ("provider", PROVIDERS),
        ("format", FORMATS),
        ("family", FAMILIES),
    )
    for key, names in known:
        # An optional key is text or null: the names belong to the text.
        text = target[key].get("anyOf", [target[key]])[0]
        text["enum"] = sorted(names)
    return json_schema.schema_text(schema, "splitgate.yaml")


if __name__ == "__main__":
    FILE.write_text(schema_text(), encoding="utf-8")
