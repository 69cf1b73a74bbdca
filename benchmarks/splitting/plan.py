"""Which trainings are compared, and which of them is the one that ships?

Each method with three seeds; beside them the untrained model, and both layouts trained on clean data alone: what the
layout does without attacks to learn from, and what an undefended model lets through. All have as many steps, but for
secalign, which goes on from the clean split model with fewer, each of which costs three times as much.
"""

from typing import Final

from gateway.domain.value import value

STEPS: Final = 200
SEEDS: Final = (0, 1, 2)
# Of `plain`, the same again without an adversary: who has none needs no other layout.
ADVERSARIAL: Final = 0.5
RATE: Final = 1e-3
PREFERRING_STEPS: Final = 60
PREFERRING_RATE: Final = 2e-4
# The most tokens that an answer may take.
ANSWER: Final = 48
# Which runs face the attack that searches for its words, by their families, and on how many prompts.
FACED: Final = ("clean-plain", "plain", "struq")
SEARCHED: Final = 20


@value
class Run:
    """One training, or none where ``steps`` is 0; ``start`` is the run whose adapter it goes on from."""

    name: str
    method: str
    seed: int
    steps: int = STEPS
    adversarial: float = ADVERSARIAL
    rate: float = RATE
    start: str | None = None
    ramp: int = 0

    @property
    def family(self) -> str:
        """What it has in common with the runs of other seeds."""
        return self.name if not self.steps else self.name.rpartition("-")[0]


def _each(method: str, ramp: int = 0) -> tuple[Run, ...]:
    return tuple(Run(name=f"{method}-{seed}", method=method, seed=seed, ramp=ramp) for seed in SEEDS)


UNTRAINED: Final = (
    Run(name="untrained-plain", method="plain", seed=0, steps=0),
    Run(name="untrained-split", method="struq", seed=0, steps=0),
)
CLEAN: Final = tuple(
    Run(name=f"clean-{layout}-{seed}", method=method, seed=seed, adversarial=0.0)
    for layout, method in (("plain", "plain"), ("split", "struq"))
    for seed in SEEDS
)
PREFERRING: Final = tuple(
    Run(
        name=f"secalign-{seed}",
        method="secalign",
        seed=seed,
        steps=PREFERRING_STEPS,
        rate=PREFERRING_RATE,
        start=f"clean-split-{seed}",
    )
    for seed in SEEDS
)
RUNS: Final = (
    *UNTRAINED,
    *CLEAN,
    *_each("plain"),
    *_each("struq"),
    *PREFERRING,
    *_each("ise"),
    # The angle grows over the first half: at once, a small model is lost.
    *_each("aside", ramp=STEPS // 2),
)
# The control, what nothing defends, and what is compared with both.
CONTROL: Final = "plain"
UNDEFENDED: Final = "clean-plain"
SHIPPED: Final = "struq-0"
