import re
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner

from gateway.cli.main import app
from gateway.detectors.build import vocabulary
from gateway.domain.verdict import Action
from gateway.reference.policies import actions, facts, limits, policy_keys
from policies.engine.model import DetectorSettings
from policies.engine.schema import SECTIONS
from policies.engine.vocabulary import BASE

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "docs" / "policies.md", ROOT / "policies" / "README.md"]
EXAMPLE = re.compile(r"```yaml\n((?:#[^\n]*\n)?apiVersion.*?)```", re.DOTALL)


def test_every_fact_stands_in_the_table() -> None:
    listed = re.findall(r"^\| `([a-zA-Z_.]+)` \|", facts(), re.MULTILINE)
    given = [*BASE, *vocabulary(DetectorSettings())]
    assert [name for name in listed if not name.startswith("det.NAME.")] == given


@pytest.mark.rows
@pytest.mark.parametrize(
    ("name", "row"),
    [
        ("request.tenant", "string | everywhere | known before"),
        ("segment.origin", "string | instructions, data | —"),
        ("det.urls.external", "bool | everywhere | needs `hold`"),
        ("det.canary.plain", "bool | everywhere | up to"),
    ],
)
def test_a_fact_says_what_it_rests_on(name: str, row: str) -> None:
    assert f"| `{name}` | {row}" in facts()


def test_every_section_and_key_has_its_row() -> None:
    told = policy_keys()
    for _, section in SECTIONS:
        for name, field in section.model_fields.items():
            assert f"| `{field.alias or name}` | " in told
            assert field.description
    assert "### `spec.tools.NAME`" in told
    assert "### `spec.rules[]`" in told
    assert "### The whole file" in told


def test_each_action_says_at_which_stages_it_can_be_done() -> None:
    rows = {line.split(" | ")[0].strip("| `"): line.split(" | ")[1:] for line in actions().splitlines()[2:]}
    assert sorted(rows) == sorted(Action)
    assert rows["set_channel"] == ["yes", "—", "—", "—", "— |"]
    assert rows["block"] == ["yes", "yes", "yes", "yes", "yes |"]


def test_the_limits_are_told() -> None:
    assert "1,000 characters" in limits()


@pytest.fixture
def examples(tmp_path: Path) -> Callable[[Path], list[str]]:
    """Writes the whole policies of a page to files."""

    def write(page: Path) -> list[str]:
        texts = EXAMPLE.findall(page.read_text(encoding="utf-8"))
        paths = [tmp_path / f"{index}.yaml" for index in range(len(texts))]
        for path, text in zip(paths, texts, strict=True):
            path.write_text(text, encoding="utf-8")
        return [str(path) for path in paths]

    return write


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
@pytest.mark.parametrize("verb", [["lint", "--strict"], ["test", "--coverage"]])
def test_the_examples_are_policies_that_do_what_they_say(
    examples: Callable[[Path], list[str]], page: Path, verb: list[str]
) -> None:
    files = examples(page)
    assert files
    result = CliRunner().invoke(app, ["policy", *verb, *files])
    assert result.exit_code == 0, result.output
