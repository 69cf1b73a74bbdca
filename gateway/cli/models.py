"""Which isolation can each model's targets reach, and what was measured of them?"""

import os
from pathlib import Path

from rich import box
from rich.table import Table
from rich.text import Text

from adapters.registry import format_named
from gateway.cli.terminal import out
from gateway.cli.told import say
from gateway.domain.card import Score
from gateway.domain.isolation import Isolation
from gateway.domain.model import Model
from gateway.domain.target import Target
from gateway.pipeline.measured import MEND, in_words, shortfalls
from gateway.settings import load

_COLOURS = {
    Isolation.NATIVE: "green",
    Isolation.CHANNEL: "cyan",
    Isolation.WRAPPED: "yellow",
    Isolation.NONE: "red",
}


def models(path: Path | None) -> None:
    """Print the table; say where a floor cannot be reached.

    Raises:
        ConfigError: what is wrong with the file.
    """
    settings = load(path, os.environ, offline=True)
    table = Table(box=box.SIMPLE, pad_edge=False, padding=(0, 1, 0, 0))
    carded = any(target.card is not None for model in settings.models.values() for target in model.targets)
    measured = ("separation", "attack success") if carded else ()
    for heading in ("model", "floor", "target", "provider", "format", "reaches", *measured):
        # On a narrow terminal the remark gives way.
        table.add_column(heading, no_wrap=True)
    table.add_column("remark", overflow="fold")
    for model in settings.models.values():
        for index, target in enumerate(model.targets):
            cells = _measured(target) if carded else ()
            table.add_row(*_reaching(model, target, first=index == 0), *cells, _remark(model, target, reaches(target)))
    out().print(table)
    for model in settings.models.values():
        if max(map(reaches, model.targets)) < model.min_isolation:
            say(
                f"warning: no target of {model.name} reaches its floor, {model.min_isolation.label}: every request "
                "that carries data is refused; lower min_isolation, or add a target with another format"
            )
        if all(shortfalls(target.card, model.bar) for target in model.targets):
            say(
                f"warning: no target of {model.name} has a card that shows what the model asks for: every request that "
                f"carries data is refused; {MEND}, or ask for less"
            )


def reaches(target: Target) -> Isolation:
    """The most that the target can be credited with, once any probe has succeeded."""
    return min(format_named(target.format).best, target.ceiling)


def _reaching(model: Model, target: Target, *, first: bool) -> tuple[str | Text, ...]:
    level = reaches(target)
    return (
        model.name if first else "",
        model.min_isolation.label if first else "",
        target.id,
        target.provider,
        target.format,
        Text(level.label, style=_COLOURS[level]),
    )


def _measured(target: Target) -> tuple[str, str]:
    """What its card shows, each with its interval."""
    if target.card is None:
        return "", ""
    return _score(target.card.scores.separation), _score(target.card.scores.attack_success)


def _score(score: Score | None) -> str:
    return "not measured" if score is None else in_words(score)


def _remark(model: Model, target: Target, level: Isolation) -> str:
    remarks: list[str] = []
    if level < model.min_isolation:
        remarks.append("below the floor: not used for data")
    if shortfalls(target.card, model.bar):
        remarks.append("not shown to be as asked: not used for data")
    if target.needs_probe:
        remarks.append("after its probe")
    if target.assumed:
        remarks.append("on your word")
    return "; ".join(remarks)
