"""How far is a model from what it is to learn?

Logits are computed only where an answer is learned: over a vocabulary of 49,152 they would cost as much as the rest.
"""
# pyright: reportMissingImports=false, reportMissingTypeStubs=false, reportUntypedBaseClass=false, reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownParameterType=false, reportUnknownArgumentType=false, reportUnknownLambdaType=false

import torch
from torch.nn import functional

from gateway.training.batches import Batch
from gateway.training.model import SplitModel


def predictions(model: SplitModel, batch: Batch) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Logits before each learned token, those tokens, and the row of each."""
    with model.precision():
        embeddings = model.embed(batch.ids, batch.segments)
        hidden = model.hidden(embeddings, batch.attention, use_cache=False).last_hidden_state
        rows, places = batch.learned.nonzero(as_tuple=True)
        logits = model.logits(hidden[rows, places - 1])
    return logits, batch.ids[rows, places], rows


def answer_loss(model: SplitModel, batch: Batch) -> torch.Tensor:
    """The mean cross entropy of all answers' tokens."""
    logits, tokens, _ = predictions(model, batch)
    return functional.cross_entropy(logits, tokens)


def answer_scores(model: SplitModel, batch: Batch) -> tuple[torch.Tensor, torch.Tensor]:
    """Each row's log-probability of its answer, and its length in tokens."""
    logits, tokens, rows = predictions(model, batch)
    each = -functional.cross_entropy(logits, tokens, reduction="none")
    empty = torch.zeros(batch.ids.shape[0], device=each.device)
    return empty.index_add(0, rows, each), empty.index_add(0, rows, torch.ones_like(each))


def preference_loss(policy: torch.Tensor, reference: torch.Tensor, beta: float) -> torch.Tensor:
    """Direct preference optimisation (Rafailov et al. 2023); the first half of the rows is chosen over the second."""
    gain = policy - reference
    chosen, rejected = gain.chunk(2)
    return -functional.logsigmoid(beta * (chosen - rejected)).mean()
