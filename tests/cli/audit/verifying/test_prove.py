from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import Result

Splitgate = Callable[..., Result]


@pytest.fixture
def proof(splitgate: Splitgate, journals: Any, tmp_path: Path) -> Path:
    path = tmp_path / "record.tlog-proof"
    result = splitgate(
        "audit", "prove", f"{journals.epoch}.2", "--dir", journals.root, "--key", journals.key, "--out", str(path)
    )
    assert (result.exit_code, result.stdout) == (0, "")
    return path


def test_a_proof_is_checked_with_nothing_but_the_key(splitgate: Splitgate, journals: Any, proof: Path) -> None:
    result = splitgate("audit", "check-proof", str(proof), "--key", journals.public)
    assert (result.exit_code, result.stderr) == (0, "")
    assert result.stdout.startswith("PROVEN: ")
    assert f"{journals.epoch}.2" in result.stdout
    assert '"phase": "outcome"' in result.stdout


def test_a_proof_goes_through_a_pipe(splitgate: Splitgate, journals: Any, proof: Path) -> None:
    made = splitgate("audit", "prove", f"{journals.epoch}.2", "--dir", journals.root, "--key", journals.key)
    assert made.stdout_bytes == proof.read_bytes()
    result = splitgate("audit", "check-proof", "-", "--key", journals.key, stdin=made.stdout_bytes)
    assert result.exit_code == 0


def test_a_changed_record_is_not_proven(splitgate: Splitgate, journals: Any, proof: Path, tmp_path: Path) -> None:
    record = tmp_path / "record.json"
    arguments = ("audit", "check-proof", str(proof), "--key", journals.key, "--record", str(record))
    record.write_bytes(journals.lines[2] + b"\n")
    assert splitgate(*arguments).exit_code == 0
    record.write_bytes(journals.lines[2].replace(b"outcome", b"intent"))
    result = splitgate(*arguments)
    assert (result.exit_code, result.stdout) == (1, "")
    assert "NOT PROVEN" in result.stderr


def test_a_file_that_is_no_proof_proves_nothing(splitgate: Splitgate, journals: Any, tmp_path: Path) -> None:
    result = splitgate("audit", "check-proof", journals.key, "--key", journals.key)
    assert result.exit_code == 1
    assert "no proof" in result.stderr
    result = splitgate("audit", "check-proof", str(tmp_path / "gone"), "--key", journals.key)
    assert result.exit_code == 2


def test_a_proof_needs_a_key_to_be_checked(splitgate: Splitgate, proof: Path) -> None:
    result = splitgate("audit", "check-proof", str(proof))
    assert result.exit_code == 2
    assert "--key" in result.stderr


def test_the_operators_copy_of_the_key_is_enough_to_make_a_proof(splitgate: Splitgate, journals: Any) -> None:
    arguments = ("audit", "prove", f"{journals.epoch}.2", "--dir", journals.root)
    assert splitgate(*arguments).exit_code == 2
    (Path(journals.root) / "public-key").write_text(journals.public + "\n")
    assert splitgate(*arguments).exit_code == 0


def test_a_record_that_is_not_covered_yet_is_to_be_waited_for(splitgate: Splitgate, journals: Any) -> None:
    epoch = "20260102T000000Z-0000000b"
    journals.maker.open(epoch, 3, (2,))
    result = splitgate("audit", "prove", f"{epoch}.2", "--dir", journals.root, "--key", journals.key)
    assert (result.exit_code, result.stdout) == (1, "")
    assert "wait for the next one" in result.stderr


def test_a_proof_that_cannot_be_written_is_told(splitgate: Splitgate, journals: Any, tmp_path: Path) -> None:
    out = str(tmp_path / "nowhere" / "proof")
    result = splitgate(
        "audit", "prove", f"{journals.epoch}.2", "--dir", journals.root, "--key", journals.key, "--out", out
    )
    assert result.exit_code == 2
    assert "cannot be used" in result.stderr
