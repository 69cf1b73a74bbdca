# pyright: reportMissingImports=false, reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
import os
import pickle
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch

from gateway.training.checkpoint import CHECKPOINT, BadCheckpoint, resume, save
from gateway.training.model import SplitModel

SETTINGS = {"method": "struq"}


class Code:
    """What would make a folder, were it unpickled as pickles are."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (str(self.folder),)


@pytest.fixture
def model(make_model: Callable[..., SplitModel]) -> SplitModel:
    return make_model("struq")


@pytest.fixture
def optimiser(model: SplitModel) -> Any:
    return torch.optim.AdamW(list(model.learned().values()))


def test_a_checkpoint_that_would_run_code_runs_none_and_is_told_of(
    model: SplitModel, optimiser: Any, tmp_path: Path
) -> None:
    for name, write in (("pickle", partial(pickle.dump, protocol=2)), ("torch", torch.save)):
        folder = tmp_path / name
        folder.mkdir()
        with (folder / CHECKPOINT).open("wb") as file:
            write({"step": 1, "settings": SETTINGS, "more": Code(folder / "made")}, file)
        with pytest.raises(BadCheckpoint, match="is damaged: delete it"):
            resume(folder, model, optimiser, SETTINGS)
        assert not (folder / "made").exists()


@pytest.mark.parametrize("state", [[], {"step": 1}, {"settings": 7}, {"settings": {7: 8}}, {"settings": SETTINGS}])
def test_one_that_holds_something_else_is_told_of(
    model: SplitModel, optimiser: Any, tmp_path: Path, state: object
) -> None:
    torch.save(state, tmp_path / CHECKPOINT)
    with pytest.raises(BadCheckpoint, match=r"is damaged: delete it|another"):
        resume(tmp_path, model, optimiser, SETTINGS)


def test_values_of_another_shape_are_not_spread_over_those_that_are_learned(
    model: SplitModel, optimiser: Any, tmp_path: Path
) -> None:
    save(tmp_path, model, optimiser, 1, SETTINGS)
    state = torch.load(tmp_path / CHECKPOINT, weights_only=True)
    state["learned"] = {name: torch.ones(1) for name in state["learned"]}
    torch.save(state, tmp_path / CHECKPOINT)
    before = {name: tensor.detach().clone() for name, tensor in model.learned().items()}
    with pytest.raises(BadCheckpoint, match="is damaged: delete it"):
        resume(tmp_path, model, optimiser, SETTINGS)
    assert all(torch.equal(tensor, before[name]) for name, tensor in model.learned().items())
