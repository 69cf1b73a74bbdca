"""How well are instruction and data kept apart by what was sent?

Levels are ordered, so that a floor is a comparison and the reached level is a minimum.
"""

from enum import IntEnum


class Isolation(IntEnum):
    """The ladder of the design: ``native`` > ``channel`` > ``wrapped`` > ``none``."""

    NONE = 0
    WRAPPED = 1
    CHANNEL = 2
    NATIVE = 3

    # The lower-case word used in requests, replies, headers and configuration.
    label: str

    def __init__(self, _: int) -> None:
        self.label = self.name.lower()


# The best first.
LABELS = tuple(level.label for level in reversed(Isolation))

# Said instead of a level when a request carries no data segment: nothing was told apart, so nothing was kept apart.
NO_DATA = "no-data"
# Said where nothing is instructed at all, as for embeddings: whatever the texts say, it steers nothing.
NO_INSTRUCTION = "no-instruction"


def isolation_from_label(label: str) -> Isolation:
    """Read a level's word.

    Raises:
        ValueError: the word is not one of ``LABELS``.
    """
    if label not in LABELS:
        raise ValueError(f"must be one of {', '.join(LABELS)}")
    return Isolation[label.upper()]
