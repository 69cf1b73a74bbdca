import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import Result

Splitgate = Callable[..., Result]


def test_a_whole_journal_says_so_and_that_nobody_else_vouches_for_it(splitgate: Splitgate, journals: Any) -> None:
    result = splitgate("audit", "verify", journals.root, "--key", journals.key)
    assert (result.exit_code, result.stderr) == (0, "")
    assert result.stdout.splitlines() == [
        "10 records in 1 epoch, 10 under a checkpoint",
        "WHOLE",
        "NOT ANCHORED: proves nothing against the key's holder",
    ]


def test_anchors_say_how_far_others_vouch_for_it(
    splitgate: Splitgate, journals: Any, anchored: Callable[[int], str]
) -> None:
    result = splitgate("audit", "verify", journals.root, "--key", journals.public, "--anchors", anchored(7))
    assert result.exit_code == 0
    assert result.stdout.splitlines()[-1] == "anchored to 7"


def test_each_problem_is_a_line_with_its_place_and_class(splitgate: Splitgate, journals: Any) -> None:
    lines = list(journals.lines)
    lines[3] = lines[3].replace(b'"0.1.0"', b'"0.1.1"')
    journals.maker.damage(journals.epoch, [*lines[:6], *lines[7:]])
    result = splitgate("audit", "verify", journals.root, "--key", journals.key)
    assert result.exit_code == 1
    shown = result.stdout.splitlines()
    assert shown[0].startswith(f"{journals.epoch}.3: modified: the record")
    assert shown[1].startswith(f"{journals.epoch}.6: missing: the record")
    assert "BROKEN: 2 problems" in shown


def test_the_result_can_be_read_by_programs(splitgate: Splitgate, journals: Any) -> None:
    journals.maker.damage(journals.epoch, journals.lines[:9])
    result = splitgate("audit", "verify", journals.root, "--key", journals.key, "--json")
    assert result.exit_code == 1
    told = json.loads(result.stdout)
    assert (told["whole"], told["records"], told["anchored"]) == (False, 9, 0)
    (problem,) = told["problems"]
    assert (problem["class"], problem["epoch"], problem["position"]) == ("missing", journals.epoch, 9)


def test_a_notice_is_told_and_is_no_problem(splitgate: Splitgate, journals: Any) -> None:
    journals.maker.open("20260102T000000Z-0000000b", 2, ())
    result = splitgate("audit", "verify", journals.root, "--key", journals.key)
    assert result.exit_code == 0
    assert "notice, unsigned-tail (2)" in result.stdout


def test_the_clocks_tolerance_can_be_set(splitgate: Splitgate, journals: Any) -> None:
    journals.maker._time -= 60_000_000
    journals.maker.open("20260102T000000Z-0000000b", 0, ())
    arguments = ("audit", "verify", journals.root, "--key", journals.key)
    assert splitgate(*arguments).exit_code == 1
    assert splitgate(*arguments, "--clock-tolerance", "90").exit_code == 0


def test_without_a_key_nothing_is_verified(splitgate: Splitgate, journals: Any) -> None:
    result = splitgate("audit", "verify", journals.root)
    assert (result.exit_code, result.stdout) == (2, "")
    assert "--key" in result.stderr
    assert "public-key" in result.stderr
    assert "alone proves nothing" in result.stderr


@pytest.mark.parametrize("key", ["nowhere.pub", "a+b+c"])
def test_what_is_no_key_is_refused(splitgate: Splitgate, journals: Any, key: str) -> None:
    result = splitgate("audit", "verify", journals.root, "--key", key)
    assert (result.exit_code, result.stdout) == (2, "")
    assert "NAME+ID+KEY" in result.stderr


def test_an_empty_key_file_is_refused(splitgate: Splitgate, journals: Any, tmp_path: Path) -> None:
    (tmp_path / "empty.pub").touch()
    result = splitgate("audit", "verify", journals.root, "--key", "empty.pub")
    assert result.exit_code == 2
    assert "no key in it" in result.stderr


def test_a_folder_without_journals_is_no_whole_journal(splitgate: Splitgate, journals: Any, tmp_path: Path) -> None:
    (tmp_path / "nothing").mkdir()
    result = splitgate("audit", "verify", str(tmp_path / "nothing"), "--key", journals.key)
    assert (result.exit_code, result.stdout) == (2, "")
    assert "audit.dir" in result.stderr


def test_anchors_that_are_not_there_decide_nothing(splitgate: Splitgate, journals: Any, tmp_path: Path) -> None:
    result = splitgate("audit", "verify", journals.root, "--key", journals.key, "--anchors", str(tmp_path / "gone"))
    assert (result.exit_code, result.stdout) == (2, "")
    assert "cannot be read" in result.stderr


@pytest.mark.timeout(60)
def test_what_cannot_be_read_is_said_and_nothing_is_decided(splitgate: Splitgate, journals: Any) -> None:
    checkpoints = Path(journals.root) / "epochs" / journals.epoch / "checkpoints"
    os.truncate(checkpoints, 6 << 30)
    result = splitgate("audit", "verify", journals.root, "--key", journals.key)
    assert (result.exit_code, result.stdout) == (2, "")
    assert f"{checkpoints} cannot be read (it has more than" in result.stderr.replace("\n", " ")
