"""Which examples form a step's batch, and how do they become tensors?

A step's batch follows from seed and step alone, so that a run that was broken off goes on exactly where it stopped.
Rows of like length share a batch: what pads a row is computed for nothing.
"""
# pyright: reportMissingImports=false, reportMissingTypeStubs=false, reportUntypedBaseClass=false, reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownParameterType=false, reportUnknownArgumentType=false, reportUnknownLambdaType=false

import random
from collections.abc import Iterator, Sequence
from typing import Final

import torch

from gateway.domain.value import value
from gateway.training.layout import INSTRUCTION, Encoded

_POOL: Final = 32  # batches whose rows are sorted together: more would make the order of examples follow their length


@value
class Batch:
    """Rows padded on the right. ``learned`` says before which tokens a prediction counts; see ``predictions``."""

    ids: torch.Tensor
    segments: torch.Tensor
    attention: torch.Tensor
    learned: torch.Tensor


def collate(rows: Sequence[Encoded], padding: int, device: torch.device) -> Batch:
    """The rows as tensors (rows, longest)."""
    longest = max(len(row.ids) for row in rows)

    def padded(values: Sequence[int], filler: int) -> list[int]:
        return [*values, *[filler] * (longest - len(values))]

    def tensor(lists: list[list[int]]) -> torch.Tensor:
        return torch.tensor(lists, dtype=torch.long, device=device)

    return Batch(
        ids=tensor([padded(row.ids, padding) for row in rows]),
        segments=tensor([padded(row.segments, INSTRUCTION) for row in rows]),
        attention=tensor([padded([1] * len(row.ids), 0) for row in rows]),
        learned=tensor(
            [padded([0] * row.answer_at + [1] * (len(row.ids) - row.answer_at), 0) for row in rows],
        ).bool(),
    )


def plan(lengths: Sequence[int], *, steps: int, size: int, seed: int) -> Iterator[tuple[int, ...]]:
    """For each step the numbers of its examples; all of them are used before one is used again."""
    drawn = random.Random(seed)  # noqa: S311 -- no secret: the same seed must give the same order
    left: list[int] = []
    ready: list[tuple[int, ...]] = []
    for _ in range(steps):
        if not ready:
            while len(left) < size * _POOL:
                once = list(range(len(lengths)))
                drawn.shuffle(once)
                left += once
            pool, left = left[: size * _POOL], left[size * _POOL :]
            pool.sort(key=lambda number: lengths[number])
            ready = [tuple(pool[at : at + size]) for at in range(0, len(pool), size)]
            drawn.shuffle(ready)
        yield ready.pop()
