"""ASIDE (Zverev et al. 2025): data's embeddings are rotated, and the model learns to read them so.

Each pair of neighbouring coordinates turns by the angle: an isometry, that keeps lengths and inner products, and at π/2
puts each embedding at a right angle to itself. The angle may grow over the first steps, which a small model needs.
"""
# pyright: reportMissingImports=false, reportMissingTypeStubs=false, reportUntypedBaseClass=false, reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownParameterType=false, reportUnknownArgumentType=false, reportUnknownLambdaType=false

from math import cos, sin

import torch

from gateway.training.layout import DATA
from gateway.training.methods.options import MethodOptions
from gateway.training.model import Mark


def rotated(embeddings: torch.Tensor, angle: float) -> torch.Tensor:
    """The embeddings (…, an even width) with each pair of coordinates turned by ``angle`` radians."""
    even, odd = embeddings[..., 0::2], embeddings[..., 1::2]
    turned = (cos(angle) * even - sin(angle) * odd, sin(angle) * even + cos(angle) * odd)
    return torch.stack(turned, dim=-1).flatten(-2)


class Rotation(Mark):
    """Turns data by ``angle``; in the first ``ramp`` steps of training by a part of it."""

    def __init__(self, angle: float, ramp: int) -> None:
        super().__init__()
        self.whole = angle
        self.ramp = ramp
        self.angle = angle

    def at_step(self, step: int) -> None:
        self.angle = self.whole * (min(1.0, (step + 1) / self.ramp) if self.ramp else 1.0)

    def forward(self, embeddings: torch.Tensor, segments: torch.Tensor) -> torch.Tensor:
        return torch.where((segments == DATA).unsqueeze(-1), rotated(embeddings, self.angle), embeddings)


def mark(_width: int, options: MethodOptions) -> Mark:
    return Rotation(options.angle, options.ramp)
