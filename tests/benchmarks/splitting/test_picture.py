from pathlib import Path

from benchmarks.splitting.figures import Group
from benchmarks.splitting.picture import draw
from gateway.evaluation.builtin.suite import suite
from gateway.evaluation.outcome import Answer


def test_each_way_to_train_has_its_dot(tmp_path: Path) -> None:
    silent = tuple(
        Answer(case=case, text="", refused=None, input_tokens=0, output_tokens=0, latency_s=0.1) for case in suite()
    )
    png, svg = draw([Group(name=name, runs=(silent,)) for name in ("plain", "struq")], tmp_path / "scores")
    assert (png.name, svg.name) == ("scores.png", "scores.svg")
    drawn = svg.read_text(encoding="utf-8")
    assert all(f">{word}</text>" in drawn for word in ("plain", "struq"))
