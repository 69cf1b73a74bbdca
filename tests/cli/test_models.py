from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from typer.testing import Result

from gateway.configuration.cards import written
from gateway.domain.card import Card, Scores

Splitgate = Callable[..., Result]


def _row(result: Result, target: str) -> str:
    return next(line for line in result.stdout.split("\n") if target in line)


def test_each_target_is_listed_with_what_it_reaches(splitgate: Splitgate, config: str) -> None:
    result = splitgate("models", "--config", config)
    assert result.exit_code == 0
    assert all(word in _row(result, "local/1") for word in ("wrapped", "embedded", "spotlight"))
    assert all(word in _row(result, "two/1") for word in ("channel", "native", "after its probe"))
    assert "below" not in _row(result, "two/2")
    assert "below the floor: not used for data" in _row(result, "two/3")
    assert result.stderr == ""


def test_no_credential_is_needed(splitgate: Splitgate, production: str) -> None:
    result = splitgate("models", "-c", production)
    assert result.exit_code == 0
    assert "channel" in _row(result, "m/2")


def test_a_floor_that_no_target_reaches_is_said(splitgate: Splitgate, tmp_path: Path) -> None:
    text = "models: {m: {min_isolation: native, targets: [{provider: embedded}]}}"
    (tmp_path / "splitgate.yaml").write_text(text, encoding="utf-8")
    result = splitgate("models")
    assert result.exit_code == 0
    assert "no target of m reaches its floor, native" in result.stderr


@pytest.fixture
def carded(card: Card, tmp_path: Path) -> Callable[[str], None]:
    """Writes a configuration whose first target has a card, and whose second has none."""

    def write(asked: str) -> None:
        (tmp_path / "card.yaml").write_text(written(card), encoding="utf-8")
        target = "provider: openai_compatible, base_url: 'https://h/v1', model: m, format: secalign"
        text = f"models: {{m: {{{asked}targets: [{{{target}, card: card.yaml}}, {{{target}}}]}}}}"
        (tmp_path / "splitgate.yaml").write_text(text, encoding="utf-8")

    return write


def test_what_was_measured_is_listed_with_its_interval(
    splitgate: Splitgate, carded: Callable[[str], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    carded("max_attack_success: 0.05, ")
    result = splitgate("models")
    row = _row(result, "m/1")
    assert all(
        word in row for word in ("native", "0.960 (0.930 to 0.980)", "0.020 (0.010 to 0.050)", "after its probe")
    )
    assert "not used" not in row
    assert "not shown to be as asked: not used for data" in _row(result, "m/2")
    assert result.stderr == ""


def test_a_score_that_a_card_lacks_is_told_as_that(
    splitgate: Splitgate, carded: Callable[[str], None], card: Card, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    carded("")
    (tmp_path / "card.yaml").write_text(written(replace(card, scores=Scores())), encoding="utf-8")
    result = splitgate("models")
    assert _row(result, "m/1").count("not measured") == 2
    assert "not used" not in result.stdout


def test_that_no_card_shows_what_is_asked_is_said(splitgate: Splitgate, carded: Callable[[str], None]) -> None:
    carded("min_separation: 0.95, ")
    result = splitgate("models")
    assert result.exit_code == 0
    assert "warning: no target of m has a card that shows what the model asks for" in result.stderr
    assert "no target of m has a card" in splitgate("check", "--no-secrets").stderr.replace("`", "")


def test_without_any_card_nothing_is_said_of_cards(splitgate: Splitgate, tmp_path: Path) -> None:
    target = "{provider: openai_compatible, base_url: 'https://h/v1', model: m, format: spotlight}"
    (tmp_path / "splitgate.yaml").write_text(f"models: {{m: {{targets: [{target}]}}}}", encoding="utf-8")
    assert "separation" not in splitgate("models").stdout


def test_native_on_our_word_is_marked(splitgate: Splitgate, tmp_path: Path) -> None:
    target = "{provider: openai_compatible, base_url: 'https://h/v1', model: m, format: struq, trained: true}"
    (tmp_path / "splitgate.yaml").write_text(f"models: {{m: {{targets: [{target}]}}}}", encoding="utf-8")
    assert "after its probe; on your word" in _row(splitgate("models"), "m/1")
