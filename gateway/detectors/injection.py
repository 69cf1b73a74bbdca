"""Does a text that should only be worked on try to steer the model?

A small set of phrases in English, German, French and Spanish, and marks of conversations and tools in none; what is
encoded is decoded and read by the same rules. The rule: precision before recall, because a false alarm on ordinary mail
is what gets a detector switched off.
"""

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from itertools import accumulate
from typing import Final

from gateway.detectors._encoded import JOINT, TRIGGERS, Decoded, Piece, decoded
from gateway.detectors._injection_rules import Found, hits, weight_of
from gateway.detectors._phrases import PHRASES
from gateway.detectors._phrases.phrase import KINDS
from gateway.detectors.text import Text
from gateway.domain.detection import QUIET, Detection, Fact, FactType, FactValue, Mark, Subject
from gateway.domain.value import value

_DOCS: Final = {
    "override": "It tells the reader to ignore, forget or override instructions.",
    "persona": "It tells the model that it is another one, or free of its rules.",
    "role_markup": "It holds markup of chat templates or tool calls, or a fake system header before an imperative.",
    "frame": "It is addressed to an AI as such: `note to AI assistants:`, `if you are a language model, ...`.",
    "concealment": "It asks to keep something from the user.",
    "leak": "It asks for the system prompt or the instructions.",
    "exfiltration": "It asks to send conversations, credentials or instructions to an address.",
    "encoded": "One of these stands there in base64, hexadecimal digits, percent-encoding or rot13.",
}

FACTS: Final = (
    Fact(
        name="det.injection.found",
        type=FactType.BOOL,
        doc="Whether any rule hit, be it a weak one. What documentation quotes as an example does not count.",
    ),
    Fact(
        name="det.injection.score",
        type=FactType.INT,
        doc="The sum of the weights of the rules that hit: 5 is plain by itself, 3 suspicious, 2 counts beside others.",
    ),
    *(Fact(name=f"det.injection.{kind}", type=FactType.BOOL, doc=doc) for kind, doc in _DOCS.items()),
    Fact(
        name="det.injection.kinds",
        type=FactType.STRINGS,
        doc="The names of those kinds, which are also the marks'.",
        closed=True,
    ),
    Fact(name="det.injection.count", type=FactType.INT, doc="How many phrases and marks were found."),
    Fact(name="det.injection.mentions", type=FactType.INT, doc="How many were only quoted as examples."),
    Fact(
        name="det.injection.undecoded",
        type=FactType.BOOL,
        doc="Whether there was more encoded text than is decoded (1,048,576 characters in all).",
    ),
)

# What is hidden in an encoding is worse than what is said aloud.
_ENCODED_WEIGHT: Final = 2
_TRIGGERS: Final = "|".join(TRIGGERS)


@value
class _Seen:
    """Phrases that stand in the open, and those of encoded pieces."""

    open: Sequence[Found]
    hidden: Sequence[tuple[Piece, Found]]

    @property
    def score(self) -> int:
        return weight_of([*self.open, *(found for _, found in self.hidden)]) + _ENCODED_WEIGHT * bool(self.hidden)

    def kinds(self) -> tuple[str, ...]:
        there = {found.kind for found in self.open} | {found.kind for _, found in self.hidden}
        return (*(kind for kind in KINDS if kind in there), *(("encoded",) if self.hidden else ()))


class Injection:
    """Attempts to steer the model."""

    name = "injection"
    facts = FACTS
    patterns = (*(phrase.pattern for phrase in PHRASES), *TRIGGERS)

    def detect(self, text: Text, subject: Subject) -> Detection:  # noqa: ARG002
        """Facts are absent where only mentions or nothing was found."""
        found = hits(text.matching)
        unpacked = decoded(text.original)
        seen = _Seen(open=[one for one in found if not one.mention], hidden=list(_hidden(unpacked)))
        facts: dict[str, FactValue] = {}
        if mentions := len(found) - len(seen.open):
            facts["det.injection.mentions"] = mentions
        if not unpacked.whole:
            facts["det.injection.undecoded"] = True
        if seen.open or seen.hidden:
            facts |= _facts(seen)
        return Detection(facts=facts, marks=tuple(_marks(text, seen))) if facts else QUIET


def _hidden(unpacked: Decoded) -> Iterator[tuple[Piece, Found]]:
    """All pieces are read in one go; a phrase belongs to the piece in which it begins."""
    folded = [Text(piece.text).matching for piece in unpacked.pieces]
    ends = list(accumulate(len(text) + len(JOINT) for text in folded))
    for found in hits(JOINT.join(folded)):
        yield unpacked.pieces[bisect_right(ends, found.start)], found


def _facts(seen: _Seen) -> dict[str, FactValue]:
    kinds = seen.kinds()
    return {
        "det.injection.found": True,
        "det.injection.score": seen.score,
        "det.injection.kinds": kinds,
        "det.injection.count": len(seen.open) + len(seen.hidden),
        **{f"det.injection.{kind}": True for kind in kinds},
    }


def _marks(text: Text, seen: _Seen) -> Iterator[Mark]:
    for found in seen.open:
        start, end = text.span(found.start, found.end)
        yield Mark(kind=found.kind, start=start, end=end)
    for start, end in sorted({(piece.start, piece.end) for piece, _ in seen.hidden}):
        yield Mark(kind="encoded", start=start, end=end)
