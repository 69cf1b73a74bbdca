"""Which personal data stand in a text?

``det.pii``: patterns with checksums and context words from Presidio, searched by RE2, and a policy's own recognisers.
Names, places and the like need the language model of ``ner.py`` and are found only when it is asked. The rule: a text
with more candidates than can be judged in time has failed, for the rest of it was not looked at.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from difflib import get_close_matches
from typing import TYPE_CHECKING, Final

from gateway.detectors._recognizers import KNOWN, LANGUAGES
from gateway.detectors.ner import ENTITIES, NamedEntities
from gateway.detectors.regex import InvalidPattern, Pattern, PatternSet
from gateway.detectors.text import Text
from gateway.domain.detection import QUIET, Detection, Fact, FactType, Mark, Subject
from gateway.domain.errors import ConfigError
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

# Microseconds that judging a text's candidates may take, roughly.
_BUDGET: Final = 50_000
_NARROWING: Final = 10


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


@dataclass(frozen=True, slots=True, kw_only=True)
class _Found:
    """One piece of personal data, by its place in ``Text.original``."""

    kind: str
    start: int
    end: int
    score: float
    # Words beside it say so too.
    told: bool = False


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
        budget = _Budget(_BUDGET)
        return [found for hit in hits for found in self._searches[hit].found(text, budget)]


class _Budget:
    """What is left to spend on one text."""

    __slots__ = ("_left",)

    def __init__(self, left: int) -> None:
        self._left = left

    def spend(self, cost: int) -> None:
        """Raises ``_TooMany``."""
        self._left -= cost
        if self._left < 0:
            raise _TooMany


class _Prepared:
    """A search, compiled."""

    __slots__ = ("_context", "_pattern", "_threshold", "search")

    def __init__(self, search: "Search", threshold: float) -> None:
        self.search = search
        self._threshold = threshold
        self._pattern = Pattern(search.source)
        words = [re.escape(Text(word.strip()).matching) for word in search.context]
        self._context = Pattern(rf"\b(?:{'|'.join(words)})s?\b") if words else None

    def found(self, text: Text, budget: _Budget) -> Iterator[_Found]:
        """What reaches the threshold; raises ``_TooMany``."""
        search, needs_words = self.search, self.search.surest < self._threshold
        if needs_words and not self._told(text.matching):
            return
        for start, end in self._candidates(text.matching, budget):
            told = self._told(text.matching[max(0, start - CONTEXT_CHARS) : start])
            if told or not needs_words:
                budget.spend(search.cost)
                yield from self._judged(text, start, end, told=told)

    def _candidates(self, matching: str, budget: _Budget) -> Iterator[tuple[int, int]]:
        narrow = self.search.narrow
        for start, end in self._pattern.spans(matching):
            if narrow is None:
                yield start, end
                continue
            budget.spend(_NARROWING)
            if part := narrow(matching[start:end]):
                yield start + part[0], start + part[1]

    def _judged(self, text: Text, start: int, end: int, *, told: bool) -> Iterator[_Found]:
        search = self.search
        sightings = search.judge(text, start, end) if search.judge else [(start, end, search.score)]
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
        if not any(taken[each.start : each.end]):
            taken[each.start : each.end] = b"\x01" * (each.end - each.start)
            marks.append(Mark(kind=each.kind, start=each.start, end=each.end))
    marks.sort(key=lambda mark: mark.start)
    kinds = tuple(sorted({mark.kind for mark in marks}))
    return Detection(
        facts={"det.pii.found": True, "det.pii.count": len(marks), "det.pii.kinds": kinds}, marks=tuple(marks)
    )


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
        )


def _unknown(what: str, name: str, known: Sequence[str]) -> ConfigError:
    near = get_close_matches(name.upper() if known[0].isupper() else name, known, n=1, cutoff=0.5)
    return _wrong(
        f"unknown {what} {name!r}" + (f": did you mean {near[0]}?" if near else f"; known are {', '.join(known)}")
    )


def _wrong(message: str) -> ConfigError:
    return ConfigError(message, file="detectors.pii")
