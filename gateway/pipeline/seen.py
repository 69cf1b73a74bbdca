"""What did detectors see in an answer, for whoever keeps the evidence?

The guard tells it as it judges. Texts are not kept. What was judged in pieces, or again once values came back for their
placeholders, has several looks; looks that are alike count once. Most answers are quiet: that must cost next to
nothing, hence plain tuples, and no hash of a stage.
"""

from typing import Final, TypeAlias

from gateway.domain.detection import Detections, Facts, Scanned, Stage
from gateway.pipeline.edits import Span

# The facts beside the text; what was seen; whether values had been brought back into it before, and where they stand.
Look: TypeAlias = tuple[Facts, Detections, bool, tuple[Span, ...]]

# So many looks at one place are kept; whoever reads them is told that there were more.
MOST_LOOKS: Final = 64


class Looks:
    """All looks at one choice under one kind of rules, by place: at its ``texts``, and at its ``calls``.

    ``quiet`` says that there are no calls, and that nothing was seen. ``whole`` says that the choice was judged to its
    end, ``crowded`` that some looks were too many to be kept.
    """

    __slots__ = ("calls", "crowded", "quiet", "texts", "whole")

    def __init__(self) -> None:
        self.texts: dict[str, list[Look]] = {}
        self.calls: dict[str, list[Look]] = {}
        self.quiet = True
        self.whole = False
        self.crowded = False

    def take(self, scanned: Scanned, *, again: bool = False, restored: tuple[Span, ...] = ()) -> None:
        """Keep what was seen."""
        subject, detections = scanned.subject, scanned.detections
        if subject.stage is Stage.OUTPUT:
            places = self.texts
            if detections:
                self.quiet = False
        else:
            places = self.calls
            self.quiet = False
        looks = places.get(subject.where)
        if looks is None:
            places[subject.where] = [(subject.facts, detections, again, restored)]
        elif detections or again or looks[-1][1]:
            self._more(looks, (subject.facts, detections, again, restored))

    def _more(self, looks: list[Look], look: Look) -> None:
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
