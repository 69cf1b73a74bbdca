import base64
from pathlib import Path

import pytest

from gateway.audit.keys import SIGNING_FILE, master_key, signing_keys
from gateway.audit.note import SigningKey
from gateway.audit.subjects import MASTER_FILE, MasterKey
from gateway.domain.errors import StateUnusable
from gateway.domain.target import Secret


def test_keys_that_are_named_are_used_and_none_is_made(tmp_path: Path) -> None:
    first, second = SigningKey.draw("log"), SigningKey.draw("log")
    found = signing_keys([Secret(first.reveal()), Secret(second.reveal())], tmp_path, "log")
    assert [key.verifier for key in found] == [first.verifier, second.verifier]
    raw = bytes(range(32))
    assert master_key(Secret(base64.b64encode(raw).decode()), tmp_path).mark == MasterKey(raw).mark
    assert list(tmp_path.iterdir()) == []


def test_keys_that_nobody_names_are_made_once(tmp_path: Path) -> None:
    (made,) = signing_keys((), tmp_path, "log")
    (again,) = signing_keys((), tmp_path, "log")
    assert made.verifier == again.verifier
    assert master_key(None, tmp_path).mark == master_key(None, tmp_path).mark
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted([SIGNING_FILE, MASTER_FILE])


def test_a_key_of_another_name_signs_nothing(tmp_path: Path) -> None:
    signing_keys((), tmp_path, "log")
    with pytest.raises(StateUnusable, match="is called log"):
        signing_keys((), tmp_path, "other")
    with pytest.raises(StateUnusable, match="is called log"):
        signing_keys([Secret(SigningKey.draw("log").reveal())], tmp_path, "other")


def test_what_is_no_key_is_not_repeated(tmp_path: Path) -> None:
    with pytest.raises(StateUnusable, match="splitgate audit key new") as told:
        signing_keys([Secret("planted-secret")], tmp_path, "log")
    assert "planted-secret" not in str(told.value)
