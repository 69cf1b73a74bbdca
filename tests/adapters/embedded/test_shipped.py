"""Does what ships with the embedded model fit together: adapter, digest, cards?"""

import hashlib
from pathlib import Path

import pytest

from adapters.embedded.models import MODELS, SPLIT
from adapters.embedded.shipped_cards import CARDS
from adapters.registry import FORMATS
from gateway.configuration.cards import load_card

ADAPTER = CARDS.with_name("split") / f"{SPLIT}.gguf"
SHIPPED = sorted(CARDS.glob("*.yaml"))
# What they cannot be asked in: the embedded process takes messages, neither documents beside them nor Claude's blocks.
REFUSED = {"anthropic-blocks", "chat-template-documents", "cohere-documents"}


def digest() -> str:
    return f"sha256:{hashlib.sha256(ADAPTER.read_bytes()).hexdigest()}"


def test_the_adapter_is_small_and_its_maker_tells_of_it() -> None:
    assert ADAPTER.stat().st_size < 12_000_000
    told = ADAPTER.with_name("README.md").read_text(encoding="utf-8")
    assert digest() in told
    assert "splitgate train --method" in told


@pytest.mark.parametrize("path", SHIPPED, ids=[path.stem for path in SHIPPED])
def test_a_card_is_of_the_weights_that_ship(path: Path) -> None:
    card = load_card(path)
    assert path.name == f"{card.model}.{card.format}.yaml"
    assert card.provider == "embedded"
    assert card.weights == (digest() if card.model == SPLIT else None)
    assert card.command.startswith("splitgate evaluate --model ")


def test_both_models_have_a_card_of_each_format_that_they_take() -> None:
    taken = FORMATS.keys() - REFUSED
    assert {path.stem for path in SHIPPED} == {f"{model}.{form}" for model in MODELS for form in taken}
