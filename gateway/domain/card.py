"""How well does a model in a format keep data from being followed, as it was measured?

Nouns alone. A card is of one model in one format; each of its scores has the 95% interval in which the truth may lie,
and whoever decides by a score takes the interval's end that speaks against the model.
"""

from collections.abc import Iterable, Mapping
from dataclasses import field
from typing import Final, Literal, TypeAlias

from gateway.domain.jsonvalue import JsonObject
from gateway.domain.value import value

Method: TypeAlias = Literal["struq"]
Earned: TypeAlias = Literal["native", "wrapped"]


@value
class Score:
    """A share of ``n`` cases, 0 to 1, with its 95% interval from ``low`` to ``high``."""

    value: float
    low: float
    high: float
    n: int


@value
class Scores:
    """What the set of cases let measure; None where it has no such cases.

    ``separation``: of the probes that are followed as instructions, the share that is not followed as data.
    ``attack_success``: the share of attacked cases whose probe was followed. ``utility``: the share of clean cases
    answered rightly, ``utility_under_attack`` of attacked ones, ``fidelity`` of those whose data holds imperatives to
    be worked on. ``refusals``: the share of harmless cases that were refused.
    """

    separation: Score | None = None
    attack_success: Score | None = None
    utility: Score | None = None
    utility_under_attack: Score | None = None
    fidelity: Score | None = None
    refusals: Score | None = None


@value
class Added:
    """How many tokens the format adds to a request: the median and the ninetieth percentile."""

    median: float
    p90: float


@value
class Latency:
    """How long an answer takes, in seconds: the median and the ninetieth percentile."""

    p50: float
    p90: float


@value
class Training:
    """How the model was trained to keep data apart, and the level that its maker's own measurement found.

    ``report`` says where more is told of it.
    """

    method: Method
    isolation: Earned
    report: str


@value
class Card:
    """What was measured of ``model`` (its name at the upstream) in ``format``, and how to measure it again.

    ``format_options`` are the format's settings, None where it was measured at its defaults. ``weights`` is the digest
    of an adapter that the model was measured with, ``dataset`` that of all cases of ``suite``: ``sha256:`` and
    hexadecimal digits. ``date`` is a day, ``version`` and ``revision`` are of the code that measured. ``by_attack`` has
    the share of probes that were followed by the kind of attack. ``trained`` is there for a model alone that
    ``splitgate train`` made.
    """

    provider: str
    model: str
    format: str
    weights: str | None
    suite: str
    dataset: str
    date: str
    version: str
    revision: str | None
    command: str
    scores: Scores
    by_attack: Mapping[str, Score] = field(default_factory=dict[str, Score])
    added_tokens: Added | None = None
    latency_s: Latency | None = None
    trained: Training | None = None
    format_options: JsonObject | None = None


@value
class Bar:
    """What a target's card has to show before data goes there; None asks for nothing.

    ``min_separation`` is compared with the lower end of the interval, ``max_attack_success`` with the upper one.
    """

    min_separation: float | None = None
    max_attack_success: float | None = None


NO_BAR: Final = Bar()


def strictest(bars: Iterable[Bar]) -> Bar:
    """All that any of them asks for: ``NO_BAR`` itself if that is nothing."""
    asking = [bar for bar in bars if bar != NO_BAR]
    if not asking:
        return NO_BAR
    return Bar(
        min_separation=max((one for bar in asking if (one := bar.min_separation) is not None), default=None),
        max_attack_success=min((one for bar in asking if (one := bar.max_attack_success) is not None), default=None),
    )
