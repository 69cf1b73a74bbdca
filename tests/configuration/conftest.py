from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

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


def _one_target(more: str) -> str:
    sound = {"provider": "openai_compatible", "base_url": '"https://h.example/v1"', "model": "m"}
    keys = {line.partition(":")[0].strip(): line for line in more.split("\n") if line}
    lines = [f"{key}: {value}" for key, value in sound.items() if key not in keys] + list(keys.values())
    return "models:\n  m:\n    targets:\n      - " + "\n        ".join(lines) + "\n"
