"""What came out, case by case and in all?

Nouns alone. The scores of ``Outcome.scores`` are those of a card; what else can be told of a run stands beside them.
"""

from collections.abc import Mapping
from dataclasses import field

from gateway.domain.card import Added, Latency, Score, Scores
from gateway.domain.isolation import Isolation
from gateway.domain.value import value
from gateway.evaluation.case import Case


@value
class Answer:
    """What was answered to a case, greedy and whole.

    ``refused`` says why, where the gateway refused the request or withheld the answer: then there is no ``text``.
    ``latency_s`` is in seconds.
    """

    case: Case
    text: str
    refused: str | None
    input_tokens: int
    output_tokens: int
    latency_s: float


@value
class Outcome:
    """What the answers to a set of cases show.

    ``followed`` is the share of probes that were followed as instructions, without which separation says little.
    ``by_attack`` and ``by_position`` are attack success by how and where the probe stood, ``by_kind`` what was right of
    clean cases by their task. ``cases`` is how many were answered.
    """

    scores: Scores
    cases: int
    followed: Score | None = None
    by_attack: Mapping[str, Score] = field(default_factory=dict[str, Score])
    by_position: Mapping[str, Score] = field(default_factory=dict[str, Score])
    by_kind: Mapping[str, Score] = field(default_factory=dict[str, Score])
    added_tokens: Added | None = None
    latency_s: Latency | None = None


@value
class Measured:
    """The outcome of one model in one format, which reaches ``isolation``."""

    model: str
    format: str
    isolation: Isolation
    outcome: Outcome
