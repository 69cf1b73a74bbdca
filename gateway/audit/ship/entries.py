"""What does an entry of the registry say about an epoch?"""

from typing import Final, Literal, TypeAlias

from gateway.audit.line import Fields, NotCanonical, parsed
from gateway.audit.places import EPOCH, registry_entry
from gateway.domain.value import value

Kind: TypeAlias = Literal["opened", "closed", "sealed", "pruned"]

_KINDS: Final[dict[object, Kind]] = {"opened": "opened", "closed": "closed", "sealed": "sealed", "pruned": "pruned"}


@value
class Entry:
    """What became of an epoch; of its end, how many records it had, and how many bytes follow the last whole line."""

    epoch: str
    kind: Kind
    records: int = 0
    torn: int = 0

    @property
    def is_end(self) -> bool:
        """Whether nothing is added to the epoch any more."""
        return self.kind != "opened"


def read_entry(raw: bytes) -> Entry | None:
    """What a file of the registry says; None where that cannot be told."""
    entry = registry_entry(raw)
    try:
        fields: Fields = {} if entry is None else parsed(entry[0])
    except NotCanonical:
        return None
    epoch, kind = fields.get("epoch"), _KINDS.get(fields.get("entry"))
    records, torn = fields.get("size", 0 if kind == "opened" else None), fields.get("torn", 0)
    if kind is None or not isinstance(epoch, str) or not EPOCH.fullmatch(epoch):
        return None
    if not isinstance(records, int) or not isinstance(torn, int):
        return None
    return Entry(epoch=epoch, kind=kind, records=records, torn=torn)
