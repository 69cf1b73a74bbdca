"""Which types do the parts of a condition have?"""

from enum import StrEnum
from typing import Final

from gateway.domain.detection import FactValue


class Kind(StrEnum):
    """CEL's name of the type."""

    BOOL = "bool"
    INT = "int"
    DOUBLE = "double"
    STRING = "string"
    BOOLS = "list(bool)"
    INTS = "list(int)"
    DOUBLES = "list(double)"
    STRINGS = "list(string)"


LIST_OF: Final = {
    Kind.BOOL: Kind.BOOLS,
    Kind.INT: Kind.INTS,
    Kind.DOUBLE: Kind.DOUBLES,
    Kind.STRING: Kind.STRINGS,
}
LISTS: Final = frozenset(LIST_OF.values())
NUMBERS: Final = frozenset({Kind.INT, Kind.DOUBLE})


def kind_of_value(value: FactValue) -> Kind:
    """The kind of a literal or a constant."""
    if isinstance(value, bool):
        return Kind.BOOL
    if isinstance(value, int):
        return Kind.INT
    if isinstance(value, float):
        return Kind.DOUBLE
    return Kind.STRING if isinstance(value, str) else Kind.STRINGS
