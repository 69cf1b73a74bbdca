"""What do the results of a measurement come to?

For each format its scores. The rule: a request that was never answered is in no score; and of a format of which too
many were not, of all or of the attacked ones, nothing is said at all, since those left out may well be alike.
"""

from collections.abc import Collection, Mapping, Sequence
from typing import Final

from gateway.domain.isolation import LABELS, Isolation, isolation_from_label
from gateway.domain.value import value
from gateway.evaluation.case import Case
from gateway.evaluation.outcome import Answer, Measured
from gateway.evaluation.result import Result
from gateway.evaluation.scores import scores_of

PLAIN: Final = "plain"
# The share of cases that may have gone unanswered.
MOST_UNANSWERED: Final = 0.05
# The share of answers that may end where they have to: more, and utility says more of the limit than of the model.
MOST_CUT: Final = 0.05
_CUT: Final = "length"


@value
class Outcomes:
    """The formats that were measured, and what is to be said of those that were not, or not whole."""

    measured: tuple[Measured, ...]
    notes: tuple[str, ...]


def outcomes_of(model: str, formats: Sequence[str], cases: Sequence[Case], results: Sequence[Result]) -> Outcomes:
    """``model`` is how reports call it; results of other cases or formats are left aside."""
    found = {result.key: result for result in results}
    plain = _of(PLAIN, cases, found)
    measured: list[Measured] = []
    notes: list[str] = []
    for name in formats:
        answered = _of(name, cases, found)
        enough = _are_enough(cases, answered)
        if missing := len(cases) - len(answered):
            notes.append(_missing(name, missing, len(cases), _why(name, results), enough=enough))
        if enough:
            measured.append(_measured(model, name, cases, answered, plain))
            cut = sum(result.finish == _CUT for result in answered.values())
            if cut > MOST_CUT * len(answered):
                notes.append(f"{name}: {cut:,} of {len(answered):,} answers were cut off: allow more with --max-tokens")
    return Outcomes(measured=tuple(measured), notes=tuple(notes))


def _of(name: str, cases: Sequence[Case], found: Mapping[tuple[str, str], Result]) -> Mapping[str, Result]:
    """The results that count, by their cases' ids."""
    results = [result for case in cases if (result := found.get((case.id, name))) is not None]
    return {result.case: result for result in results if result.failed is None}


def _are_enough(cases: Sequence[Case], answered: Collection[str]) -> bool:
    """Whether so few were not answered, of all and of those that attacks are counted by, that scores say something."""
    attacked = [case for case in cases if case.role == "attacked"]
    return all(
        sum(case.id not in answered for case in group) <= MOST_UNANSWERED * len(group) for group in (cases, attacked)
    )


def _why(name: str, results: Sequence[Result]) -> str:
    reasons = {result.failed for result in results if result.format == name and result.failed is not None}
    return ", ".join(sorted(reasons)) or "not asked"


def _missing(name: str, missing: int, of: int, why: str, *, enough: bool) -> str:
    told = f"{name}: {missing:,} of {of:,} cases were not answered ({why}) and are in no score"
    if enough:
        return told
    return f"{told}; that is too many to say anything of this format"


def _measured(
    model: str, name: str, cases: Sequence[Case], answered: Mapping[str, Result], plain: Mapping[str, Result]
) -> Measured:
    answers = [_answer(case, answered[case.id]) for case in cases if case.id in answered]
    sizes = {case: tokens for case, result in plain.items() if (tokens := result.input_tokens) is not None}
    known = {case: size for case, size in sizes.items() if case in answered and answered[case].input_tokens is not None}
    levels = [isolation_from_label(one) for result in answered.values() if (one := result.isolation) in LABELS]
    return Measured(
        model=model,
        format=name,
        isolation=min(levels, default=Isolation.NONE),
        outcome=scores_of(answers, known),
    )


def _answer(case: Case, result: Result) -> Answer:
    return Answer(
        case=case,
        text="" if result.refused is not None else result.text,
        refused=result.refused,
        input_tokens=result.input_tokens or 0,
        output_tokens=result.output_tokens or 0,
        latency_s=result.latency_s,
    )
