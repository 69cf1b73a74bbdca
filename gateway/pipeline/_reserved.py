"""Which calls of the model's never reach the client, whatever policy says, and how are the others counted?"""

from dataclasses import dataclass, field
from typing import Final

from gateway.domain.prompt import RESERVED_TOOL

# How a choice ends of which something was withheld: OpenAI's word for it.
WITHHELD: Final = "content_filter"


def names_reserved_tool(name: str) -> bool:
    """Whether a model that says ``name`` means the reserved tool, be it with a namespace, blanks or invisible marks."""
    return RESERVED_TOOL in "".join([char for char in name.casefold() if char.isalnum() or char == "_"])


@dataclass(slots=True)
class Numbers:
    """One choice's tool calls: upstream's number to the client's, None where the call is withheld."""

    known: dict[int, int | None] = field(default_factory=dict[int, int | None])
    visible: int = 0
    withheld: bool = False

    def start(self, index: int, name: str) -> int | None:
        if names_reserved_tool(name):
            self.withheld = True
            self.known[index] = None
        else:
            self.known[index] = self.visible
            self.visible += 1
        return self.known[index]

    def ending(self, reason: str) -> str:
        """How the choice ends: its only call may have been withheld."""
        return WITHHELD if self.withheld and not self.visible else reason
