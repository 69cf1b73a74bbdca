"""What are the objects called that hold a copy of the journals?

``LOG/registry/NUMBER``, ``LOG/epochs/EPOCH/journal/OFFSET`` and ``LOG/epochs/EPOCH/checkpoints/OFFSET``: an entry, or
the bytes of a file from there on. Numbers have as many digits as it takes for names to be in the order of the bytes.
LOG is the epoch that the registry's first entry opens: no two folders of journals share it, so that many gateways can
share a bucket, and pods without a volume can begin anew.
"""

import re
from typing import Final

from gateway.audit.places import EPOCH
from gateway.domain.value import value

FILES: Final = ("journal", "checkpoints")
_FROM: Final = re.compile(rf"epochs/({EPOCH.pattern})/({'|'.join(FILES)})/([0-9]{{16}})")
_ENTRY: Final = re.compile(r"registry/([0-9]{8})")


@value
class Stretch:
    """Bytes of a file of ``epoch`` from ``offset`` on."""

    epoch: str
    file: str
    offset: int


def stretch_name(log: str, stretch: Stretch) -> str:
    """The object that holds it."""
    return f"{log}/epochs/{stretch.epoch}/{stretch.file}/{stretch.offset:016d}"


def entry_name(log: str, number: int) -> str:
    """The object that holds an entry of the registry."""
    return f"{log}/registry/{number:08d}"


def read_name(name: str) -> Stretch | int | None:
    """What the object of one log holds whose name is that, without its log: None where it is none of ours."""
    if found := _ENTRY.fullmatch(name):
        return int(found[1])
    if found := _FROM.fullmatch(name):
        return Stretch(epoch=found[1], file=found[2], offset=int(found[3]))
    return None
