"""What does one call of ``splitgate train`` do, from its settings to what it leaves behind?"""
# pyright: reportMissingImports=false, reportMissingTypeStubs=false, reportUntypedBaseClass=false, reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownParameterType=false, reportUnknownArgumentType=false, reportUnknownLambdaType=false

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Final

import torch

from gateway.domain.value import value
from gateway.training import checkpoint
from gateway.training.base import load_model, load_tokenizer
from gateway.training.data import digest, examples_of
from gateway.training.layout import Tokenizer
from gateway.training.loop import Progress, Settings, prepare, train
from gateway.training.model import SplitModel
from gateway.training.stopped import CannotTrain

SETTINGS: Final = "settings.json"


@value
class Order:
    """What was asked for. ``start`` is the directory of a run to go on from with another method, None for the base."""

    base: Path
    out: Path
    data: str
    count: int
    adversarial: float
    settings: Settings
    start: Path | None = None
    resume: bool = False
    threads: int = 1
    device: str = "cpu"


class AlreadyThere(CannotTrain):
    """The directory holds a run; the message says what to do."""


class NoPlace(CannotTrain):
    """There is nothing to compute on, or nowhere to write; the message says what to do."""


def carry_out(order: Order, report: Callable[[Progress], None]) -> tuple[SplitModel, Tokenizer]:
    """Train, and leave the adapter, its settings and the log in the directory.

    Raises:
        AlreadyThere: the directory holds a run, and it was not asked to go on.
        NoPlace: the directory cannot be made, or the device is none of this machine.
        data.BadExamples, base.NoBase, loop.NothingToLearn, loop.Diverged, checkpoint.BadCheckpoint: as they say.
    """
    if (order.out / checkpoint.CHECKPOINT).exists() and not order.resume:
        raise AlreadyThere(f"{order.out} holds a run already: go on with --resume, or give another --out")
    torch.set_num_threads(order.threads)
    _expect_device(order.device)
    examples = examples_of(order.data, seed=order.settings.seed, count=order.count, adversarial=order.adversarial)
    begun = "" if order.start is None else checkpoint.digest(order.start)
    settings = replace(order.settings, data=digest(examples), start=begun)
    tokenizer = load_tokenizer(order.base)
    _expect_folder(order.out)
    model = prepare(load_model(order.base).to(order.device), settings)
    if order.start is not None:
        checkpoint.load_adapter(order.start, model)
    train(model, tokenizer, examples, settings, order.out, report=report)
    told = {**settings.told(), "adversarial": str(order.adversarial), "source": Path(order.data).name}
    checkpoint.save_adapter(order.out, model, told)
    (order.out / SETTINGS).write_text(json.dumps(told, indent=2) + "\n", encoding="utf-8")
    return model, tokenizer


def _expect_device(device: str) -> None:
    try:
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError) as exc:
        # torch asserts what it was built for.
        raise NoPlace(f"nothing can be computed on {device} here: give --device cpu") from exc


def _expect_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as exc:
        raise NoPlace(f"{folder} cannot be made ({exc.strerror}): give another --out") from exc


def trained(directory: Path, base: Path, *, exact: bool = False) -> tuple[SplitModel, Tokenizer, Settings]:
    """A finished run's model, ready to answer: in 32 bits if it is to be ``exact``.

    Raises:
        checkpoint.BadCheckpoint: the directory holds no finished run.
    """
    try:
        told = json.loads((directory / SETTINGS).read_text(encoding="utf-8"))
        settings = Settings.read(told)
    except (OSError, ValueError, TypeError) as exc:
        raise checkpoint.BadCheckpoint(f"{directory} holds no finished run: give the --out of one") from exc
    model = prepare(load_model(base), settings)
    checkpoint.load_adapter(directory, model)
    model.mark.at_step(settings.steps)
    model.lower_precision = not exact
    model.merge()
    return model, load_tokenizer(base), settings
