"""Where in a text do phrases stand that try to steer the model, and are they meant or only spoken of?

``_phrases/`` has the phrases. The rule: a text is read once for all of them, and again only for those that it holds.
"""

from collections.abc import Iterator, Sequence
from functools import cache
from typing import Final

from gateway.detectors._phrases import PHRASES
from gateway.detectors._phrases.phrase import Kind
from gateway.detectors.regex import Pattern, PatternSet
from gateway.domain.value import value


@value
class Found:
    """A phrase at ``start`` to ``end`` of the folded text; ``mention`` says that it is only spoken of."""

    rule: int
    kind: Kind
    weight: int
    start: int
    end: int
    mention: bool


_SET: Final = PatternSet([phrase.pattern for phrase in PHRASES])

# Spoken of, as documentation does: a word that announces an example, a short quotation, its end.
_NEAR: Final = 64
_ANNOUNCED: Final = Pattern(
    r"\b(?:such as|like|e\.g\.|for example|for instance|examples?|phrases?|strings?|payloads?|attacks?|injections?|"
    r"jailbreaks?|sentences?|words|classic|typical|known|wie|etwa|satz|z\. ?b\.|beispiele?|par exemple|comme|exemples?|"
    r"por ejemplo|como|ejemplos?|frases?)[^.\n]{0,32}[\"'`(*_]\s*$"
)
_CLOSED: Final = Pattern(r"^[^\"'`\n]{0,40}[\"'`)*_]")
# What people take back in a mail: their own instructions, on some matter.
_OWN: Final = Pattern(
    r"^\W{0,2}(?:that )?(?:(?:i|we) (?:sent|gave|e?mailed|shared|posted|provided|wrote)|"
    r"(?:from|in) (?:my|our|yesterday|last|the last)\b|"
    r"about\b|regarding\b|concerning\b|on how\b|as to\b|zu[rm]?\b|bezuglich|concernant|sobre\b|de mi\b)"
)
_OWN_WEIGHT: Final = 2
_MAX_SPANS: Final = 200


@cache
def _pattern(rule: int) -> Pattern:
    """That of one phrase alone: most are never found, and a start that made them all would take longer."""
    return Pattern(PHRASES[rule].pattern)


def hits(matching: str) -> Sequence[Found]:
    """All phrases in a folded text, in the order of the rules."""
    return [
        _found(rule, start, end, matching)
        for rule in sorted(_SET.hits(matching))
        for start, end in _bounded(_pattern(rule).spans(matching, group=1), len(matching))
    ]


def _bounded(spans: Iterator[tuple[int, int]], length: int) -> Iterator[tuple[int, int]]:
    """Past so many of one rule, a single one for all the rest."""
    for number, (start, end) in enumerate(spans, 1):
        if number == _MAX_SPANS:
            yield start, length
            return
        yield start, end


def _found(rule: int, start: int, end: int, matching: str) -> Found:
    phrase = PHRASES[rule]
    before, after = matching[max(start - _NEAR, 0) : start], matching[end : end + _NEAR]
    own = phrase.kind == "override" and _OWN.occurs(after)
    return Found(
        rule=rule,
        kind=phrase.kind,
        weight=min(phrase.weight, _OWN_WEIGHT) if own else phrase.weight,
        start=start,
        end=end,
        mention=_CLOSED.occurs(after) and _ANNOUNCED.occurs(before),
    )


def weight_of(found: Sequence[Found]) -> int:
    """Each rule counts once, however often it is repeated."""
    best: dict[int, int] = {}
    for one in found:
        best[one.rule] = max(best.get(one.rule, 0), one.weight)
    return sum(best.values())
