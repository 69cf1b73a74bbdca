"""What does a trained model answer?

Greedily, many prompts at once: padded on the left, with what was read kept (KV cache), sorted by length so that little
is padding. What the model writes itself is no data: its tokens pass through the mark as instructions.
"""
# pyright: reportMissingImports=false, reportMissingTypeStubs=false, reportUntypedBaseClass=false, reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownParameterType=false, reportUnknownArgumentType=false, reportUnknownLambdaType=false

from collections.abc import Callable, Sequence

import torch
from transformers import DynamicCache

from gateway.training.layout import INSTRUCTION, Encoded, Encoder
from gateway.training.model import SplitModel


def answers(
    model: SplitModel,
    encoder: Encoder,
    prompts: Sequence[tuple[str, str]],
    *,
    most: int = 64,
    size: int = 32,
    report: Callable[[int], None] = lambda _: None,
) -> list[str]:
    """An answer of at most ``most`` tokens to each (instruction, data), in their order, ``size`` at a time."""
    encoded = [encoder.prompt(instruction, data) for instruction, data in prompts]
    order = sorted(range(len(encoded)), key=lambda number: len(encoded[number].ids))
    found: dict[int, str] = {}
    for at in range(0, len(order), size):
        numbers = order[at : at + size]
        made = continued(model, encoder, [encoded[number] for number in numbers], most)
        found |= {
            number: encoder.tokenizer.decode(ids, skip_special_tokens=True).strip()
            for number, ids in zip(numbers, made, strict=True)
        }
        report(len(found))
    return [found[number] for number in range(len(encoded))]


def continued(model: SplitModel, encoder: Encoder, rows: Sequence[Encoded], most: int) -> list[list[int]]:
    """The tokens with which the model goes on from each row, up to where it ends."""
    end = encoder.tokenizer.eos_token_id
    with torch.no_grad(), model.precision():
        ids, segments, attention = _left_padded(rows, end, model.device)
        positions = (attention.cumsum(-1) - 1).clamp(min=0)
        kept = DynamicCache(config=model.inner.config)
        state = model.hidden(model.embed(ids, segments), attention, position_ids=positions, cache=kept)
        written: list[list[int]] = [[] for _ in rows]
        places = list(range(len(rows)))  # of the batch's rows, where the caller has them
        alive = [True] * len(rows)
        position = positions[:, -1:]
        for _ in range(most):
            token = model.logits(state.last_hidden_state[:, -1]).argmax(-1)
            for at, one in enumerate(token.tolist()):
                alive[at] = alive[at] and one != end
                if alive[at]:
                    written[places[at]].append(one)
            going = [at for at, goes_on in enumerate(alive) if goes_on]
            if not going:
                break
            if len(going) <= len(alive) // 2:
                # Rows that ended are computed no longer, once they are half of all.
                rest = torch.tensor(going, device=model.device)
                kept.batch_select_indices(rest)
                attention, position, token = attention[rest], position[rest], token[rest]
                places = [places[at] for at in going]
                alive = [True] * len(going)
            attention = torch.cat([attention, attention.new_ones(len(alive), 1)], dim=1)
            position = position + 1
            token = token.unsqueeze(-1)
            state = model.hidden(
                model.embed(token, torch.full_like(token, INSTRUCTION)),
                attention,
                position_ids=position,
                cache=kept,
            )
    return written


def _left_padded(
    rows: Sequence[Encoded], padding: int, device: torch.device
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    longest = max(len(row.ids) for row in rows)

    def tensor(values: list[list[int]]) -> torch.Tensor:
        return torch.tensor(values, dtype=torch.long, device=device)

    gaps = [longest - len(row.ids) for row in rows]
    pairs = list(zip(rows, gaps, strict=True))
    return (
        tensor([[padding] * gap + list(row.ids) for row, gap in pairs]),
        tensor([[INSTRUCTION] * gap + list(row.segments) for row, gap in pairs]),
        tensor([[0] * gap + [1] * len(row.ids) for row, gap in pairs]),
    )
