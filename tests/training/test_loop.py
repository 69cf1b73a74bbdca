# pyright: reportMissingImports=false, reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
import torch

from gateway.training.checkpoint import BadCheckpoint
from gateway.training.example import Example
from gateway.training.loop import LOG, NothingToLearn, Settings, prepare, train
from gateway.training.methods.registry import METHODS
from gateway.training.model import SplitModel

MakeSettings = Callable[..., Settings]
# One that adds to the model what it learns, and one that changes what the model computes.
USUAL = ("secalign", "aside")
LONG = pytest.mark.exhaustive


@pytest.fixture
def run(make_base: Callable[[], Any], tokenizer: Any, examples: Sequence[Example]) -> Callable[..., SplitModel]:
    def make(settings: Settings, out: Path, stop_after: int | None = None) -> SplitModel:
        model = prepare(make_base(), settings)
        train(model, tokenizer, examples, settings, out, stop_after=stop_after)
        return model

    return make


def _losses(out: Path) -> list[float]:
    return [json.loads(line)["loss"] for line in (out / LOG).read_text().splitlines()]


@pytest.mark.parametrize("method", METHODS)
def test_the_loss_falls(
    method: str, run: Callable[..., SplitModel], make_settings: MakeSettings, tmp_path: Path
) -> None:
    run(make_settings(method, steps=12, rate=2e-2), tmp_path)
    losses = _losses(tmp_path)
    assert len(losses) == 12
    assert losses[-1] < 0.9 * losses[0]


@pytest.mark.parametrize("method", [*USUAL, *(pytest.param(one, marks=LONG) for one in METHODS if one not in USUAL)])
def test_a_run_that_broke_off_ends_with_the_same_numbers(
    method: str, run: Callable[..., SplitModel], make_settings: MakeSettings, tmp_path: Path
) -> None:
    settings = make_settings(method, ramp=5, answer_weight=0.5)
    whole = run(settings, tmp_path / "whole")
    run(settings, tmp_path / "broken", stop_after=3)
    resumed = run(settings, tmp_path / "broken")
    for name, tensor in whole.learned().items():
        assert torch.equal(tensor, resumed.learned()[name]), name
    assert _losses(tmp_path / "broken") == _losses(tmp_path / "whole")


def test_the_same_seed_gives_the_same_model_and_another_one_another(
    run: Callable[..., SplitModel], make_settings: MakeSettings, tmp_path: Path
) -> None:
    first, again, other = (
        run(make_settings("struq", seed=seed, steps=2), tmp_path / name)
        for name, seed in (("first", 1), ("again", 1), ("other", 2))
    )
    assert all(torch.equal(tensor, again.learned()[name]) for name, tensor in first.learned().items())
    assert not all(torch.equal(tensor, other.learned()[name]) for name, tensor in first.learned().items())


def test_a_run_does_not_go_on_with_other_settings(
    run: Callable[..., SplitModel], make_settings: MakeSettings, tmp_path: Path
) -> None:
    run(make_settings("struq"), tmp_path, stop_after=1)
    with pytest.raises(BadCheckpoint, match="another rate: give another --out"):
        run(make_settings("struq", rate=0.5), tmp_path)


def test_what_was_logged_behind_the_last_checkpoint_is_logged_once(
    run: Callable[..., SplitModel], make_settings: MakeSettings, tmp_path: Path
) -> None:
    settings = make_settings("struq")
    run(settings, tmp_path, stop_after=2)
    with (tmp_path / LOG).open("a") as log:
        log.write('{"step": 3, "loss": 7.0}\n')
    run(settings, tmp_path)
    steps = [json.loads(line)["step"] for line in (tmp_path / LOG).read_text().splitlines()]
    assert steps == [1, 2, 3, 4, 5, 6]


def test_examples_that_are_of_no_use_are_refused(
    make_model: Callable[..., SplitModel], make_settings: MakeSettings, tokenizer: Any, tmp_path: Path
) -> None:
    clean = Example(instruction="Say yes.", data="Mail.", answer="yes")
    with pytest.raises(NothingToLearn, match="--adversarial"):
        train(make_model("secalign"), tokenizer, [clean], make_settings("secalign"), tmp_path)
    with pytest.raises(NothingToLearn, match="--longest"):
        train(make_model("struq"), tokenizer, [clean], make_settings("struq", longest=5), tmp_path)


def test_settings_come_back_as_they_were_told(make_settings: MakeSettings) -> None:
    settings = make_settings("aside", ramp=7, angle=0.5)
    assert Settings.read(settings.told()) == settings
