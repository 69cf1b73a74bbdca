"""SecAlign (Chen et al. 2024): the true answer is preferred to the one that the data asked for.

The reference is the model as training began: its learned values are put back for a moment, so that a start from an
adapter needs no second copy of the model. Examples that hold no attack have nothing to prefer and are left out, unless
the plain answer loss has a weight: then they count in it alone.
"""
# pyright: reportMissingImports=false, reportMissingTypeStubs=false, reportUntypedBaseClass=false, reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownParameterType=false, reportUnknownArgumentType=false, reportUnknownLambdaType=false

from collections.abc import Mapping, Sequence

import torch

from gateway.training.batches import collate
from gateway.training.example import Example
from gateway.training.layout import Encoded, Encoder
from gateway.training.losses import answer_scores, preference_loss
from gateway.training.methods.options import MethodOptions
from gateway.training.model import SplitModel


def rows(encoder: Encoder, example: Example, options: MethodOptions) -> tuple[Encoded, ...]:
    """The example with its true answer, and with the rejected one if there is one; nothing if it is of no use."""
    if example.rejected is None and not options.answer_weight:
        return ()
    answers = (example.answer,) if example.rejected is None else (example.answer, example.rejected)
    return tuple(
        [
            encoder.example(example.instruction, example.data, answer, example.system, example.behind)
            for answer in answers
        ]
    )


def loss(
    model: SplitModel,
    examples: Sequence[tuple[Encoded, ...]],
    start: Mapping[str, torch.Tensor],
    options: MethodOptions,
    padding: int,
) -> torch.Tensor:
    """The preference loss of the pairs, and the weighted answer loss of all."""
    pairs = [example for example in examples if len(example) > 1]
    alone = [example[0] for example in examples if len(example) == 1]
    ordered = [*[chosen for chosen, _ in pairs], *[rejected for _, rejected in pairs]]
    # First: it changes the learned values for a moment, which the gradients of what was computed before would notice.
    reference = _reference(model, ordered, start, padding)
    scores, lengths = answer_scores(model, collate([*ordered, *alone], padding, model.device))
    true = torch.tensor([*range(len(pairs)), *range(len(ordered), len(ordered) + len(alone))], device=model.device)
    answers = options.answer_weight * -(scores[true].sum() / lengths[true].sum())
    return answers if reference is None else answers + preference_loss(scores[: len(ordered)], reference, options.beta)


def _reference(
    model: SplitModel, rows: Sequence[Encoded], start: Mapping[str, torch.Tensor], padding: int
) -> torch.Tensor | None:
    if not rows:
        return None
    with model.with_values(start):
        return answer_scores(model, collate(rows, padding, model.device))[0]
