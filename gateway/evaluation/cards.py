"""Which card does a measured model get?

One for each format, as a file that the configuration reads again.
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from adapters.registry import provider_entry
from gateway.configuration.cards import written
from gateway.configuration.other_format import with_format
from gateway.domain.card import Card, Score, Scores, Training
from gateway.domain.jsonvalue import JsonObject
from gateway.domain.target import Target
from gateway.evaluation.datasets import DataSet
from gateway.evaluation.outcome import Measured, Outcome
from gateway.evaluation.report import Circumstances
from gateway.evaluation.revision import revision
from gateway.evaluation.stopped import CannotMeasure
from gateway.version import VERSION

_DIGITS: Final = 4


def circumstances(command: str, notes: Sequence[str]) -> Circumstances:
    """Of a measurement that ends now."""
    return Circumstances(
        command=command,
        date=datetime.now(UTC).date().isoformat(),
        version=VERSION,
        revision=revision(),
        notes=tuple(notes),
    )


def card_of(one: Measured, target: Target, data: DataSet, told: Circumstances, adapter: str | None) -> Card:
    """``adapter`` is the digest of the adapter that the weights were used with.

    What an earlier card of the target says of the training of this very adapter stays.
    """
    outcome = one.outcome
    return Card(
        provider=target.provider,
        model=target.model,
        format=one.format,
        weights=adapter,
        suite=data.name,
        dataset=data.digest,
        date=told.date,
        version=told.version,
        revision=told.revision,
        command=told.command,
        scores=_scores(outcome),
        by_attack=_by(outcome.by_attack),
        added_tokens=outcome.added_tokens,
        latency_s=outcome.latency_s,
        trained=_trained(one, target, adapter),
        format_options=_options(one, target),
    )


def write_cards(cards: Sequence[Card], folder: Path) -> Sequence[Path]:
    """Each as ``MODEL.FORMAT.yaml``.

    Raises:
        CannotMeasure: the folder cannot be written.
    """
    files: list[Path] = []
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for card in cards:
            file = folder / f"{file_name(card.model)}.{card.format}.yaml"
            file.write_text(written(card), encoding="utf-8")
            files.append(file)
    except OSError as error:
        raise CannotMeasure(f"{folder} cannot be written ({error.strerror}); name another with --cards") from error
    return files


def file_name(model: str) -> str:
    """A model's name as a file's: vendors put slashes and colons into theirs."""
    return "".join(char if char.isalnum() or char in "._-" else "_" for char in model).lstrip(".") or "model"


def _options(one: Measured, target: Target) -> JsonObject | None:
    """The format's settings, where they are not those that it has if nothing is said of them."""
    used = with_format(target, one.format).format_options
    return None if used == provider_entry(target.provider).usual(one.format) else dict(used)


def _trained(one: Measured, target: Target, adapter: str | None) -> Training | None:
    before = target.card
    if before is None or adapter is None or (before.format, before.weights) != (one.format, adapter):
        return None
    return before.trained


def _scores(outcome: Outcome) -> Scores:
    scores = outcome.scores
    return Scores(
        separation=_rounded(scores.separation),
        attack_success=_rounded(scores.attack_success),
        utility=_rounded(scores.utility),
        utility_under_attack=_rounded(scores.utility_under_attack),
        fidelity=_rounded(scores.fidelity),
        refusals=_rounded(scores.refusals),
    )


def _by(scores: Mapping[str, Score]) -> Mapping[str, Score]:
    return {name: made for name, score in scores.items() if (made := _rounded(score)) is not None}


def _rounded(score: Score | None) -> Score | None:
    if score is None:
        return None
    value, low, high = (round(one, _DIGITS) for one in (score.value, score.low, score.high))
    return Score(value=value, low=low, high=high, n=score.n)
