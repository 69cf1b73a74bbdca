"""What do Presidio's recognisers say of a candidate?

This is the only file that knows Presidio, which takes more than a second to import: only policies that name ``det.pii``
load it. No engine of Presidio's runs: its patterns are searched by RE2 and its checks are called on what that found,
so no text of a client's ever meets a backtracking expression. What the library leaves untyped is typed here.
"""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
# pyright: reportUnknownParameterType=false, reportMissingTypeStubs=false, reportMissingParameterType=false

import logging
import re
from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache, partial
from itertools import chain
from typing import Final, TypeAlias

import tldextract

from gateway.detectors._recognizers import KNOWN, REGIONS, Known
from gateway.detectors._unused import left_out
from gateway.detectors.text import Text
from gateway.domain.value import value

with left_out():
    import presidio_analyzer.predefined_recognizers as predefined
    from presidio_analyzer import LocalRecognizer, PatternRecognizer
    from presidio_analyzer.predefined_recognizers.generic.iban_patterns import regex_per_country

# Start and end in ``Text.matching``, and a score from 0 to 1.
Sighting: TypeAlias = tuple[int, int, float]
Judge: TypeAlias = Callable[[Text, int, int], Iterator[Sighting]]
# Asks about one region, and the look of a number's digits there.
_Region: TypeAlias = tuple[LocalRecognizer, re.Pattern[str]]


@value
class Search:
    """What to search for in ``Text.matching``: ``source`` in RE2's syntax, which scores ``score`` by itself.

    ``judge`` has the last word on a candidate, where there is one; ``cost`` is about its microseconds. ``surest`` is
    the best score without context. ``narrow`` says which part of a candidate is one, if any. ``runs`` gives the
    parts of a text outside of which ``source`` finds nothing that ``narrow`` leaves. ``own`` is a policy's own pattern,
    which may match anything.
    """

    entity: str
    source: str
    score: float
    hint: str
    context: tuple[str, ...] = ()
    judge: Judge | None = None
    cost: int = 1
    surest: float = 1.0
    narrow: Callable[[str], tuple[int, int] | None] | None = None
    runs: Callable[[str], Iterator[tuple[int, int]]] | None = None
    own: bool = False


# It logs what it could not validate, the text included.
logging.getLogger("presidio-analyzer").setLevel(logging.CRITICAL + 1)

# Without a list to fetch, and without a cache on disk: the public suffixes are those that came with the package.
_SUFFIXES: Final = tldextract.TLDExtract(suffix_list_urls=(), cache_dir=None)

# What has a telephone number's digits and is none: dates, decimal fractions, IPv4 addresses.
_NO_PHONE: Final = re.compile(
    r"(?<!\d)(?:\d{4}[-/.]\d{1,2}[-/.]\d{1,2}|\d{1,2}[-/.]\d{1,2}[-/.]\d{4})(?!\d)"
    r"|^(?:\d+\.\d+|\d{1,3}(?:\.\d{1,3}){3})$",
    re.ASCII,
)
_SHORTEST: Final = 7
_RUN: Final = re.compile(r"[0-9(][0-9 ().\-/]{6,}+")
_DATE: Final = re.compile(
    r"(?<![^ ])(?:[0-9]{4}[-/.][0-9]{1,2}[-/.][0-9]{1,2}|[0-9]{1,2}[-/.][0-9]{1,2}[-/.][0-9]{4})(?![^ ])"
)
_GROUP: Final = re.compile(r"\(?\d+", re.ASCII)
_NO_DIGITS: Final = str.maketrans("", "", " +().-/")
_PHONE_COST: Final = 100
_ENDS_COST: Final = 60
_COST: Final = 6


_LAST_LABELS: Final = frozenset(suffix.rpartition(".")[2] for suffix in _SUFFIXES.tlds)


def _suffixed(address: str) -> tuple[int, int] | None:
    """An address, if its domain ends as domains do."""
    last = address.rpartition(".")[2]
    return (0, len(address)) if last in _LAST_LABELS or last.startswith("xn--") else None


class _Email(predefined.EmailRecognizer):
    """Presidio's would fetch the list of public suffixes from the network while a request waits."""

    def validate_result(self, pattern_text: str) -> bool:
        return bool(_SUFFIXES(pattern_text).fqdn)


@lru_cache(maxsize=256)
def searches(entity: str, languages: tuple[str, ...]) -> tuple[Search, ...]:
    """Everything to be searched for to find ``entity``; ``languages`` say where telephone numbers are called."""
    known = next(one for one in KNOWN if one.entity == entity)
    if known.judging == "phone":
        return _phone(known, languages)
    return _patterns(known)


def _patterns(known: Known) -> tuple[Search, ...]:
    made = _Email() if known.entity == "EMAIL_ADDRESS" else getattr(predefined, known.recognizer)()
    sources = known.instead or [("(?i)" + pattern.regex, float(pattern.score)) for pattern in made.patterns]
    judge = _judge(known, made)
    narrow = _suffixed if known.entity == "EMAIL_ADDRESS" else None
    return tuple(
        Search(
            entity=known.entity,
            source=source,
            score=score,
            hint=known.hint or source,
            context=(*(made.context or ()), *known.context),
            judge=None if judge is None else partial(judge, score),
            cost=_ENDS_COST if known.judging == "ends" else _COST if judge else 1,
            surest=1.0 if judge else score,
            narrow=narrow,
        )
        for source, score in sources
    )


def _judge(known: Known, made: PatternRecognizer) -> Callable[[float, Text, int, int], Iterator[Sighting]] | None:
    match known.judging:
        case "ends":
            return partial(_at_each_end, made)
        case "as_written":
            return partial(_as_written, made)
        case "address":
            return partial(_address, made)
        case _ if _checks(made):
            return partial(_checked, made)
        case _:
            return None


def _checks(made: PatternRecognizer) -> bool:
    kind = type(made)
    return (
        kind.validate_result is not PatternRecognizer.validate_result
        or kind.invalidate_result is not PatternRecognizer.invalidate_result
    )


def _score(made: PatternRecognizer, candidate: str, score: float) -> float:
    """Presidio's rule: a passed check is certain, a failed one nothing, and none leaves the pattern's score."""
    valid = made.validate_result(candidate)
    if valid is False or made.invalidate_result(candidate):
        return 0.0
    return 1.0 if valid else score


def _checked(made: PatternRecognizer, score: float, text: Text, start: int, end: int) -> Iterator[Sighting]:
    # Upper case is what checks of letters expect.
    yield start, end, _score(made, text.matching[start:end].upper(), score)


def _as_written(made: PatternRecognizer, score: float, text: Text, start: int, end: int) -> Iterator[Sighting]:
    first, last = text.span(start, end)
    yield start, end, _score(made, text.original[first:last], score)


def _at_each_end(made: PatternRecognizer, score: float, text: Text, start: int, end: int) -> Iterator[Sighting]:
    """The longest that passes: words after the number may look like more of it."""
    candidate = text.matching[start:end].upper()
    if candidate[:2] not in regex_per_country:
        return
    ends = [place for place in range(end - start, 0, -1) if place == end - start or candidate[place] in " -"]
    for place in ends:
        if found := _score(made, candidate[:place], score):
            yield start, start + place, found
            return


def _address(made: PatternRecognizer, score: float, text: Text, start: int, end: int) -> Iterator[Sighting]:
    """What stands alone and, with colons, has a digit: in code ``face::add`` is a name."""
    candidate = text.matching[start:end]
    around = text.matching[max(0, start - 1) : start] + text.matching[end : end + 1]
    lonely = not any(each.isalnum() or each in ":_" for each in around)
    if lonely and any(each.isdigit() for each in candidate):
        yield start, end, _score(made, candidate, score)


def _phone(known: Known, languages: tuple[str, ...]) -> tuple[Search, ...]:
    regions = [
        (predefined.PhoneRecognizer(supported_regions=(region,)), re.compile(digits, re.ASCII))
        for language in languages
        for region, digits in REGIONS[language]
    ]
    look = re.compile("|".join(f"(?:{pattern.pattern})" for _, pattern in regions), re.ASCII)
    return tuple(
        Search(
            entity=known.entity,
            source=source,
            score=score,
            hint=source,
            context=(*predefined.PhoneRecognizer.CONTEXT, *known.context),
            judge=partial(_called, regions, score),
            cost=_PHONE_COST,
            surest=score,
            narrow=partial(_narrowed, look),
            runs=None if "+" in source else partial(_runs, look),
        )
        for source, score in known.instead
    )


def _runs(regions: re.Pattern[str], matching: str) -> Iterator[tuple[int, int]]:
    """Where digits stand close enough together to be a number, with a character on either side."""
    for run in _RUN.finditer(matching):
        start = run.start()
        # No number goes on across a date.
        for date in chain(_DATE.finditer(run[0]), (None,)):
            part = matching[start : run.start() + date.start() if date else run.end()]
            if len(part) >= _SHORTEST and regions.search(part.translate(_NO_DIGITS)):
                yield max(0, start - 1), start + len(part) + 1
            start = run.start() + date.end() if date else start


def _narrowed(regions: re.Pattern[str], candidate: str) -> tuple[int, int] | None:
    """The longest run of its groups of digits that looks like a number: another may stand beside it."""
    if "+" in candidate:
        return 0, len(candidate)
    if " " not in candidate:
        return (0, len(candidate)) if _looks_called(regions, candidate) else None
    groups = [match.span() for match in _GROUP.finditer(candidate)]
    # What a hyphen joins to a group belongs to it.
    begins = [place for place, (start, _) in enumerate(groups) if candidate[max(0, start - 1) : start] in {"", " "}]
    closes = {place for place, (_, end) in enumerate(groups) if candidate[end : end + 1] in {"", " "}}
    for count in range(len(groups), 0, -1):
        for first in begins:
            if first + count - 1 in closes:
                start, end = groups[first][0], groups[first + count - 1][1]
                if _looks_called(regions, candidate[start:end]):
                    return start, end
    return None


def _looks_called(regions: re.Pattern[str], part: str) -> bool:
    """Fewer than 7 characters are no number."""
    return len(part) >= _SHORTEST and bool(regions.fullmatch(part.translate(_NO_DIGITS))) and not _NO_PHONE.search(part)


def _in_regions(regions: Sequence[_Region], candidate: str) -> Iterator[LocalRecognizer]:
    digits = candidate.translate(_NO_DIGITS)
    yield from (recognizer for recognizer, pattern in regions if pattern.fullmatch(digits))


def _called(regions: Sequence[_Region], score: float, text: Text, start: int, end: int) -> Iterator[Sighting]:
    candidate = text.matching[start:end]
    around = text.matching[max(0, start - 1) : start] + text.matching[end : end + 1]
    if any(each.isalnum() for each in around):
        return
    # With a country code every region says the same.
    for recognizer in [regions[0][0]] if "+" in candidate else _in_regions(regions, candidate):
        found = recognizer.analyze(candidate, [], None)  # pyright: ignore[reportArgumentType] - None is its default
        yield from ((start + each.start, start + each.end, score) for each in found)
        if found:
            return
