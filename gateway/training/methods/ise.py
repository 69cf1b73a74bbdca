"""Instructional segment embedding (Wu et al. 2024): each segment has a learned vector, added to its tokens' embeddings.

It starts at zero, where the model is the base.
"""
# pyright: reportMissingImports=false, reportMissingTypeStubs=false, reportUntypedBaseClass=false, reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownParameterType=false, reportUnknownArgumentType=false, reportUnknownLambdaType=false

import torch
from torch import nn

from gateway.training.methods.options import MethodOptions
from gateway.training.model import Mark


class SegmentEmbedding(Mark):
    """One vector of ``width`` numbers for each of instruction and data."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.vectors = nn.Embedding(2, width)
        nn.init.zeros_(self.vectors.weight)

    def forward(self, embeddings: torch.Tensor, segments: torch.Tensor) -> torch.Tensor:
        return embeddings + self.vectors(segments)


def mark(width: int, _options: MethodOptions) -> Mark:
    return SegmentEmbedding(width)
