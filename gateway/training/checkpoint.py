"""What is kept of a run, so that one that was broken off goes on exactly?

Learned values, the optimiser's state, the step and the state of the random numbers: everything else follows from the
settings. A file appears whole or not at all.
"""
# pyright: reportMissingImports=false, reportMissingTypeStubs=false, reportUntypedBaseClass=false, reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownParameterType=false, reportUnknownArgumentType=false, reportUnknownLambdaType=false

from collections.abc import Mapping
from pathlib import Path
from pickle import UnpicklingError
from typing import Any, Final

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from gateway.evaluation.weights import digest_of
from gateway.training.model import SplitModel
from gateway.training.stopped import CannotTrain

CHECKPOINT: Final = "checkpoint.pt"
ADAPTER: Final = "adapter.safetensors"
# What comes of a file that is cut short, is no checkpoint, or would have code run: only numbers are taken from it.
_UNREADABLE: Final = (
    *(OSError, RuntimeError, ValueError, EOFError, UnpicklingError),
    *(KeyError, TypeError, AttributeError),
)


class BadCheckpoint(CannotTrain):
    """A run cannot go on from what its directory holds; the message says what to do."""


def save(directory: Path, model: SplitModel, optimiser: Any, step: int, settings: Mapping[str, str]) -> None:
    """Keep a run that has made ``step`` steps."""
    learned = {name: tensor.detach() for name, tensor in model.learned().items()}
    state = {
        "step": step,
        "settings": dict(settings),
        "learned": learned,
        "optimiser": optimiser.state_dict(),
        "random": torch.get_rng_state(),
    }
    part = directory / f"{CHECKPOINT}.part"
    torch.save(state, part)
    part.replace(directory / CHECKPOINT)


def resume(directory: Path, model: SplitModel, optimiser: Any, settings: Mapping[str, str]) -> int:
    """Put a kept run back; the number of steps that it has made, 0 where none is kept.

    Raises:
        BadCheckpoint: the run was one with other settings, or the file is damaged.
    """
    path = directory / CHECKPOINT
    if not path.is_file():
        return 0
    try:
        state = torch.load(path, map_location=model.device, weights_only=True)
        kept = dict(state["settings"])
        # A setting that is newer than the run was not made then.
        other = sorted(str(key) for key in {*settings, *kept} if settings.get(key, "") != kept.get(key, ""))
        if other:
            raise BadCheckpoint(f"{directory} holds a run with another {', '.join(other)}: give another --out")
        model.take(state["learned"])
        optimiser.load_state_dict(state["optimiser"])
        torch.set_rng_state(state["random"].cpu())
        return int(state["step"])
    except _UNREADABLE as exc:
        raise BadCheckpoint(f"{path} is damaged: delete it to begin again") from exc


def save_adapter(directory: Path, model: SplitModel, told: Mapping[str, str]) -> Path:
    """Write what was learned, with the settings that made it beside it."""
    path = directory / ADAPTER
    save_file({name: tensor.detach().contiguous() for name, tensor in model.learned().items()}, path, dict(told))
    return path


def digest(directory: Path) -> str:
    """What tells one finished run from another.

    Raises:
        BadCheckpoint: the directory holds none.
    """
    try:
        return digest_of(directory / ADAPTER)
    except OSError as exc:
        raise BadCheckpoint(f"{directory} holds no finished run: give the --out of one") from exc


def load_adapter(directory: Path, model: SplitModel) -> None:
    """Take over what another run learned.

    Raises:
        BadCheckpoint: the directory holds no finished run, or one that does not fit.
    """
    file = directory / ADAPTER
    try:
        model.take(load_file(file, device=str(model.device)))
    except (OSError, SafetensorError) as exc:
        raise BadCheckpoint(f"{directory} holds no finished run: give the --out of one") from exc
    except KeyError as exc:
        raise BadCheckpoint(f"{file} does not fit: {exc.args[0]}") from exc
