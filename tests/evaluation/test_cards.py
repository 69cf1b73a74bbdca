from dataclasses import replace
from pathlib import Path

import pytest

from gateway.configuration.cards import load_card
from gateway.domain.card import Added, Latency, Score, Scores, Training
from gateway.domain.isolation import Isolation
from gateway.domain.target import Target
from gateway.evaluation.cards import card_of, circumstances, file_name, write_cards
from gateway.evaluation.case import Case
from gateway.evaluation.datasets import dataset
from gateway.evaluation.outcome import Measured, Outcome
from gateway.evaluation.stopped import CannotMeasure

TARGET = Target(
    id="t", provider="litellm", base_url="https://a.example", model="vendor/m:free", format="plain", family=""
)
DATA = dataset("mine.jsonl", (Case(id="c", kind="k", role="benign", instruction="Say hello.", data=""),))
ADAPTER = "sha256:" + "a" * 64


def score(n: int) -> Score:
    return Score(value=1 / 3, low=0.123456, high=2 / 3, n=n)


MEASURED = Measured(
    model="vendor/m:free",
    format="spotlight",
    isolation=Isolation.WRAPPED,
    outcome=Outcome(
        scores=Scores(attack_success=score(30), utility=score(9)),
        cases=40,
        by_attack={"naive": score(30)},
        added_tokens=Added(median=3, p90=4.5),
        latency_s=Latency(p50=0.5, p90=1.0),
    ),
)


def test_a_card_says_what_was_measured_and_how_and_is_read_again(tmp_path: Path) -> None:
    told = circumstances("splitgate evaluate --model m", ())
    made = card_of(MEASURED, TARGET, DATA, told, ADAPTER)
    (file,) = write_cards([made], tmp_path / "cards")
    assert file == tmp_path / "cards" / "vendor_m_free.spotlight.yaml"
    read = load_card(file)
    assert read == made
    assert (read.provider, read.model, read.format, read.weights) == ("litellm", "vendor/m:free", "spotlight", ADAPTER)
    assert (read.suite, read.dataset, read.trained) == ("mine.jsonl", DATA.digest, None)
    assert read.scores.attack_success == Score(value=0.3333, low=0.1235, high=0.6667, n=30)
    assert read.scores.separation is None
    assert read.by_attack == {"naive": read.scores.attack_success}


def test_a_card_says_at_which_settings_the_format_was_where_they_are_not_its_own(tmp_path: Path) -> None:
    told = circumstances("splitgate evaluate --model m", ())
    mark = {"mode": "delimit", "datamark": "\ue001"}
    set_so = replace(TARGET, format="spotlight", format_options=mark)
    (file,) = write_cards([card_of(MEASURED, set_so, DATA, told, None)], tmp_path)
    assert load_card(file).format_options == mark
    # The settings of the target's own format are not those of another one.
    assert card_of(MEASURED, replace(set_so, format="plain"), DATA, told, None).format_options is None


@pytest.mark.parametrize(
    ("form", "weights", "stays"), [("spotlight", ADAPTER, True), ("plain", ADAPTER, False), ("spotlight", None, False)]
)
def test_what_a_card_said_of_training_stays_for_the_same_adapter_and_format(
    form: str, weights: str | None, *, stays: bool
) -> None:
    told = circumstances("splitgate evaluate --model m", ())
    trained = Training(method="struq", isolation="native", report="docs/report.md")
    before = replace(card_of(MEASURED, TARGET, DATA, told, weights), format=form, trained=trained)
    made = card_of(MEASURED, replace(TARGET, card=before), DATA, told, ADAPTER)
    assert made.trained == (trained if stays else None)
    assert card_of(MEASURED, replace(TARGET, card=before), DATA, told, None).trained is None


@pytest.mark.parametrize(
    ("model", "name"), [("m-1.5", "m-1.5"), ("a/b:c", "a_b_c"), ("../x", "_x"), ("..", "model"), ("", "model")]
)
def test_a_file_is_named_after_the_model_whatever_it_is_called(model: str, name: str) -> None:
    assert file_name(model) == name


def test_a_folder_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(CannotMeasure, match=r"cannot be written.*--cards"):
        write_cards([], tmp_path / "file")
