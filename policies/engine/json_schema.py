"""What does an editor need to know of a policy file? Its JSON Schema, made from the schema itself.

``python -m policies.engine.json_schema`` writes ``policies/schema/policy.schema.json`` anew. The schema says what may
stand where; what takes more than one key to judge, ``splitgate policy lint`` alone can tell.
"""

from pathlib import Path
from typing import Final

from gateway.yamlfile.json_schema import schema_of
from policies.engine.schema import Document

FILE: Final = Path(__file__).parents[1] / "schema" / "policy.schema.json"


def schema_text() -> str:
    """The JSON Schema of the whole file, as it is checked in."""
    return schema_of(Document, "Splitgate policy")


if __name__ == "__main__":
    FILE.write_text(schema_text(), encoding="utf-8")
