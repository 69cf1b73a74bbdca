import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from gateway.evaluation.outcome import Measured
from gateway.evaluation.plots import PlotsUnavailable, plot


def test_a_picture_is_drawn_twice_and_names_each_format(measured_of: Callable[..., Measured], tmp_path: Path) -> None:
    measured = [measured_of("plain", 60, 90), measured_of("secalign", 2, 85)]
    png, svg = plot(measured, tmp_path / "local.v1", "local on ours")
    assert (png.name, svg.name) == ("local.v1.png", "local.v1.svg")
    assert png.read_bytes().startswith(b"\x89PNG")
    drawn = svg.read_text(encoding="utf-8")
    assert all(f">{word}</text>" in drawn for word in ("plain", "secalign", "local on ours"))


def test_the_same_figures_are_the_same_files(measured_of: Callable[..., Measured], tmp_path: Path) -> None:
    measured = [measured_of("plain", 60, 90)]
    first = [path.read_bytes() for path in plot(measured, tmp_path / "one", "local")]
    assert [path.read_bytes() for path in plot(measured, tmp_path / "two", "local")] == first


def test_formats_of_several_models_are_told_apart(measured_of: Callable[..., Measured], tmp_path: Path) -> None:
    measured = [measured_of("plain", 60, 90), measured_of("plain", 6, 90, model="local-split")]
    drawn = plot(measured, tmp_path / "both", "two models")[1].read_text(encoding="utf-8")
    assert ">local, plain</text>" in drawn
    assert ">local-split, plain</text>" in drawn


def test_more_formats_than_colours_are_told_apart_by_their_shapes(
    measured_of: Callable[..., Measured], tmp_path: Path
) -> None:
    measured = [measured_of(f"format-{number}", number, 90) for number in range(12)]
    drawn = plot(measured, tmp_path / "many", "local")[1].read_text(encoding="utf-8")
    assert all(f">format-{number}</text>" in drawn for number in range(12))


def test_where_no_format_has_both_scores_nothing_is_drawn(measured_of: Callable[..., Measured], tmp_path: Path) -> None:
    assert plot([measured_of("plain", 60, None)], tmp_path / "none", "local") == ()
    assert list(tmp_path.iterdir()) == []


def test_without_matplotlib_it_says_what_to_install(
    measured_of: Callable[..., Measured], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(PlotsUnavailable, match=r"pip install 'splitgate\[evaluate\]'"):
        plot([measured_of("plain", 60, 90)], tmp_path / "none", "local")
