from collections.abc import Iterator
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from gateway.supervisor.figures import RESULTS, Figures
from gateway.telemetry.families import FOLDER, OF_SUPERVISOR, WORKER


@pytest.fixture
def figures() -> Iterator[Figures]:
    made = Figures()
    yield made
    made.remove()


def folder(figures: Figures) -> Path:
    return Path(figures.environ("1")[FOLDER])


def told(figures: Figures) -> dict[str, float]:
    text = (folder(figures) / "supervisor.prom").read_text()
    return {
        "".join([one.name, *[f" {label}" for label in one.labels.values()]]): one.value
        for family in text_string_to_metric_families(text)
        for one in family.samples
    }


def test_a_process_is_told_the_folder_and_its_own_word(figures: Figures) -> None:
    assert figures.environ("2")[WORKER] == "2"
    assert folder(figures).stat().st_mode & 0o777 == 0o700


def test_which_workers_serve_is_written_in_prometheus_words(figures: Figures) -> None:
    figures.tell({"1": True, "2": False})
    found = told(figures)
    assert found.pop("splitgate_start_time_seconds") > 1_700_000_000
    assert found == {
        "splitgate_worker_up 1": 1.0,
        "splitgate_worker_up 2": 0.0,
        "splitgate_worker_restarts_total 1": 0.0,
        "splitgate_worker_restarts_total 2": 0.0,
        **{f"splitgate_config_loads_total {result}": 0.0 for result in RESULTS},
        "splitgate_config_refused": 0.0,
    }
    text = (folder(figures) / "supervisor.prom").read_text()
    for family in OF_SUPERVISOR:
        assert f"# HELP {family.name} {family.help}\n# TYPE {family.name} {family.kind}\n" in text


def test_a_death_counts_as_a_restart_and_a_replacement_does_not(figures: Figures) -> None:
    figures.died("1")
    figures.gone("1")
    figures.gone("1b")
    figures.tell({"1": True})
    assert told(figures)["splitgate_worker_restarts_total 1"] == 1.0


def test_the_gauges_of_the_dead_vanish_and_all_else_stays(figures: Figures) -> None:
    gone = ("gauge_livesum_1.db", "gauge_livemax_1.db", "shipper.prom")
    others = ("gauge_livesum_11.db", "gauge_livesum_1b.db", "gauge_livesum_2.db")
    kept = ("counter_1.db", "histogram_1.db", *others, "supervisor.prom")
    for name in (*gone, *kept):
        (folder(figures) / name).write_text("x")
    figures.gone("1")
    figures.gone("shipper")
    assert sorted(path.name for path in folder(figures).iterdir()) == sorted(kept)


@pytest.mark.parametrize(("result", "refused"), [("taken", 0.0), ("unchanged", 0.0), ("refused", 1.0), ("failed", 1.0)])
def test_what_came_of_a_look_at_the_configuration_is_counted(figures: Figures, result: str, refused: float) -> None:
    figures.looked("failed")
    figures.looked(result)
    figures.tell({})
    assert told(figures)["splitgate_config_refused"] == refused
    assert told(figures)[f"splitgate_config_loads_total {result}"] == (2.0 if result == "failed" else 1.0)


def test_what_has_not_changed_is_not_written_again(figures: Figures) -> None:
    figures.tell({"1": True})
    (folder(figures) / "supervisor.prom").unlink()
    figures.tell({"1": True})
    assert not (folder(figures) / "supervisor.prom").exists()
    figures.tell({"1": False})
    assert told(figures)["splitgate_worker_up 1"] == 0.0


def test_a_folder_that_cannot_be_written_ends_nothing_and_is_tried_again(figures: Figures) -> None:
    draft = folder(figures) / "supervisor.prom.draft"
    draft.mkdir()
    figures.tell({"1": True})
    draft.rmdir()
    figures.tell({"1": True})
    assert told(figures)["splitgate_worker_up 1"] == 1.0


def test_nothing_stays_behind(figures: Figures) -> None:
    figures.tell({"1": True})
    figures.remove()
    assert not folder(figures).exists()
