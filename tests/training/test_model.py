# pyright: reportMissingImports=false, reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
from collections.abc import Callable, Sequence
from typing import Any

import pytest
import torch

from gateway.training.batches import collate
from gateway.training.example import Example
from gateway.training.layout import Encoder
from gateway.training.methods.options import MethodOptions
from gateway.training.methods.registry import METHODS
from gateway.training.model import SplitModel

MATRICES = 2 * 7 * 2  # layers, linear parts of each, matrices of each part


@pytest.fixture
def gradients(
    make_model: Callable[..., SplitModel], make_encoder: Callable[[str], Encoder], examples: Sequence[Example]
) -> Callable[..., dict[str, Any]]:
    """By name the gradient of each value, None where there is none, after one step's loss."""

    def make(method: str, **changes: Any) -> dict[str, Any]:
        model = make_model(method, **changes)
        with torch.no_grad():
            for name, tensor in model.learned().items():
                if "lora_B" in name:
                    tensor.normal_(std=0.1)  # at zero the other matrix gets no gradient
        encoder, options = make_encoder(method), MethodOptions(answer_weight=1.0)
        rows = [METHODS[method].rows(encoder, example, options) for example in examples]
        start = {name: torch.zeros_like(tensor) for name, tensor in model.learned().items()}
        METHODS[method].loss(model, rows, start, options, 2).backward()
        return {name: parameter.grad for name, parameter in model.named_parameters()}

    return make


def _reached(found: dict[str, Any]) -> set[str]:
    return {name for name, gradient in found.items() if gradient is not None and bool(gradient.abs().sum() > 0)}


@pytest.mark.parametrize("method", METHODS)
def test_gradients_reach_the_lora_matrices_and_nothing_of_the_base(
    method: str, gradients: Callable[..., dict[str, Any]]
) -> None:
    found = gradients(method)
    reached = _reached(found)
    assert len([name for name in reached if "lora_" in name]) == MATRICES
    others = {"mark.vectors.weight"} if method == "ise" else set[str]()
    assert {name for name in reached if "lora_" not in name} == others
    assert {name for name, gradient in found.items() if gradient is not None} == reached


def test_layers_that_learn_whole_get_gradients_and_the_others_do_not(
    gradients: Callable[..., dict[str, Any]],
) -> None:
    base = {name for name in _reached(gradients("aside", full_layers=1)) if "lora_" not in name}
    assert len(base) == 7 + 2  # its linear parts and two norms
    assert all(".layers.0." in name for name in base)


def test_a_segment_embedding_begins_at_nothing(
    make_model: Callable[..., SplitModel], make_encoder: Callable[[str], Encoder]
) -> None:
    model = make_model("ise")
    batch = collate([make_encoder("ise").prompt("Say.", "Mail.")], 2, model.device)
    plain = model.inner.model.embed_tokens(batch.ids)
    assert torch.equal(model.embed(batch.ids, batch.segments), plain)
    with torch.no_grad():
        model.learned()["mark.vectors.weight"][1] = 1.0
    moved = model.embed(batch.ids, batch.segments) - plain
    torch.testing.assert_close(moved[..., 0], batch.segments.float())


def test_other_values_hold_for_a_while_alone(make_model: Callable[..., SplitModel]) -> None:
    model = make_model("struq")
    own = {name: tensor.detach().clone() for name, tensor in model.learned().items()}
    with model.with_values({name: torch.ones_like(tensor) for name, tensor in own.items()}):
        assert all(bool((tensor == 1).all()) for tensor in model.learned().values())
    assert all(torch.equal(tensor, own[name]) for name, tensor in model.learned().items())


def test_values_of_another_method_are_not_taken(make_model: Callable[..., SplitModel]) -> None:
    with pytest.raises(KeyError, match="another method"):
        make_model("struq").take(make_model("ise").learned())


def test_merged_weights_say_the_same(
    make_model: Callable[..., SplitModel], make_encoder: Callable[[str], Encoder]
) -> None:
    model = make_model("struq")
    with torch.no_grad():
        for tensor in model.learned().values():
            tensor.normal_(std=0.1)
    batch = collate([make_encoder("struq").prompt("Say.", "Mail.")], 2, model.device)

    def hidden() -> torch.Tensor:
        with torch.no_grad():
            return model.hidden(model.embed(batch.ids, batch.segments), batch.attention).last_hidden_state

    before = hidden()
    model.merge()
    torch.testing.assert_close(hidden(), before, rtol=1e-4, atol=1e-4)
    assert model.learned() == {}
