"""StruQ (Chen et al. 2024): the true answer is learned, with attacks in the data or without.

The plain control learns the same way from another layout.
"""
# pyright: reportMissingImports=false, reportMissingTypeStubs=false, reportUntypedBaseClass=false, reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownParameterType=false, reportUnknownArgumentType=false, reportUnknownLambdaType=false

from collections.abc import Mapping, Sequence

import torch

from gateway.training.batches import collate
from gateway.training.example import Example
from gateway.training.layout import Encoded, Encoder
from gateway.training.losses import answer_loss
from gateway.training.methods.options import MethodOptions
from gateway.training.model import SplitModel


def rows(encoder: Encoder, example: Example, _options: MethodOptions) -> tuple[Encoded, ...]:
    """The example with its true answer."""
    return (encoder.example(example.instruction, example.data, example.answer, example.system, example.behind),)


def loss(
    model: SplitModel,
    examples: Sequence[tuple[Encoded, ...]],
    _start: Mapping[str, torch.Tensor],
    _options: MethodOptions,
    padding: int,
) -> torch.Tensor:
    """The answers' mean cross entropy."""
    return answer_loss(model, collate([one for (one,) in examples], padding, model.device))
