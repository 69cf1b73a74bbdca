"""Which of the formats is best for this model?

Above a floor of utility and the model's own of isolation, under which its data would be refused, the one that is
attacked with least success, as the upper end of its interval has it. A figure
that lies in the interval of the best is not told apart from it: then utility decides, in the same way, then isolation,
then the tokens that are added. The rule: everything that was not chosen is told why, in figures.
"""

from collections.abc import Callable, Sequence
from math import inf

from gateway.domain.card import Score
from gateway.domain.isolation import Isolation
from gateway.domain.value import value
from gateway.evaluation.outcome import Measured
from gateway.evaluation.telling import told


@value
class Rejected:
    """A format that was not chosen, and why."""

    format: str
    reason: str


@value
class Choice:
    """The format that was chosen and why; None where no format can be."""

    format: str | None
    reason: str
    rejected: tuple[Rejected, ...]


@value
class _Candidate:
    """What a format is chosen by."""

    format: str
    attacks: Score
    utility: Score
    isolation: Isolation
    added: float


def choose(measured: Sequence[Measured], floor: float, least: Isolation = Isolation.NONE) -> Choice:
    """The best of the formats of one model whose utility is at least ``floor``, a share of 0 to 1.

    ``least`` is the isolation that the model's configuration asks for.

    Raises:
        ValueError: nothing was measured, or a format twice.
    """
    if not measured or len({one.format for one in measured}) != len(measured):
        raise ValueError("a format is chosen of one measurement each, and there must be one at least")
    unmeasured = [Rejected(format=one.format, reason=missing) for one in measured if (missing := _missing(one))]
    chosen, rejected = _best(_candidates(measured), floor, least)
    if chosen is None:
        reason = (
            f"no format has both scores, isolation {least.label} and a utility of {told(floor)} or more: lower the "
            "floor, or measure others"
        )
        return Choice(format=None, reason=reason, rejected=(*unmeasured, *rejected))
    reason = (
        f"attack success {told(chosen.attacks)}, utility {told(chosen.utility)}, isolation {chosen.isolation.label}"
    )
    return Choice(format=chosen.format, reason=reason, rejected=(*unmeasured, *rejected))


def _missing(one: Measured) -> str | None:
    scores = one.outcome.scores
    if scores.attack_success is None:
        return "attack success was not measured: use a data set with attacked cases"
    return "utility was not measured: use a data set with clean cases" if scores.utility is None else None


def _candidates(measured: Sequence[Measured]) -> list[_Candidate]:
    return [
        _Candidate(
            format=one.format,
            attacks=attacks,
            utility=utility,
            isolation=one.isolation,
            added=inf if one.outcome.added_tokens is None else one.outcome.added_tokens.median,
        )
        for one in measured
        if (attacks := one.outcome.scores.attack_success) and (utility := one.outcome.scores.utility)
    ]


def _best(left: Sequence[_Candidate], floor: float, least: Isolation) -> tuple[_Candidate | None, list[Rejected]]:
    rejected: list[Rejected] = []

    def keep(left: Sequence[_Candidate], why_not: Callable[[_Candidate], str | None]) -> list[_Candidate]:
        reasons = [(one, why_not(one)) for one in left]
        rejected.extend(Rejected(format=one.format, reason=reason) for one, reason in reasons if reason is not None)
        return [one for one, reason in reasons if reason is None]

    left = keep(left, lambda one: _unfit(one, floor, least))
    if not left:
        return None, rejected
    safest = min(left, key=lambda one: one.attacks.high)
    left = keep(left, lambda one: _attacked_more(one, safest))
    ablest = max(left, key=lambda one: one.utility.value)
    left = keep(left, lambda one: _less_able(one, ablest))
    best = min(left, key=lambda one: (-one.isolation, one.added, -one.utility.value, one.format))
    keep(left, lambda one: _behind(one, best))
    return best, rejected


def _unfit(one: _Candidate, floor: float, least: Isolation) -> str | None:
    if one.isolation < least:
        return f"isolation {one.isolation.label} is under the model's floor, {least.label}: its data would be refused"
    if one.utility.value >= floor:
        return None
    return f"utility {told(one.utility)} is under the floor of {told(floor)}"


def _attacked_more(one: _Candidate, safest: _Candidate) -> str | None:
    if _lies_in(one.attacks, safest.attacks):
        return None
    return f"attack success {told(one.attacks)} may be higher than that of {safest.format}, {told(safest.attacks)}"


def _less_able(one: _Candidate, ablest: _Candidate) -> str | None:
    if _lies_in(one.utility, ablest.utility):
        return None
    return (
        f"as safe within the intervals, but utility {told(one.utility)} is under that of {ablest.format}, "
        f"{told(ablest.utility)}"
    )


def _behind(one: _Candidate, best: _Candidate) -> str | None:
    if one is best:
        return None
    alike = "as safe and as able within the intervals, but"
    if one.isolation != best.isolation:
        return f"{alike} isolation {one.isolation.label} is under {best.isolation.label} of {best.format}"
    if one.added != best.added:
        return f"{alike} {best.format} adds fewer tokens"
    return f"{alike} {best.format} has a utility at least as high"


def _lies_in(one: Score, other: Score) -> bool:
    return other.low <= one.value <= other.high
