# pyright: reportMissingImports=false, reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
import json
import shutil
from pathlib import Path

import pytest

from gateway.training.base import NoBase, load_model, load_tokenizer


@pytest.fixture
def with_code(base_directory: Path, tmp_path: Path) -> Path:
    """A model whose configuration names code beside it, which would make the folder ``ran``."""
    directory = tmp_path / "base"
    shutil.copytree(base_directory, directory)
    for file, auto in (("config.json", "AutoConfig"), ("tokenizer_config.json", "AutoTokenizer")):
        named = json.loads((directory / file).read_text())
        code = {"auto_map": {auto: "made.Made", "AutoModelForCausalLM": "made.Made"}}
        kind = {"model_type": "made-up", "tokenizer_class": "Made"}
        (directory / file).write_text(json.dumps({**named, **kind, **code}))
    (directory / "made.py").write_text(f"import os\nos.mkdir({str(tmp_path / 'ran')!r})\nclass Made: ...\n")
    return directory


@pytest.mark.filterwarnings("ignore")
def test_code_beside_the_weights_is_not_run_whatever_is_answered_on_the_terminal(
    with_code: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []

    def answered(question: str = "") -> str:
        asked.append(question)
        return "y"

    monkeypatch.setattr("builtins.input", answered)
    for load in (load_model, load_tokenizer):
        with pytest.raises(NoBase, match="for --base"):
            load(with_code)
    assert (asked, (tmp_path / "ran").exists()) == ([], False)
