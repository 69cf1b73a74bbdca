import json
from pathlib import Path
from typing import Any

from benchmarks.publishing.publish import publish

CHARTS = {"rates.png", "added.png", "chunks.png", "sizes.png"}


def test_page_charts_and_figures_stand_together(raw: dict[str, Any], tmp_path: Path) -> None:
    publish(raw, tmp_path)
    page = (tmp_path / "README.md").read_text(encoding="utf-8")
    assert {path.name for path in tmp_path.glob("*.png")} == CHARTS
    for name in CHARTS:
        assert f"({name})" in page
        assert (tmp_path / name).read_bytes().startswith(b"\x89PNG")
    assert json.loads((tmp_path / "raw.json").read_text(encoding="utf-8"))["startup"] == raw["startup"]


def test_what_has_no_figures_is_not_drawn_nor_left_from_before(tmp_path: Path) -> None:
    for name in CHARTS:
        (tmp_path / name).write_bytes(b"of an earlier run")
    publish({"about": {"began": "today"}}, tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["README.md", "raw.json"]
