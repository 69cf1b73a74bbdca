"""Does the page beside the cards say what they say?"""

from pathlib import Path

import pytest

from benchmarks.cards_page import PAGE, main
from benchmarks.processes import ROOT
from gateway.evaluation.telling import NONE

SHIPPED = ROOT / "adapters" / "embedded" / "cards"
CARD = """\
card: 1
provider: "embedded"
model: "m"
format: "{format}"
suite: "builtin"
dataset: "sha256:{digest}"
date: "2026-01-02"
version: "0.1.0"
command: "splitgate evaluate --model m"
scores:
  attack_success: {{value: 0.05, low: 0.02, high: 0.12, n: 80}}
attack_success_by: {{}}
{added}
"""


@pytest.mark.parametrize("folder", [SHIPPED, SHIPPED / "sep"], ids=["builtin", "sep"])
def test_the_committed_pages_are_of_the_committed_cards(folder: Path, tmp_path: Path) -> None:
    for path in folder.glob("*.yaml"):
        (tmp_path / path.name).write_bytes(path.read_bytes())
    assert main([str(tmp_path)]) == 0
    committed, made = ((where / PAGE).read_text(encoding="utf-8").splitlines() for where in (folder, tmp_path))
    # The way to the explanations differs, since the copies lie elsewhere.
    assert [line for line in committed if "evaluate.md" not in line] == [
        line for line in made if "evaluate.md" not in line
    ]


def test_each_model_has_a_table_with_its_formats_and_the_command(tmp_path: Path) -> None:
    for form, added in (("plain", ""), ("spotlight", "added_tokens: {median: 21, p90: 24.5}")):
        text = CARD.format(format=form, digest="a" * 64, added=added)
        (tmp_path / f"m.{form}.yaml").write_text(text, encoding="utf-8")
    assert main([str(tmp_path)]) == 0
    page = (tmp_path / PAGE).read_text(encoding="utf-8")
    assert page.count("splitgate evaluate --model m\n") == 1
    rows = [line for line in page.splitlines() if line.startswith("| [")]
    assert [row.split(" | ")[1] for row in rows] == ["5.0% (2.0 to 12.0)"] * 2
    assert [row.removesuffix(" |").split(" | ")[-2:] for row in rows] == [["80", NONE], ["80", "21"]]
