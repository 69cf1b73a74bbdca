from typing import Any

from benchmarks.publishing.page import page_of, table
from benchmarks.publishing.reading import run_of


def _section(page: str, title: str) -> str:
    return page.partition(f"## {title}\n")[2].partition("\n## ")[0]


def test_a_row_has_each_figure_with_how_many_times_bares_it_is(raw: dict[str, Any]) -> None:
    page = page_of(run_of(raw), {})
    row = next(line for line in _section(page, "Whole answers").splitlines() if line.startswith("| gateway chat"))
    assert row == (
        "| gateway chat | 1,950 (1,300 to 2,600) | 0.33 | 577 (385 to 769) | 3.08 | - | 0.600 (0.400 to 0.800) | 4.00 "
        "| 1.20 (0.80 to 1.60) | 4.00 | 0.570 (0.380 to 0.760) |"
    )


def test_streams_stand_apart(raw: dict[str, Any]) -> None:
    page = page_of(run_of(raw), {})
    assert "| stream c=32 | chunks/s |" in _section(page, "Streams")
    assert "stream" not in _section(page, "Whole answers")


def test_every_kind_that_was_measured_has_its_section(raw: dict[str, Any]) -> None:
    page = page_of(run_of(raw), {})
    assert "One rule more: 0.40" in _section(page, "Rules")
    assert "gateway: a byte of the largest costs 1.50 times" in _section(page, "Bodies")
    assert "**not linear**" in _section(page, "Bodies")
    assert "20,000 (18,000 to 22,000) refusals a second" in _section(page, "A flood of wrong keys")
    assert "| splitgate serve | 1.20" in _section(page, "Start and memory")
    assert "Two workers do 1.20" in _section(page, "Workers")
    assert "ms on ext4" in _section(page, "The journal's disk")
    assert "leaves 2,400 bytes in 2.0 records" in _section(page, "What a request leaves elsewhere")
    assert "60.0 (54.0 to 66.0) µs of its CPU" in _section(page, "What a request leaves elsewhere")
    assert "- nginx: not on this machine" in _section(page, "Not measured")
    assert "- whole c=256, litellm: nothing was answered" in _section(page, "Not measured")


def test_what_was_not_measured_has_no_section() -> None:
    page = page_of(run_of({"about": {"began": "today"}}), {})
    assert [line for line in page.splitlines() if line.startswith("## ")] == ["## The run", "## Aims"]


def test_a_chart_stands_in_its_section(raw: dict[str, Any]) -> None:
    page = page_of(run_of(raw), {"chunks.png": "Streams: CPU of a chunk"})
    assert "![Streams: CPU of a chunk](chunks.png)" in _section(page, "Streams")
    assert "png" not in _section(page, "Whole answers")


def test_the_run_says_where_it_was(raw: dict[str, Any]) -> None:
    about = _section(page_of(run_of(raw), {}), "The run")
    assert "| processor | A processor, 2 of them |" in about
    assert "CPython 3.11, optimised" in about


def test_a_table_without_rows_is_nothing() -> None:
    assert table(("a",), []) == ""


def test_what_starts_is_beside_the_pass_through(raw: dict[str, Any]) -> None:
    raw["startup"]["starts"].append({"server": "passthrough", "seconds": {"median": 0.4, "low": 0.4, "high": 0.4}})
    assert "| splitgate serve | 1.20 (1.08 to 1.32) | 3.00 |" in page_of(run_of(raw), {})
