"""What would another set of policies change over a corpus, and how often does each rule hit texts that are harmless?

Only verdicts are compared, one for each text and in the corpus's order; who scanned and evaluated is all one.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from gateway.domain.value import value
from gateway.domain.verdict import Decision, Verdict, Weight, decision_of

_STRICTNESS: Final[Mapping[Decision, int]] = {"allow": 0, "redact": 1, "require_approval": 2, "block": 3}


@value
class RuleName:
    """A rule of a policy: ids are unique within one policy only."""

    policy: str
    rule: str

    def __str__(self) -> str:
        return f"{self.policy}/{self.rule}"


@value
class Change:
    """The text at ``index`` (from 0) is decided otherwise, or other rules hit it."""

    index: int
    before: Decision
    after: Decision
    appeared: tuple[RuleName, ...]
    gone: tuple[RuleName, ...]

    @property
    def stricter(self) -> bool:
        return _STRICTNESS[self.after] > _STRICTNESS[self.before]

    @property
    def looser(self) -> bool:
        return _STRICTNESS[self.after] < _STRICTNESS[self.before]


@value
class Comparison:
    """``moved`` counts the texts by decision before and after, those that stayed included."""

    texts: int
    changes: tuple[Change, ...]
    moved: Mapping[tuple[Decision, Decision], int]


@value
class RuleRate:
    """How many texts a rule hit, and in how many of them the hit counted."""

    name: RuleName
    hit: int
    acted: int
    texts: int

    @property
    def rate(self) -> float:
        """The share of texts that it hit, 0 to 1."""
        return self.hit / self.texts if self.texts else 0.0


@value
class FalsePositives:
    """Rates over a corpus in which nothing should hit; ``rules`` that hit, the most frequent first."""

    texts: int
    decisions: Mapping[Decision, int]
    rules: tuple[RuleRate, ...]

    @property
    def blocked_rate(self) -> float:
        """The share of texts that were blocked, 0 to 1."""
        return self.decisions.get("block", 0) / self.texts if self.texts else 0.0


def compare(before: Sequence[Verdict], after: Sequence[Verdict]) -> Comparison:
    """Tell two runs over one corpus apart.

    Raises:
        ValueError: they are of different lengths.
    """
    moved: Counter[tuple[Decision, Decision]] = Counter()
    changes: list[Change] = []
    for index, (old, new) in enumerate(zip(before, after, strict=True)):
        change = _change(index, old, new)
        moved[change.before, change.after] += 1
        if change.before != change.after or change.appeared or change.gone:
            changes.append(change)
    return Comparison(texts=len(before), changes=tuple(changes), moved=moved)


def false_positives(verdicts: Sequence[Verdict]) -> FalsePositives:
    """Count what hit the texts of a harmless corpus; a rule counts once a text."""
    hit: Counter[RuleName] = Counter()
    acted: Counter[RuleName] = Counter()
    decisions: Counter[Decision] = Counter()
    for verdict in verdicts:
        decisions[decision_of(verdict)] += 1
        hit.update(_rules(verdict))
        acted.update(_rules(verdict, acting=True))
    rates = (RuleRate(name=name, hit=hit[name], acted=acted[name], texts=len(verdicts)) for name in hit)
    return FalsePositives(
        texts=len(verdicts),
        decisions=decisions,
        rules=tuple(sorted(rates, key=lambda rate: (-rate.hit, str(rate.name)))),
    )


def _change(index: int, old: Verdict, new: Verdict) -> Change:
    were, are = _rules(old), _rules(new)
    return Change(
        index=index,
        before=decision_of(old),
        after=decision_of(new),
        appeared=_sorted(are - were),
        gone=_sorted(were - are),
    )


def _rules(verdict: Verdict, *, acting: bool = False) -> frozenset[RuleName]:
    hits = verdict.found.hits
    return frozenset(
        RuleName(policy=hit.policy, rule=hit.rule) for hit in hits if not acting or hit.weight is Weight.ACTS
    )


def _sorted(rules: Iterable[RuleName]) -> tuple[RuleName, ...]:
    return tuple(sorted(rules, key=str))
