"""What did detectors see in an answer, for whoever keeps the evidence?

The guard tells it as it judges. Texts are not kept. What was judged in pieces, or again once values came back for their
placeholders, has several looks; looks that are alike count once.
"""

from typing import Final, TypeAlias

from gateway.domain.detection import Detections, Facts, Scanned, Stage
from gateway.domain.value import value
from gateway.pipeline.edits import Span

Place: TypeAlias = tuple[Stage, str]

# So many looks at one place are kept; whoever reads them is told that there were more.
MOST_LOOKS: Final = 64


@value
class Look:
    """One look at one place; ``facts`` are those beside the text.

    ``again`` says that it was a look at what values were brought back into, and ``restored`` where they stand.
    """

    facts: Facts
    detections: Detections
    again: bool = False
    restored: tuple[Span, ...] = ()


class Looks:
    """All looks at one choice under one kind of rules.

    ``whole`` says that the choice was judged to its end. ``crowded`` says that some looks were too many to be kept.
    """

    __slots__ = ("crowded", "found", "whole")

    def __init__(self) -> None:
        self.found: dict[Place, list[Look]] = {}
        self.whole = False
        self.crowded = False

    def take(self, scanned: Scanned, *, again: bool = False, restored: tuple[Span, ...] = ()) -> None:
        """Keep what was seen."""
        subject, detections = scanned.subject, scanned.detections
        looks = self.found.get((subject.stage, subject.where))
        if looks is None:
            looks = self.found[subject.stage, subject.where] = []
        elif not detections and not again and not looks[-1].detections:
            # A stream is mostly quiet, however often it is looked at.
            return
        look = Look(facts=subject.facts, detections=detections, again=again, restored=restored)
        if look in looks:
            return
        if len(looks) < MOST_LOOKS:
            looks.append(look)
        else:
            self.crowded = True


class Seen:
    """All looks at one answer by the numbers of its choices, for rules that act and for those that only watch."""

    __slots__ = ("acting", "watching")

    def __init__(self) -> None:
        self.acting: dict[int, Looks] = {}
        self.watching: dict[int, Looks] = {}
