# pyright: reportMissingImports=false, reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
from math import cos, pi

import pytest
import torch

from gateway.training.methods.aside import Rotation, rotated

VECTORS = torch.randn(7, 32, generator=torch.Generator().manual_seed(1), dtype=torch.float64)


@pytest.mark.parametrize("angle", [0.1, pi / 4, pi / 2, 3.0])
def test_a_rotation_keeps_lengths_and_inner_products(angle: float) -> None:
    turned = rotated(VECTORS, angle)
    torch.testing.assert_close(turned @ turned.T, VECTORS @ VECTORS.T)
    torch.testing.assert_close(turned.norm(dim=1), VECTORS.norm(dim=1))


@pytest.mark.parametrize("angle", [0.1, pi / 4, pi / 2, 3.0])
def test_each_vector_turns_by_the_angle(angle: float) -> None:
    cosines = torch.nn.functional.cosine_similarity(rotated(VECTORS, angle), VECTORS)
    torch.testing.assert_close(cosines, torch.full_like(cosines, cos(angle)))


def test_four_quarters_are_a_whole() -> None:
    turned = VECTORS
    for _ in range(4):
        turned = rotated(turned, pi / 2)
    torch.testing.assert_close(turned, VECTORS)
    torch.testing.assert_close(rotated(rotated(VECTORS, 0.3), -0.3), VECTORS)


def test_data_turns_and_instructions_do_not() -> None:
    segments = torch.tensor([[0, 1, 1, 0, 0, 1, 0]])
    marked = Rotation(pi / 2, ramp=0)(VECTORS.unsqueeze(0), segments)[0]
    data = segments[0].bool()
    assert torch.equal(marked[~data], VECTORS[~data])
    torch.testing.assert_close(marked[data], rotated(VECTORS, pi / 2)[data])


def test_the_angle_grows_over_the_first_steps() -> None:
    mark = Rotation(1.0, ramp=4)
    angles: list[float] = []
    for step in range(6):
        mark.at_step(step)
        angles.append(mark.angle)
    assert angles == [0.25, 0.5, 0.75, 1.0, 1.0, 1.0]
    at_once = Rotation(1.0, ramp=0)
    at_once.at_step(0)
    assert at_once.angle == 1.0
