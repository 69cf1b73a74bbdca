"""Is a mapping of the file JSON?

What was read from YAML is, by construction: see ``source.py``.
"""

from collections.abc import Mapping
from typing import TypeGuard

from gateway.domain.jsonvalue import JsonObject


def as_json(value: Mapping[str, object] | None) -> JsonObject | None:
    """The mapping as what it is; None where there is none."""
    return value if _is_json(value) else None


def _is_json(value: Mapping[str, object] | None) -> TypeGuard[JsonObject]:
    return isinstance(value, dict)
