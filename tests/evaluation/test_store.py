import os
import resource
from dataclasses import asdict, replace
from pathlib import Path

import orjson
import pytest

from gateway.domain.jsonvalue import JsonObject
from gateway.evaluation.result import Result
from gateway.evaluation.stopped import CannotMeasure, MeasurementStopped
from gateway.evaluation.store import ANSWERS, RUN, opened

RUN_A: JsonObject = {"model": "m", "dataset": "sha256:1", "formats": {"plain": {}}}
FULL = Result(
    case="c1",
    format="plain",
    text="zwölf\n",
    input_tokens=3,
    output_tokens=1,
    latency_s=0.25,
    finish="stop",
    isolation="none",
)


def test_what_was_kept_is_there_when_it_is_opened_again(tmp_path: Path) -> None:
    refused = Result(case="c2", format="plain", refused="splitgate_blocked")
    with opened(tmp_path / "new" / "folder", RUN_A, fresh=False) as store:
        store.add(FULL)
        store.add(refused)
    with opened(tmp_path / "new" / "folder", RUN_A, fresh=False) as store:
        assert store.results == (FULL, refused)
        assert store.holds("c1", "plain")
        assert store.holds("c2", "plain")
        assert not store.holds("c1", "secalign")


def test_what_failed_is_asked_again_and_the_last_result_counts(tmp_path: Path) -> None:
    with opened(tmp_path, RUN_A, fresh=False) as store:
        store.add(Result(case="c1", format="plain", failed="upstream_rejected"))
        assert not store.holds("c1", "plain")
        store.add(FULL)
    with opened(tmp_path, RUN_A, fresh=False) as store:
        assert store.results == (FULL,)


@pytest.mark.parametrize("fresh", [True, False])
def test_two_runs_at_once_do_not_share_a_folder(tmp_path: Path, fresh: bool) -> None:
    with opened(tmp_path, RUN_A, fresh=False) as store:
        store.add(FULL)
        with pytest.raises(CannotMeasure, match="another run writes to"):
            opened(tmp_path, RUN_A, fresh=fresh)
    with opened(tmp_path, RUN_A, fresh=False) as store:
        assert store.results == (FULL,)


def test_a_run_that_may_not_begin_keeps_nobody_out(tmp_path: Path) -> None:
    with opened(tmp_path, RUN_A, fresh=False):
        pass
    with pytest.raises(CannotMeasure, match="dataset differ"):
        opened(tmp_path, {**RUN_A, "dataset": "sha256:2"}, fresh=False)
    with opened(tmp_path, RUN_A, fresh=False):
        pass


def test_half_a_line_at_the_end_is_cut_off(tmp_path: Path) -> None:
    with opened(tmp_path, RUN_A, fresh=False) as store:
        store.add(FULL)
    file = tmp_path / ANSWERS
    whole = file.read_bytes()
    file.write_bytes(whole + b'{"case":"c2","for')
    with opened(tmp_path, RUN_A, fresh=False) as store:
        assert store.results == (FULL,)
    assert file.read_bytes() == whole


def test_a_full_disk_ends_it_with_what_was_kept(tmp_path: Path) -> None:
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    with opened(tmp_path, RUN_A, fresh=False) as store:
        store.add(FULL)
        size = (tmp_path / ANSWERS).stat().st_size
        resource.setrlimit(resource.RLIMIT_FSIZE, (size + 20, before[1]))
        try:
            with pytest.raises(MeasurementStopped, match="make room, and run the same command again"):
                store.add(replace(FULL, case="c2"))
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, before)
    with opened(tmp_path, RUN_A, fresh=False) as store:
        assert store.results == (FULL,)


@pytest.mark.parametrize(
    ("change", "told"),
    [({"dataset": "sha256:2"}, "dataset"), ({"weights": "sha256:3"}, "weights"), ({"model": "n"}, "model")],
)
def test_another_measurement_is_refused_unless_begun_anew(tmp_path: Path, change: dict[str, str], told: str) -> None:
    with opened(tmp_path, RUN_A, fresh=False) as store:
        store.add(FULL)
    with pytest.raises(CannotMeasure, match=rf"{told} differ.*--out.*--fresh"):
        opened(tmp_path, {**RUN_A, **change}, fresh=False)
    with opened(tmp_path, {**RUN_A, **change}, fresh=True) as store:
        assert store.results == ()


def test_other_formats_join_those_before_and_other_settings_of_one_do_not(tmp_path: Path) -> None:
    with opened(tmp_path, RUN_A, fresh=False) as store:
        store.add(FULL)
    with opened(tmp_path, {**RUN_A, "formats": {"spotlight": {"mode": "delimit"}}}, fresh=False) as store:
        assert store.results == (FULL,)
    assert orjson.loads((tmp_path / RUN).read_bytes())["formats"] == {"plain": {}, "spotlight": {"mode": "delimit"}}
    with pytest.raises(CannotMeasure, match="the settings of spotlight differ"):
        opened(tmp_path, {**RUN_A, "formats": {"spotlight": {"mode": "encode"}}}, fresh=False)


def test_answers_of_which_nothing_says_whose_they_are_are_not_taken(tmp_path: Path) -> None:
    with opened(tmp_path, RUN_A, fresh=False) as store:
        store.add(FULL)
    (tmp_path / RUN).unlink()
    with pytest.raises(CannotMeasure, match=rf"no {RUN} beside it.*--fresh"):
        opened(tmp_path, RUN_A, fresh=False)
    with opened(tmp_path, RUN_A, fresh=True) as store:
        assert store.results == ()


def test_what_models_said_is_for_nobody_else_to_read(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        with opened(tmp_path, RUN_A, fresh=False) as store:
            store.add(FULL)
    finally:
        os.umask(before)
    assert (tmp_path / ANSWERS).stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize(
    ("name", "text"),
    [
        (RUN, "no JSON"),
        (RUN, "[]"),
        (ANSWERS, '{"case": "c1"}\n'),
        (ANSWERS, orjson.dumps(asdict(FULL)).decode().replace("0.25", "NaN") + "\n"),
    ],
)
def test_what_cannot_be_read_is_refused(tmp_path: Path, name: str, text: str) -> None:
    with opened(tmp_path, RUN_A, fresh=False):
        (tmp_path / name).write_text(text)
    with pytest.raises(CannotMeasure, match=rf"{name}.*--fresh"):
        opened(tmp_path, RUN_A, fresh=False)
    with opened(tmp_path, RUN_A, fresh=True) as store:
        assert store.results == ()


def test_a_folder_that_cannot_be_used_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(CannotMeasure, match=r"cannot be used.*--out"):
        opened(tmp_path / "file", RUN_A, fresh=False)
