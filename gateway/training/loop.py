"""How does a run get from its first step to its last?

Everything random follows from the seed: the LoRA matrices, the order of the examples. A run that stops goes on from its
last checkpoint and ends with the very numbers of one that did not (on the same machine, with as many threads).
"""
# pyright: reportMissingImports=false, reportMissingTypeStubs=false, reportUntypedBaseClass=false, reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownParameterType=false, reportUnknownArgumentType=false, reportUnknownLambdaType=false

import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from math import cos, isfinite, pi
from pathlib import Path
from typing import Any, Final

import torch

from gateway.domain.value import value
from gateway.training import checkpoint
from gateway.training.batches import plan
from gateway.training.example import Example
from gateway.training.layout import Encoded, Encoder, Tokenizer
from gateway.training.methods.options import MethodOptions
from gateway.training.methods.registry import METHODS, Method
from gateway.training.model import ALPHA, RANK, SplitModel
from gateway.training.stopped import CannotTrain

LOG: Final = "loss.jsonl"


class NothingToLearn(CannotTrain):
    """No example is of use to the method; the message says what to do."""


class Diverged(CannotTrain):
    """The loss is no number any more; the message says what to do."""


@value
class Settings:
    """One run.

    ``rate`` is the highest learning rate, reached after ``warm_up`` steps; rows of more than ``longest`` tokens are
    left out.
    """

    method: str
    seed: int
    steps: int
    batch: int = 8
    rate: float = 2e-4
    warm_up: int = 20
    clip: float = 1.0
    longest: int = 512
    checkpoint_every: int = 50
    rank: int = RANK
    alpha: int = ALPHA
    lower_precision: bool = True
    options: MethodOptions = MethodOptions()
    data: str = ""  # a digest of the examples, so that no run goes on with others
    start: str = ""  # a digest of what the run began with, if that was not the base alone

    def told(self) -> dict[str, str]:
        """What must be the same for a run to go on."""
        chosen = {**asdict(self), **asdict(self.options)}
        return {name: str(item) for name, item in chosen.items() if name not in {"checkpoint_every", "options"}}

    @classmethod
    def read(cls, told: Mapping[str, str]) -> "Settings":
        """The settings of a run, from what it told of them."""
        options = MethodOptions(**_read(MethodOptions(), told))
        return cls(**_read(cls(method="", seed=0, steps=0), told), options=options)


def _read(example: Settings | MethodOptions, told: Mapping[str, str]) -> dict[str, Any]:
    """Each field's value as the kind of value that ``example`` has there."""
    kinds = {name: type(item) for name, item in asdict(example).items() if name in told}
    return {name: told[name] == "True" if kind is bool else kind(told[name]) for name, kind in kinds.items()}


@value
class Progress:
    """One step that was made."""

    step: int
    loss: float
    rate: float
    norm: float
    tokens: int
    seconds: float


def prepare(base: Any, settings: Settings) -> SplitModel:
    """The model of a run before its first step: the same each time."""
    torch.manual_seed(settings.seed)
    mark = METHODS[settings.method].mark(base.config.hidden_size, settings.options).to(base.device)
    return SplitModel(base, mark, rank=settings.rank, alpha=settings.alpha, full_layers=settings.options.full_layers)


def train(
    model: SplitModel,
    tokenizer: Tokenizer,
    examples: Sequence[Example],
    settings: Settings,
    out: Path,
    *,
    report: Callable[[Progress], None] = lambda _: None,
    stop_after: int | None = None,
) -> None:
    """Train ``model``, as ``prepare`` made it, until the last step or for ``stop_after`` more.

    Raises:
        NothingToLearn: no example is of use.
        Diverged: there is nothing left that could learn.
        checkpoint.BadCheckpoint: ``out`` holds another run.
    """
    method = METHODS[settings.method]
    if settings.lower_precision:
        model.lower()
    rows = _rows(method, tokenizer, examples, settings)
    start = {name: tensor.detach().clone() for name, tensor in model.learned().items()}
    parameters = list(model.learned().values())
    optimiser = torch.optim.AdamW(parameters, lr=settings.rate, weight_decay=0.0)
    out.mkdir(parents=True, exist_ok=True)
    done = checkpoint.resume(out, model, optimiser, settings.told())
    _shorten(out / LOG, done)
    padding = tokenizer.eos_token_id if tokenizer.pad_token_id is None else tokenizer.pad_token_id
    lengths = [max(len(one.ids) for one in row) for row in rows]
    order = plan(lengths, steps=settings.steps, size=settings.batch, seed=settings.seed)
    model.train()
    last = settings.steps if stop_after is None else min(settings.steps, done + stop_after)
    for step, numbers in enumerate(order):
        if not done <= step < last:
            continue
        began = time.perf_counter()
        rate = _rate(settings, step)
        for group in optimiser.param_groups:
            group["lr"] = rate
        model.mark.at_step(step)
        chosen = [rows[number] for number in numbers]
        loss = method.loss(model, chosen, start, settings.options, padding)
        if not isfinite(loss.item()):
            raise Diverged(f"the loss of step {step + 1} is no number: give another --out and a lower --rate")
        loss.backward()
        norm = torch.nn.utils.clip_grad_norm_(parameters, settings.clip)
        optimiser.step()
        optimiser.zero_grad()
        tokens = sum(len(one.ids) for row in chosen for one in row)
        seconds = time.perf_counter() - began
        progress = Progress(
            step=step + 1, loss=loss.item(), rate=rate, norm=float(norm), tokens=tokens, seconds=seconds
        )
        _log(out / LOG, progress)
        report(progress)
        if (step + 1) % settings.checkpoint_every == 0 or step + 1 == last:
            checkpoint.save(out, model, optimiser, step + 1, settings.told())
    model.mark.at_step(settings.steps)
    model.eval()


def _rows(
    method: Method, tokenizer: Tokenizer, examples: Sequence[Example], settings: Settings
) -> list[tuple[Encoded, ...]]:
    encoder = Encoder(tokenizer, method.layout)
    made = (method.rows(encoder, example, settings.options) for example in examples)
    rows = [row for row in made if row and all(len(one.ids) <= settings.longest for one in row)]
    if not rows:
        raise NothingToLearn(
            f"none of {len(examples)} examples is of use to {settings.method}: "
            "allow longer ones with --longest, or more attacks with --adversarial"
        )
    return rows


def _rate(settings: Settings, step: int) -> float:
    """Up in a line, then down along a cosine to a tenth."""
    if step < settings.warm_up:
        return settings.rate * (step + 1) / settings.warm_up
    share = (step - settings.warm_up) / max(1, settings.steps - settings.warm_up)
    return settings.rate * (0.1 + 0.9 * 0.5 * (1 + cos(pi * share)))


def _log(path: Path, progress: Progress) -> None:
    with path.open("a", encoding="utf-8") as file:
        file.write(json.dumps(asdict(progress)) + "\n")


def _shorten(path: Path, steps: int) -> None:
    """Forget what a run that broke off had logged behind its last checkpoint."""
    lines = path.read_text(encoding="utf-8").splitlines(keepends=True)[:steps] if path.is_file() else []
    path.write_text("".join(lines), encoding="utf-8")
