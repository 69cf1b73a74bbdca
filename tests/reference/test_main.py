import re
from pathlib import Path

import pytest

from gateway.reference.__main__ import BLOCKS, main, splice

DOCS = Path(__file__).parents[2] / "docs"
PAGES = ("api.md", "formats.md", "configuration.md", "policies.md", "control-map.md", "telemetry.md")


@pytest.mark.rows
@pytest.mark.parametrize("page", PAGES)
def test_what_a_page_says_is_what_the_code_says(page: str) -> None:
    text = (DOCS / page).read_text(encoding="utf-8")
    assert splice(text) == text, f"run: python -m gateway.reference docs/{page}"


def test_every_block_stands_on_a_page_between_its_marks() -> None:
    text = "".join((DOCS / page).read_text(encoding="utf-8") for page in PAGES)
    for edge in ("begin", "end"):
        assert sorted(re.findall(rf"<!-- (.+): {edge} -->", text)) == sorted(BLOCKS)


def test_only_what_stands_between_marks_is_written(tmp_path: Path) -> None:
    path = tmp_path / "page.md"
    path.write_text("before\n<!-- chat error: begin -->\nold\n<!-- chat error: end -->\nafter\n", encoding="utf-8")
    main([str(path)])
    lines = path.read_text(encoding="utf-8").split("\n")
    assert (lines[0], lines[-2]) == ("before", "after")
    assert "old" not in lines
    assert "unknown_field" in "".join(lines)


def test_a_mark_of_no_block_is_an_error() -> None:
    with pytest.raises(KeyError):
        splice("<!-- nothing: begin -->\n<!-- nothing: end -->")
