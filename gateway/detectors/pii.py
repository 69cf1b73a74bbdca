"""Which personal data stand in a text?

``det.pii``: patterns with checksums and context words from Presidio, searched by RE2, and a policy's own recognisers.
Names, places and the like need the language model of ``ner.py`` and are found only when it is asked. The rule: where a
text has more candidates than can be judged in time, the rest of it counts as what most of them were; if they were
nothing, it has failed.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from difflib import get_close_matches
from typing import TYPE_CHECKING, Final

from gateway.detectors._recognizers import KNOWN, LANGUAGES
from gateway.detectors.ner import ENTITIES, NamedEntities
from gateway.detectors.regex import InvalidPattern, Pattern, PatternSet
from gateway.detectors.text import Text
from gateway.domain.detection import QUIET, Detection, Fact, FactType, Mark, Subject
from gateway.domain.errors import ConfigError
from gateway.domain.value import value
from policies.engine.model import PiiSettings, Recognizer

if TYPE_CHECKING:
    # Presidio takes more than a second to import.
    from gateway.detectors._presidio import Search

NAME: Final = "pii"

# Words of context count where they stand within so many characters before a match; what they do to its score is
# Presidio's rule.
CONTEXT_CHARS: Final = 64
_CONTEXT_ADDS: Final = 0.35
_CONTEXT_FLOOR: Final = 0.4

# Microseconds, roughly, that one search may take to judge its candidates, and one more for so many characters.
_BUDGET: Final = 2_000
_CHARS_EACH: Final = 8
_FINDING: Final = 2
# After so many, where nearly all were found, those that look alike are taken for the same without being judged.
_SAMPLE: Final = 32
_ALIKE: Final = 0.9
_ALIKE_COST: Final = 4
# For each blank: between any two of them may stand what a candidate is narrowed to.
_NARROWING: Final = 1


def facts(longest: int | None) -> tuple[Fact, ...]:
    """The detector's facts, where ``found`` can rest on ``longest`` characters at most."""
    return (
        Fact(name="det.pii.found", type=FactType.BOOL, doc="Whether there are personal data.", longest=longest),
        Fact(name="det.pii.count", type=FactType.INT, doc="How many."),
        Fact(
            name="det.pii.kinds",
            type=FactType.STRINGS,
            doc="Of which kinds, by Presidio's names: `EMAIL_ADDRESS`, `IBAN_CODE`, `PERSON`.",
            longest=longest,
            closed=True,
        ),
    )


def facts_of(settings: PiiSettings) -> tuple[Fact, ...]:
    """The facts under these settings: a recogniser of the policy's own or a language model knows no longest match."""
    entities, _ = _chosen(settings)
    bounds = [known.longest for known in KNOWN if known.entity in entities]
    if settings.ner or settings.recognizers or None in bounds:
        return facts(None)
    # Before it the context's words, and on either side one character that must not belong to it.
    return facts(max((bound for bound in bounds if bound is not None), default=0) + CONTEXT_CHARS + 2)


@value
class _Found:
    """One piece of personal data, by its place in ``Text.original``."""

    kind: str
    start: int
    end: int
    score: float
    # Words beside it say so too.
    told: bool = False
    # It stands for all that was not judged.
    rest: bool = False


class _TooMany(Exception):
    """There are more candidates than the budget allows to judge."""


class Pii:
    """The detector; making it imports Presidio. ``entities`` are empty for the usual ones of ``languages``.

    Raises:
        ConfigError: a language or an entity that is not known, a pattern that is no RE2, or no model for ``ner``.
    """

    name = NAME

    def __init__(self, settings: PiiSettings) -> None:
        entities, names = _chosen(settings)
        searches = [*_own(settings.recognizers), *_known(entities, settings.languages)]
        self._searches = [_Prepared(one, settings.threshold) for one in searches if _reaches(one, settings.threshold)]
        self.facts = facts_of(settings)
        self.patterns = tuple(dict.fromkeys(one.search.hint for one in self._searches))
        self._set = PatternSet([one.search.hint for one in self._searches]) if self._searches else None
        self._ner = NamedEntities(names, settings.ner_timeout_ms / 1000) if settings.ner else None

    @property
    def slow(self) -> bool:
        """Whether there is anything to ``ask``."""
        return self._ner is not None

    def detect(self, text: Text, subject: Subject) -> Detection:  # noqa: ARG002 - the same for all detectors
        """What the patterns find; ``failed`` is ``too_many`` where there are more candidates than can be judged."""
        try:
            return _detection(self._patterns(text))
        except _TooMany:
            return Detection(failed="too_many")

    async def ask(self, subjects: Sequence[Subject]) -> Sequence[Detection]:
        """What patterns and language model find together."""
        if self._ner is None:
            return [self.detect(Text(subject.text), subject) for subject in subjects]
        named = await self._ner.ask([subject.text for subject in subjects])
        return [self._joined(subject, each) for subject, each in zip(subjects, named, strict=True)]

    async def close(self) -> None:
        """End the language model's processes."""
        if self._ner is not None:
            await self._ner.close()

    def _joined(self, subject: Subject, named: "Sequence[Mark] | str") -> Detection:
        try:
            found = self._patterns(Text(subject.text))
        except _TooMany:
            return Detection(failed="too_many")
        if isinstance(named, str):
            return replace(_detection(found), failed=named)
        return _detection([*found, *(_named(mark) for mark in named)])

    def _patterns(self, text: Text) -> list[_Found]:
        """Raises ``_TooMany``."""
        hits = self._set.hits(text.matching) if self._set else ()
        found = [one for hit in hits for one in self._searches[hit].found(text)]
        # Two kinds cannot both have the rest of the text.
        if len({one.kind for one in found if one.rest}) > 1:
            raise _TooMany
        return found


class _Prepared:
    """A search, compiled."""

    __slots__ = ("_context", "_pattern", "_threshold", "search")

    def __init__(self, search: "Search", threshold: float) -> None:
        self.search = search
        self._threshold = threshold
        self._pattern = Pattern(search.source)
        words = [re.escape(Text(word.strip()).matching) for word in search.context]
        self._context = Pattern(rf"\b(?:{'|'.join(words)})s?\b") if words else None

    def found(self, text: Text) -> Iterator[_Found]:
        """What reaches the threshold; raises ``_TooMany``."""
        search, matching = self.search, text.matching
        needs_words, words = search.surest < self._threshold, self._told(matching)
        if needs_words and not words:
            return
        left, judged, real = _BUDGET + len(matching) // _CHARS_EACH, 0, 0
        for start, end in self._candidates(matching):
            left -= _FINDING + _NARROWING * matching.count(" ", start, end) * (search.narrow is not None)
            if left < 0:
                yield self._rest(text, start, certain=2 * real > judged)
                return
            first, last = self._narrowed(matching, start, end)
            told = words and first < last and self._told(matching[max(0, first - CONTEXT_CHARS) : first])
            if first < last and (told or not needs_words):
                alike = search.judge is not None and judged >= _SAMPLE and real >= judged * _ALIKE
                left -= _ALIKE_COST if alike else search.cost
                seen = list(self._judged(text, first, last, told=told, alike=alike))
                judged, real = judged + 1, real + bool(seen)
                yield from seen

    def _candidates(self, matching: str) -> Iterator[tuple[int, int]]:
        if self.search.runs is None:
            yield from self._pattern.spans(matching)
            return
        for first, last in self.search.runs(matching):
            yield from ((first + start, first + end) for start, end in self._pattern.spans(matching[first:last]))

    def _narrowed(self, matching: str, start: int, end: int) -> tuple[int, int]:
        """The part of a candidate that is to be judged; an empty one where none is."""
        if self.search.narrow is None:
            return start, end
        part = self.search.narrow(matching[start:end]) or (0, 0)
        return start + part[0], start + part[1]

    def _rest(self, text: Text, start: int, *, certain: bool) -> _Found:
        """All from ``start`` on, where most before it was found; raises ``_TooMany`` where it was not."""
        if self.search.own or not certain:
            raise _TooMany
        first, _ = text.span(start, start + 1)
        return _Found(kind=self.search.entity, start=first, end=len(text.original), score=0.0, rest=True)

    def _judged(self, text: Text, start: int, end: int, *, told: bool, alike: bool) -> Iterator[_Found]:
        search = self.search
        # Of the unjudged what the judged had at least.
        sightings = search.judge(text, start, end) if search.judge and not alike else [(start, end, search.score)]
        for first, last, score in sightings:
            weighed = _raised(score) if told and score else score
            if score and weighed >= self._threshold:
                begin, stop = text.span(first, last)
                yield _Found(kind=search.entity, start=begin, end=stop, score=weighed, told=told)

    def _told(self, matching: str) -> bool:
        return self._context is not None and self._context.occurs(matching)


def _raised(score: float) -> float:
    return min(1.0, max(score + _CONTEXT_ADDS, _CONTEXT_FLOOR))


def _reaches(search: "Search", threshold: float) -> bool:
    return (_raised(search.surest) if search.context else search.surest) >= threshold


def _named(mark: Mark) -> _Found:
    # Presidio's score for what spaCy finds.
    return _Found(kind=mark.kind, start=mark.start, end=mark.end, score=0.85)


def _detection(found: Sequence[_Found]) -> Detection:
    """Of what overlaps, the surest counts; of the equally sure what words beside it name, then the longest."""
    if not found:
        return QUIET
    marks: list[Mark] = []
    taken = bytearray(max(each.end for each in found))
    for each in sorted(found, key=_rank):
        for start, end in _gaps(taken, each) if each.rest else [(each.start, each.end)]:
            if not any(taken[start:end]):
                taken[start:end] = b"\x01" * (end - start)
                marks.append(Mark(kind=each.kind, start=start, end=end))
    marks.sort(key=lambda mark: mark.start)
    kinds = tuple(sorted({mark.kind for mark in marks}))
    return Detection(
        facts={"det.pii.found": True, "det.pii.count": len(marks), "det.pii.kinds": kinds}, marks=tuple(marks)
    )


def _gaps(taken: bytearray, rest: _Found) -> Iterator[tuple[int, int]]:
    """What nothing else has taken of the rest of a text."""
    start = taken.find(0, rest.start)
    while 0 <= start < rest.end:
        end = taken.find(1, start)
        end = rest.end if end < 0 else end
        yield start, end
        start = taken.find(0, end)


def _rank(found: _Found) -> tuple[float, bool, int, int, str]:
    return -found.score, not found.told, found.start - found.end, found.start, found.kind


def _chosen(settings: PiiSettings) -> tuple[frozenset[str], frozenset[str]]:
    """The entities that patterns find, and those that the language model finds."""
    for language in settings.languages:
        if language not in LANGUAGES:
            raise _unknown("language", language, LANGUAGES)
    if not settings.entities:
        usual = (known for known in KNOWN if not known.asked)
        mine = (known for known in usual if not known.languages or set(known.languages) & set(settings.languages))
        return frozenset(known.entity for known in mine), frozenset(ENTITIES) - {"DATE_TIME"}
    return _asked_for(settings)


def _asked_for(settings: PiiSettings) -> tuple[frozenset[str], frozenset[str]]:
    own = {recognizer.entity for recognizer in settings.recognizers}
    patterns = {known.entity for known in KNOWN}
    for entity in settings.entities:
        if entity not in patterns | set(ENTITIES) | own:
            raise _unknown("entity", entity, sorted(patterns | set(ENTITIES)))
        if entity not in patterns | own and not settings.ner:
            raise _wrong(f"{entity} is found by the language model alone: set ner: true, or take it out of entities")
    asked = frozenset(settings.entities)
    return asked & patterns, asked & frozenset(ENTITIES)


def _known(entities: frozenset[str], languages: tuple[str, ...]) -> "Iterator[Search]":
    from gateway.detectors._presidio import searches  # noqa: PLC0415 - see above

    for known in KNOWN:
        if known.entity in entities:
            yield from searches(known.entity, languages)


def _own(recognizers: Sequence[Recognizer]) -> "Iterator[Search]":
    from gateway.detectors._presidio import Search  # noqa: PLC0415 - the same

    for one in recognizers:
        try:
            empty = Pattern(one.pattern).occurs("")
        except InvalidPattern as error:
            raise _wrong(f"the pattern of the recogniser {one.entity} cannot be read: {error}") from error
        if empty:
            raise _wrong(f"the pattern of the recogniser {one.entity} matches the empty text: let it need a character")
        # What is matched is in lower case.
        source = f"(?i:{one.pattern})"
        yield Search(
            entity=one.entity,
            source=source,
            score=one.score,
            hint=source,
            context=one.context,
            surest=one.score,
            own=True,
        )


def _unknown(what: str, name: str, known: Sequence[str]) -> ConfigError:
    near = get_close_matches(name.upper() if known[0].isupper() else name, known, n=1, cutoff=0.5)
    return _wrong(
        f"unknown {what} {name!r}" + (f": did you mean {near[0]}?" if near else f"; known are {', '.join(known)}")
    )


def _wrong(message: str) -> ConfigError:
    return ConfigError(message, file="detectors.pii")
