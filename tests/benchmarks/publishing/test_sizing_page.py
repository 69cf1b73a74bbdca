import json
import re
from pathlib import Path
from typing import Any

import pytest

from benchmarks.publishing.publish import PAGES
from benchmarks.publishing.sizing_page import PAGE, main, page_of
from benchmarks.sizing import NotMeasured


@pytest.fixture
def whole(raw: dict[str, Any]) -> dict[str, Any]:
    """A small run, invented, with all that sizes rest on."""
    raw["memory"]["rows"][2]["pss_mb"] = 40
    return raw


def test_the_page_names_each_input_with_its_source(whole: dict[str, Any]) -> None:
    page = page_of(whole)
    assert "| CPU of a whole request, 2 KB | 577 µs | `turns`, gateway chat, whole c=32 |" in page
    assert "| memory of a worker after load | 90 MB | `memory`, PSS |" in page
    assert "| journal of a request | 2,400 bytes | `records` |" in page
    assert "| Redis's CPU of a request's four limits | 60.0 µs | `redis` |" in page


def test_nothing_of_the_page_is_left_blank(whole: dict[str, Any]) -> None:
    assert not re.findall(r"\{\w+\}", page_of(whole))


def test_a_run_without_redis_gives_no_page(whole: dict[str, Any]) -> None:
    del whole["redis"]
    with pytest.raises(NotMeasured, match="redis_commands, redis_us"):
        page_of(whole)


def test_every_page_that_is_linked_is_there(whole: dict[str, Any]) -> None:
    # The benchmarks' own page is written by the same command.
    links = {link.partition("#")[0] for link in re.findall(r"\]\(([^)]+)\)", page_of(whole))} - {"benchmarks/README.md"}
    assert links
    assert [link for link in sorted(links) if not (PAGE.parent / link).is_file()] == []


def test_the_page_is_what_the_published_run_gives() -> None:
    raw = json.loads((PAGES / "raw.json").read_text(encoding="utf-8"))
    assert PAGE.read_text(encoding="utf-8") == page_of(raw)


def test_a_small_load_is_not_rounded_away(
    whole: dict[str, Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "raw.json").write_text(json.dumps(whole))
    assert main(["--raw", str(tmp_path / "raw.json"), "--rate", "1000"]) == 0
    rows = capsys.readouterr().out.splitlines()
    assert "| **journal** | TB/day | **0.21** | **0.21** |" in rows


def test_a_run_that_lacks_a_figure_is_told_and_writes_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "raw.json").write_text('{"about": {}}')
    assert main(["--raw", str(tmp_path / "raw.json"), "--rate", "1000"]) == 1
    assert "make bench" in capsys.readouterr().out
