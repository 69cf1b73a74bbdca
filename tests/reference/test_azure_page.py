import re
from pathlib import Path

import pytest
from typer.testing import CliRunner

from gateway.cli.main import app

DOCS = Path(__file__).parents[2] / "docs"
CONFIGURATION, POLICY = re.findall(r"```yaml\n(.*?)```", (DOCS / "azure.md").read_text(encoding="utf-8"), re.DOTALL)


def test_the_configuration_passes_the_check(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AZURE_KEY", "planted")
    path = tmp_path / "splitgate.yaml"
    path.write_text(CONFIGURATION, encoding="utf-8")
    result = CliRunner().invoke(app, ["check", "--config", str(path)])
    assert (result.exit_code, result.stderr) == (0, "")


def test_the_policy_passes_the_check(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SHIELD_KEY", "planted")
    path = tmp_path / "shielded.yaml"
    path.write_text(POLICY, encoding="utf-8")
    result = CliRunner().invoke(app, ["policy", "lint", str(path)])
    assert (result.exit_code, result.stderr) == (0, "")
