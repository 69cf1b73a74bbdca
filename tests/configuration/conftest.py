from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from gateway.domain.card import Added, Card, Latency, Score, Scores, Training
from gateway.settings import Settings, load
from gateway.yamlfile.problems import InvalidConfiguration, Problem


@pytest.fixture
def settings_of(tmp_path: Path) -> Callable[..., Settings]:
    """The settings that a file with this text gives."""

    def read(text: str, environ: Mapping[str, str] | None = None) -> Settings:
        path = tmp_path / "splitgate.yaml"
        path.write_text(text, encoding="utf-8")
        return load(path, environ or {})

    return read


@pytest.fixture
def problems_of(settings_of: Callable[..., Settings]) -> Callable[..., tuple[Problem, ...]]:
    """What is wrong with a file with this text."""

    def read(text: str, environ: Mapping[str, str] | None = None) -> tuple[Problem, ...]:
        with pytest.raises(InvalidConfiguration) as caught:
            settings_of(text, environ)
        return caught.value.problems

    return read


@pytest.fixture
def target_of(settings_of: Callable[..., Settings]) -> Callable[..., Settings]:
    """The settings with one sound target to which these keys are added."""

    def read(more: str, environ: Mapping[str, str] | None = None) -> Settings:
        return settings_of(_one_target(more), environ)

    return read


@pytest.fixture
def target_problem(problems_of: Callable[..., tuple[Problem, ...]]) -> Callable[..., str]:
    """The one thing wrong with a sound target to which these keys are added."""

    def read(more: str, environ: Mapping[str, str] | None = None) -> str:
        (problem,) = problems_of(_one_target(more), environ)
        return problem.message

    return read


@pytest.fixture
def card() -> Card:
    """What was measured of a model that was trained to keep data apart."""
    return Card(
        provider="openai_compatible",
        model="m",
        format="secalign",
        weights="sha256:" + "0" * 64,
        suite="builtin",
        dataset="sha256:" + "1" * 64,
        date="2026-11-30",
        version="0.1.0",
        revision=None,
        command="splitgate evaluate --model m",
        scores=Scores(
            separation=Score(value=0.96, low=0.93, high=0.98, n=240),
            attack_success=Score(value=0.02, low=0.01, high=0.05, n=240),
        ),
        by_attack={
            "naive": Score(value=0.0, low=0.0, high=0.03, n=120),
            "ignore": Score(value=0.04, low=0.02, high=0.09, n=120),
        },
        added_tokens=Added(median=40, p90=52),
        latency_s=Latency(p50=0.5, p90=0.8),
        trained=Training(method="struq", isolation="native", report="docs/training.md"),
    )


def _one_target(more: str) -> str:
    sound = {"provider": "openai_compatible", "base_url": '"https://h.example/v1"', "model": "m"}
    keys = {line.partition(":")[0].strip(): line for line in more.split("\n") if line}
    lines = [f"{key}: {value}" for key, value in sound.items() if key not in keys] + list(keys.values())
    return "models:\n  m:\n    targets:\n      - " + "\n        ".join(lines) + "\n"
