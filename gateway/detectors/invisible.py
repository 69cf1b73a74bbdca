"""Does a text hold what no reader sees, or letters that are not what they look like?

Beside each finding stands a use of the same characters that is whole: flags and families among emoji, ZWNJ in Persian,
ZWJ in Indic scripts, ideographic variants, isolates around a name in another direction. Those are never found.
"""

# Runs of single classes with fixed look-around: there is nothing to backtrack into, and RE2 has no look-around.
import re
from collections.abc import Iterator
from typing import Final

from gateway.detectors._confusables import LOOKALIKES, NEAR_LOOKALIKES
from gateway.detectors._injection_rules import hits
from gateway.detectors.regex import Pattern
from gateway.detectors.text import Text
from gateway.domain.detection import QUIET, Detection, Fact, FactType, Mark, Subject

_KINDS: Final = ("tag", "zero_width", "bidi", "variation", "confusable")

FACTS: Final = (
    Fact(
        name="det.invisible.found",
        type=FactType.BOOL,
        doc="Whether there is any invisible character outside its proper use, or a word of mixed alphabets.",
    ),
    Fact(
        name="det.invisible.tags",
        type=FactType.BOOL,
        doc="Tag characters (U+E0000-E007F) outside emoji flags: whole sentences can be written in them.",
        longest=8,
    ),
    Fact(
        name="det.invisible.zero_width",
        type=FactType.BOOL,
        doc="Zero-width characters between Latin letters or digits, or in runs that can carry bits.",
    ),
    Fact(
        name="det.invisible.bidi",
        type=FactType.BOOL,
        doc="Overrides of the writing direction, or embeddings and isolates that are never closed.",
    ),
    Fact(
        name="det.invisible.variation",
        type=FactType.BOOL,
        doc="Variation selectors in runs or after characters that have no variants: bytes can be written in them.",
    ),
    Fact(
        name="det.invisible.confusable",
        type=FactType.BOOL,
        doc="Latin words with Cyrillic or Greek letters that look Latin.",
    ),
    Fact(
        name="det.invisible.injection",
        type=FactType.BOOL,
        doc="Whether what tag characters or variation selectors spell out reads as an injection.",
    ),
    Fact(name="det.invisible.count", type=FactType.INT, doc="How many runs were found, at most 1,000."),
    Fact(
        name="det.invisible.kinds",
        type=FactType.STRINGS,
        doc="Those of `tag`, `zero_width`, `bidi`, `variation`, `confusable` that were found: the marks' kinds.",
        closed=True,
    ),
)

_MAX_MARKS: Final = 1_000

_ZERO_WIDTH: Final = "\u180e\u200b-\u200f\u2060-\u2064\u2066\u2069\ufeff"
_JOINING: Final = "\u180e\u200b-\u200d\u2060-\u2064\ufeff"
_SELECTOR: Final = "\ufe00-\ufe0f\U000e0100-\U000e01ef"
_IDEOGRAPH: Final = "\u2e80-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"
_ALIKE: Final = "".join(sorted(LOOKALIKES))
_NEAR: Final = "".join(sorted(NEAR_LOOKALIKES))

# Begins with one class, which the engine skips to; what the character is, is asked behind it. Flags have no group: by
# matching they are passed over.
_CONTROLS: Final = re.compile(
    f"[\U0001f3f4\U000e0000-\U000e007f\u202d\u202e{_SELECTOR}{_ZERO_WIDTH}](?:"
    "(?<=\U0001f3f4)[\U000e0061-\U000e007a]{2}[\U000e0030-\U000e0039\U000e0061-\U000e007a]{1,3}\U000e007f"
    "|(?<=[\U000e0000-\U000e007f])(?P<tag>)[\U000e0000-\U000e007f]*+"
    f"|(?<=[{_SELECTOR}])(?P<variation>)(?:[{_SELECTOR}]++"
    f"|(?<=[\U000e0100-\U000e01ef])(?<![{_IDEOGRAPH}].)|(?<=[!-~][\ufe00-\ufe0d]))"
    f"|(?<=[{_ZERO_WIDTH}])(?P<zero_width>)(?:(?<=[0-9A-Za-z][{_JOINING}])[{_JOINING}]*+(?=[0-9A-Za-z])|[{_ZERO_WIDTH}]{{3,}}+)"
    "|(?<=[\u202d\u202e])(?P<bidi>))",
    re.DOTALL,
)
# Most texts in other alphabets have no such pair: one pass says so.
_MIXED: Final = Pattern(f"[A-Za-z][{_ALIKE}]|[{_ALIKE}][a-z]|[a-z][{_NEAR}][a-z]")
_CONFUSABLE: Final = re.compile(
    f"(?<=[A-Za-z])[{_ALIKE}]++(?=[A-Za-z])|(?<![^\\W_])[{_ALIKE}]{{1,2}}+(?=[a-z]{{2}})"
    f"|(?<![^\\W_])[{_ALIKE}]{{2,}}+[a-z]++(?![^\\W_])|(?<=[a-z])[{_NEAR}](?=[a-z]{{3}})|(?<=[a-z]{{2}})[{_NEAR}](?=[a-z]{{2}})"
)
_OPENING: Final = re.compile("[\u202a\u202b\u2066-\u2068]")
# So many times the same one is the padding of newsletters; more than one kind can carry bits.
_PADDING: Final = 16

_TAGS: Final = re.compile("[\U000e0020-\U000e007e]+")
_SPELT: Final = {0xE0000 + code: code for code in range(0x20, 0x7F)}
# The 256 selectors, as the bytes that smugglers take them for.
_SELECTORS: Final = re.compile(f"[{_SELECTOR}]+")
_BYTES: Final = {code: byte for byte, code in enumerate((*range(0xFE00, 0xFE10), *range(0xE0100, 0xE01F0)))}


class Invisible:
    """What is not seen. It looks at every text, since the folded form has lost what it looks for."""

    name = "invisible"
    facts = FACTS
    patterns: tuple[str, ...] = ()
    passes_ascii: Final = True

    def detect(self, text: Text, subject: Subject) -> Detection:  # noqa: ARG002
        """An ASCII text has nothing to hide."""
        if text.ascii:
            return QUIET
        marks = tuple(_bounded(text.original))
        return _detection(text.original, marks) if marks else QUIET


def _bounded(original: str) -> Iterator[Mark]:
    """All marks; past the thousandth, one for all the rest."""
    for number, mark in enumerate(_marks(original), 1):
        if number == _MAX_MARKS:
            yield Mark(kind=mark.kind, start=mark.start, end=len(original))
            return
        yield mark


def _marks(original: str) -> Iterator[Mark]:
    padded = 0
    for match in _CONTROLS.finditer(original):
        kind = match.lastgroup
        if kind is None:
            continue
        # No newsletter is padded more often.
        if kind == "zero_width" and padded < _MAX_MARKS and _is_padding(match[0], original, match.start()):
            padded += 1
            continue
        yield Mark(kind=kind, start=match.start(), end=match.end())
    if _MIXED.occurs(original):
        for match in _CONFUSABLE.finditer(original):
            yield Mark(kind="confusable", start=match.start(), end=match.end())
    if _unbalanced(original):
        for match in _OPENING.finditer(original):
            yield Mark(kind="bidi", start=match.start(), end=match.end())


def _is_padding(run: str, original: str, start: int) -> bool:
    """Whether a run of zero-width characters stands in a gap and carries nothing."""
    between = len(run) < 4 or original[max(start - 1, 0) : start].isalnum()
    return not between and len(run) < _PADDING and len(set(run)) == 1


def _unbalanced(original: str) -> bool:
    embedded = sum(map(original.count, "\u202a\u202b\u202d\u202e")) > original.count("\u202c")
    return embedded or sum(map(original.count, "\u2066\u2067\u2068")) > original.count("\u2069")


def _detection(original: str, marks: tuple[Mark, ...]) -> Detection:
    kinds = {mark.kind for mark in marks}
    return Detection(
        facts={
            "det.invisible.found": True,
            "det.invisible.tags": "tag" in kinds,
            "det.invisible.zero_width": "zero_width" in kinds,
            "det.invisible.bidi": "bidi" in kinds,
            "det.invisible.variation": "variation" in kinds,
            "det.invisible.confusable": "confusable" in kinds,
            "det.invisible.injection": any(hits(Text(hidden).matching) for hidden in _hidden(original, kinds)),
            "det.invisible.count": len(marks),
            "det.invisible.kinds": tuple(kind for kind in _KINDS if kind in kinds),
        },
        marks=marks,
    )


def _hidden(original: str, kinds: set[str]) -> Iterator[str]:
    """What tags and selectors spell out, of the whole text: it may be spread over many runs."""
    if "tag" in kinds:
        yield "".join(_TAGS.findall(original)).translate(_SPELT)
    if "variation" in kinds:
        yield "".join(_SELECTORS.findall(original)).translate(_BYTES).encode("latin-1").decode("utf-8", "replace")
