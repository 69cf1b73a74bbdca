import re
from pathlib import Path

import pytest
from typer.testing import CliRunner

from gateway.cli.main import app

PAGE = Path(__file__).parents[2] / "docs" / "anthropic.md"
(CONFIGURATION,) = re.findall(r"```yaml\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)


def test_the_configuration_passes_the_check(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ANTHROPIC_KEY", "planted")
    path = tmp_path / "splitgate.yaml"
    path.write_text(CONFIGURATION, encoding="utf-8")
    result = CliRunner().invoke(app, ["check", "--config", str(path)])
    assert (result.exit_code, result.stderr) == (0, "")
