import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import Result


@pytest.mark.parametrize("missing", ["torch", "transformers", "peft"])
def test_without_the_extra_a_line_says_how_to_get_it(
    missing: str, splitgate: Callable[..., Result], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    # None stands for a module that cannot be imported.
    monkeypatch.setitem(sys.modules, missing, None)
    result = splitgate("train", "--out", str(tmp_path / "run"))
    assert result.exit_code == 2
    assert missing in result.output
    assert "pip install splitgate[train]" in result.output
    assert len(result.output.splitlines()) == 1
    assert not (tmp_path / "run").exists()


def test_a_method_that_does_not_exist_is_refused_with_those_that_do(splitgate: Callable[..., Result]) -> None:
    result = splitgate("train", "--out", "x", "--method", "magic")
    assert result.exit_code == 2
    assert "secalign" in result.output
