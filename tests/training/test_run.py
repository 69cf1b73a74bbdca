# pyright: reportMissingImports=false, reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from gguf import GGUFReader
from ruamel.yaml import YAML
from typer.testing import CliRunner, Result

from gateway.cli.main import app
from gateway.training.checkpoint import ADAPTER, CHECKPOINT, BadCheckpoint, digest
from gateway.training.finish import ADAPTER as EXPORTED
from gateway.training.finish import CARD, PLOT
from gateway.training.generate import answers
from gateway.training.layout import Encoder
from gateway.training.loop import LOG
from gateway.training.run import SETTINGS, trained

Train = Callable[..., Result]


@pytest.fixture
def tasks(tmp_path: Path) -> Path:
    path = tmp_path / "set.jsonl"
    entries = [
        {"instruction": f"Say {word}.", "input": f"Mail {word}.", "output": word}
        for word in ("yes", "no", "up", "down")
    ]
    path.write_text("\n".join(map(json.dumps, entries)))
    return path


@pytest.fixture
def train(base_directory: Path, tasks: Path) -> Train:
    """``splitgate train`` on the small model, with four steps unless it is told otherwise."""

    def run(out: Path, *more: str, method: str = "struq") -> Result:
        usual = ["--data", str(tasks), "--base", str(base_directory), "--steps", "4", "--batch", "2"]
        return CliRunner().invoke(app, ["train", "--out", str(out), "--method", method, *usual, *more])

    return run


def test_a_run_leaves_adapter_log_picture_and_card(train: Train, tmp_path: Path) -> None:
    result = train(tmp_path / "run")
    assert result.exit_code == 0, result.output
    assert "step 4/4" in result.output
    out = tmp_path / "run"
    assert {file.name for file in out.iterdir()} == {ADAPTER, CHECKPOINT, EXPORTED, LOG, PLOT, CARD, SETTINGS}
    assert len(GGUFReader(out / EXPORTED).tensors) == 28
    _, front, words = (out / CARD).read_text().split("---\n", 2)
    told: dict[str, Any] = YAML(typ="safe").load(front)
    assert told["method"] == "struq"
    assert told["source"] == "set.jsonl"
    assert told["adversarial"] == "0.5"
    assert told["data"].startswith("sha256:")
    assert int(told["adapter_bytes"]) == (out / EXPORTED).stat().st_size
    assert {"loss_at_first", "loss_at_last", "tokens", "seconds", "seed", "rate"} <= told.keys()
    assert "splitgate" in words


def test_what_was_trained_answers_from_its_directory(
    train: Train, tmp_path: Path, base_directory: Path, make_base: Callable[[], Any]
) -> None:
    train(tmp_path / "run", "--rate", "0.05")
    model, tokenizer, settings = trained(tmp_path / "run", base_directory, exact=True)
    assert settings.rate == 0.05
    assert len(answers(model, Encoder(tokenizer, "split"), [("Say yes.", "Mail.")], most=4)) == 1
    weight = "model.layers.0.mlp.up_proj.weight"
    assert not torch.equal(dict(model.inner.named_parameters())[weight], dict(make_base().named_parameters())[weight])


def test_a_directory_with_a_run_is_gone_on_with_only_if_asked(train: Train, tmp_path: Path) -> None:
    assert train(tmp_path / "run").exit_code == 0
    again = train(tmp_path / "run")
    assert (again.exit_code, "--resume" in again.output) == (2, True)
    assert train(tmp_path / "run", "--resume").exit_code == 0
    other = train(tmp_path / "run", "--resume", "--seed", "9")
    assert (other.exit_code, "another" in other.output) == (2, True)


@pytest.mark.parametrize("held", [b"no checkpoint", b"", b"\x80\x02}q\x00."])
def test_a_checkpoint_that_is_none_is_said_in_a_line(held: bytes, train: Train, tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / CHECKPOINT).write_bytes(held)
    result = train(tmp_path / "run", "--resume")
    assert (result.exit_code, "is damaged: delete it to begin again" in result.output) == (2, True)


@pytest.mark.exhaustive
def test_who_breaks_a_run_off_is_told_how_it_goes_on(tmp_path: Path, base_directory: Path, tasks: Path) -> None:
    heard = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)"
    command = [sys.executable, "-c", f"{heard}; from gateway.cli.main import run; run()", "train"]
    where = ["--out", str(tmp_path / "run"), "--data", str(tasks), "--base", str(base_directory)]
    steps = ["--batch", "2", "--steps", "100000", "--checkpoint-every", "1"]
    process = subprocess.Popen(
        [*command, *where, *steps],
        stderr=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )
    until = time.monotonic() + 120
    while not (tmp_path / "run" / CHECKPOINT).exists() and time.monotonic() < until:
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 130, said
    assert f"interrupted; --resume goes on from the last checkpoint in {tmp_path / 'run'}" in said
    assert "Traceback" not in said


def test_a_run_may_begin_with_what_another_learned(train: Train, tmp_path: Path) -> None:
    train(tmp_path / "first")
    result = train(tmp_path / "second", "--start", str(tmp_path / "first"), "--adversarial", "1", method="secalign")
    assert result.exit_code == 0, result.output
    settings = json.loads((tmp_path / "second" / SETTINGS).read_text())
    assert settings["start"] == digest(tmp_path / "first")
    first = json.loads((tmp_path / "second" / LOG).read_text().splitlines()[0])
    # The model is its own reference before it has learned anything: it prefers nothing, whatever it began with.
    assert first["loss"] == pytest.approx(0.6931, abs=2e-3)
    misfit = train(tmp_path / "third", "--start", str(tmp_path / "first"), method="ise")
    assert (misfit.exit_code, "does not fit" in misfit.output) == (2, True)


def test_a_method_that_llama_cpp_cannot_run_is_not_exported(train: Train, tmp_path: Path) -> None:
    assert train(tmp_path / "run", method="aside").exit_code == 0
    assert not (tmp_path / "run" / EXPORTED).exists()


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (("--data", "none.jsonl"), "cannot be read: give a JSONL file"),
        (("--base", "nowhere"), "for --base"),
        (("--start", "nowhere"), "holds no finished run"),
        (("--longest", "16"), "allow longer ones with --longest"),
        (("--device", "banana"), "nothing can be computed on banana here: give --device cpu"),
        (("--rate", "inf", "--warm-up", "0"), "is no number: give another --out and a lower --rate"),
        (("--out", "set.jsonl/run"), "set.jsonl/run cannot be made (Not a directory): give another --out"),
    ],
)
def test_what_cannot_be_trained_is_said_in_a_line(
    more: tuple[str, ...], message: str, train: Train, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    result = train(tmp_path / "run", *more)
    assert result.exit_code == 2
    assert message in result.output
    assert "Traceback" not in result.output


def test_a_directory_without_a_run_is_refused(tmp_path: Path, base_directory: Path) -> None:
    with pytest.raises(BadCheckpoint, match="holds no finished run"):
        trained(tmp_path, base_directory)
