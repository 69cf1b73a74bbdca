"""What do the cards in a folder say? Writes ``README.md`` there, with a table for each model.

``python benchmarks/cards_page.py FOLDER…``: nothing is measured, and the same cards make the same page.
"""

import os
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from benchmarks.processes import ROOT
from gateway.configuration.cards import load_card
from gateway.domain.card import Card
from gateway.evaluation.telling import NONE, SCORES, told
from gateway.reference.tables import table

PAGE: Final = "README.md"
_MEANING: Final = ROOT / "docs" / "evaluate.md"


def page_of(folder: Path) -> str:
    """The page of the cards in ``folder``.

    Raises:
        InvalidConfiguration: a card cannot be read, with what is wrong with it.
    """
    cards = [load_card(path) for path in sorted(folder.glob("*.yaml"))]
    meaning = os.path.relpath(_MEANING, folder)
    head = (
        "# What was measured\n"
        "Written by `benchmarks/cards_page.py` from the cards beside it, each of which has its date and revision. "
        f"95% intervals in brackets;\n[what the figures mean]({meaning})."
    )
    models = dict.fromkeys(card.model for card in cards)
    return (
        "\n\n".join((head, *(_of_model(model, [card for card in cards if card.model == model]) for model in models)))
        + "\n"
    )


def _of_model(model: str, cards: Sequence[Card]) -> str:
    head = ("format", *(name.replace("_", " ") for name in SCORES), "attacks", "tokens added")
    commands = "\n".join(dict.fromkeys(card.command for card in cards))
    return f"## {model}\n{table(head, _rows(cards))}\n\n```sh\n{commands}\n```"


def _rows(cards: Sequence[Card]) -> Iterator[tuple[str, ...]]:
    for card in cards:
        attacks, added = card.scores.attack_success, card.added_tokens
        yield (
            f"[`{card.format}`]({card.model}.{card.format}.yaml)",
            *(told(getattr(card.scores, name)) for name in SCORES),
            NONE if attacks is None else str(attacks.n),
            NONE if added is None else f"{added.median:g}",
        )


def main(folders: Sequence[str]) -> int:
    """Write the page of each folder."""
    for folder in folders:
        (Path(folder) / PAGE).write_text(page_of(Path(folder)), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
