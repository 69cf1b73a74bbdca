from collections.abc import Sequence

import pytest

from gateway.training.data import digest, examples_of
from gateway.training.example import Example


@pytest.mark.parametrize(
    ("adversarial", "expected"),
    [
        # As the card of the adapter that ships has it: the same command trains on the same examples.
        (0.5, "sha256:13c27348fac920665ec2418b3b9a2e739fad164f4cdcd69e716c34adb8eb4e49"),
        (0.0, "sha256:b68551189b7668150d9d569d02f2456fac4ae1475fbd0714d012a98b28c0edcd"),
    ],
)
def test_the_same_seed_makes_the_same_examples_everywhere(adversarial: float, expected: str) -> None:
    assert digest(examples_of("builtin", seed=0, count=1600, adversarial=adversarial)) == expected


def test_every_part_of_an_example_is_in_the_digest(examples: Sequence[Example]) -> None:
    first = examples[0]
    others = [
        Example(**{**{name: getattr(first, name) for name in Example.__dataclass_fields__}, name: "other"})
        for name in Example.__dataclass_fields__
    ]
    assert len({digest([one]) for one in (first, *others)}) == 1 + len(others)
