from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import Result

from gateway.audit.note import SigningKey

Splitgate = Callable[..., Result]

MODELS = "models: {m: {targets: [{provider: embedded}]}}\n"


def test_a_new_key_is_printed_once_with_its_public_key_beside_it(splitgate: Splitgate) -> None:
    result = splitgate("audit", "key", "new", "--name", "example.com/log")
    assert result.exit_code == 0
    key = SigningKey.parse(result.stdout)
    assert key.name == "example.com/log"
    assert str(key.verifier) in result.stderr
    assert result.stdout.strip() not in result.stderr


def test_each_key_is_another(splitgate: Splitgate) -> None:
    assert splitgate("audit", "key", "new").stdout != splitgate("audit", "key", "new").stdout


@pytest.mark.parametrize("name", ["", "a b", "a+b"])
def test_a_name_that_no_key_can_have_is_refused(splitgate: Splitgate, name: str) -> None:
    result = splitgate("audit", "key", "new", "--name", name)
    assert (result.exit_code, result.stdout) == (2, "")
    assert "--name" in result.stderr


@pytest.fixture
def configured(tmp_path: Path) -> Path:
    path = tmp_path / "splitgate.yaml"
    path.write_text(MODELS + "state_dir: state\n")
    return path


def test_the_public_keys_of_a_configuration_are_shown(splitgate: Splitgate, configured: Path, tmp_path: Path) -> None:
    keys = [SigningKey.draw("example.com/log") for _ in range(2)]
    for index, key in enumerate(keys):
        (tmp_path / f"{index}.key").write_text(key.reveal() + "\n")
    with configured.open("a") as file:
        file.write('audit: {name: example.com/log, signing_keys: ["file:0.key", "file:1.key"]}\n')
    result = splitgate("audit", "key", "show", "--config", str(configured))
    assert result.exit_code == 0, result.stderr
    assert result.stdout.splitlines() == [str(key.verifier) for key in keys]


def test_the_key_that_the_gateway_made_is_shown(splitgate: Splitgate, configured: Path, tmp_path: Path) -> None:
    key = SigningKey.draw("splitgate.local/audit")
    (tmp_path / "state").mkdir()
    (tmp_path / "state" / "audit-signing.key").write_text(key.reveal() + "\n")
    result = splitgate("audit", "key", "show", "--config", str(configured))
    assert (result.exit_code, result.stdout) == (0, f"{key.verifier}\n")


def test_before_the_first_start_there_is_no_key(splitgate: Splitgate, configured: Path) -> None:
    result = splitgate("audit", "key", "show", "--config", str(configured))
    assert (result.exit_code, result.stdout) == (2, "")
    assert "audit key new" in result.stderr


def test_a_broken_key_file_is_told_and_not_repeated(splitgate: Splitgate, configured: Path, tmp_path: Path) -> None:
    (tmp_path / "state").mkdir()
    (tmp_path / "state" / "audit-signing.key").write_text("planted-secret")
    result = splitgate("audit", "key", "show", "--config", str(configured))
    assert result.exit_code == 2
    assert "backup" in result.stderr
    assert "planted" not in result.stderr
