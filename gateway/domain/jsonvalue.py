"""What shape has a parsed JSON value?

The aliases are read-only views: parsed values are shared between targets, so nobody changes them in place.
"""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, ForwardRef, TypeAlias

if TYPE_CHECKING:
    JsonValue: TypeAlias = "str | int | float | bool | Sequence[JsonValue] | Mapping[str, JsonValue] | None"
else:
    # Told with its module, so that the types of a field can be looked up where the alias's own names are not known.
    JsonValue = ForwardRef(
        "str | int | float | bool | Sequence[JsonValue] | Mapping[str, JsonValue] | None", module=__name__
    )
JsonObject: TypeAlias = Mapping[str, JsonValue]
