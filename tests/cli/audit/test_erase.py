import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeAlias

import pytest
from typer.testing import Result

from gateway.audit.keys import master_key
from gateway.audit.subjects import SubjectKeys
from gateway.domain.errors import StateUnusable

Splitgate = Callable[..., Result]
Recorded: TypeAlias = Any
Erase = Callable[..., Result]


@pytest.fixture
def erase(splitgate: Splitgate, recorded: Recorded) -> Erase:
    def run(*more: str, subject: str = "bob", stdin: str | None = None) -> Result:
        chosen = ("--config", str(recorded.config), "--tenant", "acme", "--subject", subject)
        return splitgate("audit", "erase", *chosen, *more, stdin=stdin)

    return run


def erasures(splitgate: Splitgate, recorded: Recorded) -> list[Any]:
    result = splitgate("audit", "query", str(recorded.places.root), "--phase", "erasure", "--format", "jsonl")
    return [json.loads(line) for line in result.stdout.splitlines()]


def test_a_subject_is_erased_and_the_journal_stays_whole(
    splitgate: Splitgate, recorded: Recorded, erase: Erase, verified: Callable[[], Result]
) -> None:
    result = erase("--yes", "--reason", "ticket 7")
    assert result.exit_code == 0
    (record,) = erasures(splitgate, recorded)
    assert result.stdout == record["event"] + "\n"
    assert f"{recorded.pseudonym} erased at 20" in result.stderr
    assert "within 60 seconds" in result.stderr
    assert (record["subject"], record["tenant"], record["reason"]) == (recorded.pseudonym, "acme", "ticket 7")
    report = verified()
    assert (report.exit_code, "WHOLE" in report.stdout) == (0, True)
    keys = SubjectKeys(recorded.places.subjects, master_key(None, recorded.settings.state_dir))
    assert keys.kept("acme", recorded.pseudonym) is None
    keys.close()


def test_erasing_again_changes_nothing(splitgate: Splitgate, recorded: Recorded, erase: Erase) -> None:
    first, second = erase("--yes"), erase("--yes")
    assert (second.exit_code, second.stdout) == (0, first.stdout)
    assert "was erased before, at 20" in second.stderr
    assert len(erasures(splitgate, recorded)) == 1


def test_it_is_asked_whether_that_is_meant(splitgate: Splitgate, recorded: Recorded, erase: Erase) -> None:
    refused = erase(stdin="n\n")
    assert (refused.exit_code, "nothing was erased" in refused.stderr) == (1, True)
    assert erasures(splitgate, recorded) == []
    assert erase(stdin="y\n").exit_code == 0
    assert len(erasures(splitgate, recorded)) == 1


def test_a_subject_that_never_was_is_told(splitgate: Splitgate, recorded: Recorded, erase: Erase) -> None:
    result = erase("--yes", subject="eve")
    assert (result.exit_code, "nothing to erase" in result.stderr) == (1, True)
    assert erasures(splitgate, recorded) == []


def test_where_it_cannot_be_recorded_that_is_told_and_the_next_try_does(
    splitgate: Splitgate, recorded: Recorded, erase: Erase
) -> None:
    entry = recorded.places.registry / "00000001"
    whole = entry.read_bytes()
    entry.write_bytes(b"damaged")
    result = erase("--yes")
    assert (result.exit_code, "run the same command again" in result.stderr) == (1, True)
    entry.write_bytes(whole)
    assert erasures(splitgate, recorded) == []
    assert erase("--yes").exit_code == 0
    assert len(erasures(splitgate, recorded)) == 1


def test_where_the_key_cannot_be_destroyed_nothing_is_claimed(
    splitgate: Splitgate, recorded: Recorded, erase: Erase
) -> None:
    recorded.places.subjects.chmod(0o644)
    result = erase("--yes")
    assert (result.exit_code, "subjects.sqlite3" in result.stderr) == (1, True)
    assert erasures(splitgate, recorded) == []
    keys = SubjectKeys(recorded.places.subjects, master_key(None, recorded.settings.state_dir))
    with pytest.raises(StateUnusable):
        keys.kept("acme", recorded.pseudonym)
    recorded.places.subjects.chmod(0o600)
    assert keys.kept("acme", recorded.pseudonym) is not None
    keys.close()


def test_without_journals_or_a_master_key_nothing_is_made(
    splitgate: Splitgate, audited: Path, recorded: Recorded, erase: Erase, tmp_path: Path
) -> None:
    (recorded.settings.state_dir / "audit-master.key").unlink()
    result = erase("--yes")
    assert (result.exit_code, "no master key" in result.stderr) == (2, True)
    assert os.listdir(recorded.settings.state_dir) == ["audit-signing.key"]  # noqa: PTH208 - names alone
    elsewhere = tmp_path / "elsewhere.yaml"
    elsewhere.write_text(audited.read_text(encoding="utf-8").replace("journals", "nowhere"), encoding="utf-8")
    result = splitgate("audit", "erase", "-c", str(elsewhere), "--tenant", "acme", "--subject", "bob", "--yes")
    assert (result.exit_code, "there are no journals at" in result.stderr) == (2, True)
    assert not (tmp_path / "nowhere").exists()


def test_another_users_journals_are_left_alone(recorded: Recorded, erase: Erase) -> None:
    if os.geteuid() == 0:
        os.chown(recorded.places.root, 65534, -1)
        result = erase("--yes")
        assert (result.exit_code, "run this as the user who owns" in result.stderr) == (2, True)
    else:
        assert recorded.places.root.stat().st_uid == os.geteuid()


def test_a_reason_is_short(erase: Erase) -> None:
    result = erase("--yes", "--reason", "x" * 501)
    assert (result.exit_code, "--reason" in result.stderr) == (2, True)
