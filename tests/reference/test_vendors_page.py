"""What docs/vendors.md says is what the code takes."""

import re
from pathlib import Path

from adapters.registry import FORMATS, provider_entry
from gateway.settings import load

PAGE = Path(__file__).parents[2] / "docs" / "vendors.md"


def test_its_configuration_is_sound(tmp_path: Path) -> None:
    found = re.search(r"```yaml\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    assert found is not None
    (tmp_path / "splitgate.yaml").write_text(found.group(1))
    settings = load(tmp_path / "splitgate.yaml", {}, offline=True)
    targets = [target for model in settings.models.values() for target in model.targets]
    assert {target.provider for target in targets} == {"bedrock", "litellm"}
    assert settings.warnings == ()


def test_it_names_every_format_that_can_be_used() -> None:
    (row,) = [line for line in PAGE.read_text(encoding="utf-8").splitlines() if line.startswith("| `format` |")]
    named = set(re.findall(r"`([a-z-]+)`", row)) - {"format"}
    assert named == {name for name in FORMATS if provider_entry("litellm").speaks(name)}
