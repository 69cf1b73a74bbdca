"""How is a model made split-aware? ``splitgate train``.

torch stands in ``gateway.training`` alone, and is imported when a run begins: without the extra there is one line that
says how to get it.
"""

import math
import os
import shlex
import sys
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Final

import typer

from gateway.cli.told import WRONG, CommandFailed, say

_NEEDED: Final = ("torch", "transformers", "peft")


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """The command's options."""

    method: str
    seed: int
    steps: int
    data: str
    count: int
    adversarial: float
    out: Path
    base: Path | None
    start: Path | None
    resume: bool
    threads: int
    device: str
    batch: int
    rate: float
    warm_up: int
    longest: int
    checkpoint_every: int
    exact: bool
    beta: float
    answer_weight: float
    angle: float
    ramp: int
    full_layers: int


def train(wanted: Wanted) -> None:
    """Train, tell how it goes, and say what was left where.

    Raises:
        CommandFailed: the extra is not installed, or it cannot be trained like that.
    """
    missing = [name for name in _NEEDED if find_spec(name) is None]
    if missing:
        raise CommandFailed(
            f"training needs {', '.join(missing)}: install the extra with `pip install splitgate[train]`", code=WRONG
        )
    _train(wanted)


def _train(wanted: Wanted) -> None:
    from adapters.embedded.engine import EngineFailed  # noqa: PLC0415 - see the module's docstring
    from adapters.embedded.weights import WeightsMissing  # noqa: PLC0415
    from gateway.training.base import embedded_base  # noqa: PLC0415
    from gateway.training.finish import finish  # noqa: PLC0415
    from gateway.training.loop import Progress, Settings  # noqa: PLC0415
    from gateway.training.methods.options import MethodOptions  # noqa: PLC0415
    from gateway.training.run import Order, carry_out  # noqa: PLC0415
    from gateway.training.stopped import CannotTrain  # noqa: PLC0415

    def report(progress: Progress) -> None:
        typer.echo(
            f"step {progress.step}/{wanted.steps}  loss {progress.loss:.4f}  rate {progress.rate:.2e}  "
            f"norm {progress.norm:.2f}  {progress.tokens} tokens  {progress.seconds:.2f} s"
        )

    options = MethodOptions(
        beta=wanted.beta,
        answer_weight=wanted.answer_weight,
        angle=math.radians(wanted.angle),
        ramp=wanted.ramp,
        full_layers=wanted.full_layers,
    )
    settings = Settings(
        method=wanted.method,
        seed=wanted.seed,
        steps=wanted.steps,
        batch=wanted.batch,
        rate=wanted.rate,
        warm_up=wanted.warm_up,
        longest=wanted.longest,
        checkpoint_every=wanted.checkpoint_every,
        lower_precision=not wanted.exact,
        options=options,
    )
    try:
        order = Order(
            base=wanted.base or embedded_base(os.environ),
            out=wanted.out,
            data=wanted.data,
            count=wanted.count,
            adversarial=wanted.adversarial,
            settings=settings,
            start=wanted.start,
            resume=wanted.resume,
            threads=wanted.threads,
            device=wanted.device,
        )
        model, _ = carry_out(order, report)
        command = shlex.join(["splitgate", *sys.argv[1:]])
        told = finish(model, settings, wanted.out, command, base=order.base, embedded=wanted.base is None)
    except (CannotTrain, EngineFailed, WeightsMissing) as exc:
        raise CommandFailed(str(exc), code=WRONG) from exc
    except KeyboardInterrupt:
        say(f"interrupted; --resume goes on from the last checkpoint in {wanted.out}")
        raise
    typer.echo(f"{wanted.out}: {told}")
