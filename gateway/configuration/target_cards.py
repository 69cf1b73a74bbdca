"""Which card has a target, and is it this target's?

A card of another model, format or provider says nothing of the target that it is named at, and is a mistake. So is one
of other weights, where those are known: one that comes with the embedded model is left aside then, with a warning, so
that whoever put an adapter of their own in its place can measure it.
"""

from pathlib import Path

from adapters.embedded.models import SPLIT, digest_told
from adapters.embedded.shipped_cards import CARDS, card_of
from adapters.registry import PROVIDERS, provider_entry
from gateway.configuration.json_of import as_json
from gateway.configuration.schema import TargetSection
from gateway.configuration.secrets import Surroundings
from gateway.domain.card import Card
from gateway.domain.jsonvalue import JsonObject
from gateway.yamlfile.problems import Loc
from gateway.yamlfile.report import Report


def build_card(
    section: TargetSection, model: str, loc: Loc, report: Report, surroundings: Surroundings, *, shipped: Path = CARDS
) -> Card | None:
    """What was measured of the target, whose model is called ``model`` at its upstream.

    None where nothing was, or once the report says why the card cannot be used. Those of embedded models lie in the
    folder ``shipped``.
    """
    where: Loc = (*loc, "card")
    if section.card is not None:
        path = (surroundings.folder / section.card).absolute()
    elif section.provider == "embedded" and (found := card_of(model, section.format, shipped)) is not None:
        path = found
    else:
        return None
    from gateway.configuration.cards import read_card  # noqa: PLC0415  loaded only where there are cards: it takes time

    card = read_card(path, where, report)
    if card is None:
        return None
    before = report.count
    for name, here, there in (
        ("provider", section.provider, card.provider),
        ("model", model, card.model),
        ("format", section.format, card.format),
    ):
        if here != there:
            report.add(
                where,
                f"the card is of the {name} `{there}`, and the target's is `{here}`; name the card of this target, or "
                "measure it with `splitgate evaluate`",
            )
    if not _of_its_settings(card, section):
        report.add(
            where,
            f"the card is of other `format_options` of {section.format} than the target's; measure it with these with "
            "`splitgate evaluate`, or leave the card out",
        )
    if report.count != before:
        return None
    return card if _of_its_weights(card, section, where, report) else None


def options_of(section: TargetSection) -> JsonObject:
    """The settings of its format: those that are usual for its provider, and what the file says of them."""
    return {**_usual(section), **(as_json(section.format_options) or {})}


def _of_its_settings(card: Card, section: TargetSection) -> bool:
    """Whether the format was measured as it is set here; a format's settings may be all that protects."""
    if section.provider not in PROVIDERS:
        # Which is told of already.
        return True
    measured = card.format_options
    return options_of(section) == (_usual(section) if measured is None else measured)


def _usual(section: TargetSection) -> JsonObject:
    return provider_entry(section.provider).usual(section.format)


def _of_its_weights(card: Card, section: TargetSection, where: Loc, report: Report) -> bool:
    """Whether it is of the adapter that is here. Of any other model nobody here knows the weights."""
    if (card.provider, card.model) != ("embedded", SPLIT) or card.weights == (here := digest_told()):
        return True
    told = f"the card of {SPLIT} is of the weights `{card.weights}`, and those here are `{here}`"
    if section.card is None:
        report.warn((*where[:-1], "model"), f"{told}: it does not count; `splitgate evaluate` measures what is here")
    else:
        report.add(where, f"{told}; leave it out, and measure these with `splitgate evaluate`")
    return False
