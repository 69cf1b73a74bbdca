import errno
import json
import os
import stat
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from gateway.access.edit import NewDigest, NoSuchKey, add, revoke, rotate
from gateway.access.key_file import KeyFile
from gateway.domain.errors import ConfigError, StateUnusable
from gateway.settings import Settings

Digest = Callable[[str], str]
Line = Callable[..., str]
NOON = 1_900_000_000.0
DAY = 86_400.0


@pytest.fixture
def file(settings_of: Callable[..., Settings]) -> KeyFile:
    settings = settings_of()
    assert settings.keys_file is not None
    return KeyFile(settings.keys_file, settings)


def entries(file: KeyFile) -> list[dict[str, Any]]:
    return [json.loads(one) for one in file.path.read_text().split("\n") if one and not one.startswith("#")]


def fresh(number: int, expires: float | None = None) -> NewDigest:
    return NewDigest(id=f"sg-{number}", sha256=f"{number:064x}", created=NOON, expires=expires)


def test_the_first_entry_makes_a_file_that_is_its_owners_alone(file: KeyFile, line: Line) -> None:
    add(file, json.loads(line("a")))
    assert stat.S_IMODE(file.path.stat().st_mode) == 0o600
    assert file.path.read_text() == line("a") + "\n"
    assert sorted(path.name for path in file.path.parent.iterdir()) == [
        ".keys.jsonl.lock", "keys.jsonl", "splitgate.yaml",
    ]  # fmt: skip


def test_what_is_not_edited_stays_byte_for_byte(file: KeyFile, line: Line) -> None:
    odd = '# by hand\n\n{ "sha256":"' + "0a" * 32 + '",   "name":"b" }\r\n' + line("a")
    file.path.write_bytes(odd.encode())
    add(file, json.loads(line("c")))
    assert file.path.read_bytes() == f"{odd}\n{line('c')}\n".encode()
    assert list(revoke(file, "c", NOON)) == ["c"]
    assert file.path.read_bytes().startswith(f"{odd}\n".encode())
    assert entries(file)[-1]["revoked"] == "2030-03-17T17:46:40Z"


def test_nothing_is_written_that_a_gateway_would_refuse(file: KeyFile, line: Line) -> None:
    add(file, json.loads(line("a")))
    before = file.path.read_bytes()
    for entry in ({"name": "a", "sha256": "0a" * 32}, {"name": "b", "sha256": "x"}, {"name": "b"}):
        with pytest.raises(ConfigError):
            add(file, entry)
    assert file.path.read_bytes() == before


def test_a_broken_file_is_not_edited(file: KeyFile, line: Line) -> None:
    file.path.write_text(f"{line('a')}\nbroken\n")
    for edit in (lambda: add(file, json.loads(line("b"))), lambda: revoke(file, "a", NOON)):
        with pytest.raises(ConfigError, match="is no entry"):
            edit()
    assert file.path.read_text() == f"{line('a')}\nbroken\n"


def test_a_file_keeps_whom_it_is_for(file: KeyFile, line: Line) -> None:
    file.path.write_text(line("a"))
    file.path.chmod(0o640)
    if os.geteuid() == 0:
        os.chown(file.path, 12_345, 54_321)
    add(file, json.loads(line("b")))
    found = file.path.stat()
    assert stat.S_IMODE(found.st_mode) == 0o640
    assert (found.st_uid, found.st_gid) == ((12_345, 54_321) if os.geteuid() == 0 else (os.geteuid(), found.st_gid))


def test_a_link_to_the_file_stays_one(file: KeyFile, line: Line, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    file.path.symlink_to("elsewhere/keys")
    add(file, json.loads(line("a")))
    assert file.path.is_symlink()
    assert (tmp_path / "elsewhere" / "keys").read_text() == f"{line('a')}\n"


def test_a_folder_that_cannot_be_written_is_told(file: KeyFile, line: Line) -> None:
    (file.path.parent / ".keys.jsonl.lock").mkdir()
    with pytest.raises(StateUnusable, match="cannot be edited"):
        add(file, json.loads(line("a")))
    assert not file.path.exists()


def test_a_disk_that_is_full_leaves_everything_as_it_was(
    file: KeyFile, line: Line, monkeypatch: pytest.MonkeyPatch
) -> None:
    file.path.write_text(line("a"))

    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(StateUnusable, match="No space left on device"):
        add(file, json.loads(line("b")))
    assert file.path.read_text() == line("a")
    assert not [one for one in file.path.parent.iterdir() if one.name.startswith(".keys.jsonl.") and one.stat().st_size]


def test_of_many_who_edit_at_once_nobody_loses_anything(file: KeyFile, line: Line) -> None:
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(add, [file] * 24, [json.loads(line(f"k{number}")) for number in range(24)]))
    assert {entry["name"] for entry in entries(file)} == {f"k{number}" for number in range(24)}


def test_a_name_takes_an_entry_back_and_an_id_one_key_of_it(file: KeyFile, line: Line, digest: Digest) -> None:
    two = [{"id": "sg-1", "sha256": digest("1")}, {"id": "sg-2", "sha256": digest("2")}]
    file.path.write_text("\n".join([line("a", digests=two), line("b", id="sg-3"), line("c", id="sg-4")]))
    assert list(revoke(file, "sg-2", NOON)) == ["a"]
    assert [key.revoked for key in file.parse(file.path.read_bytes()).keys] == [False, True, False, False]
    assert list(revoke(file, "sg-3", NOON)) == ["b"]
    assert list(revoke(file, "a", NOON + 60)) == ["a"]
    assert [key.revoked for key in file.parse(file.path.read_bytes()).keys] == [True, True, True, False]
    # The first time stands.
    assert list(revoke(file, "sg-2", NOON + DAY)) == ["a"]
    assert entries(file)[0]["digests"][1]["revoked"] == "2030-03-17T17:46:40Z"


@pytest.mark.parametrize("named", ["nobody", "sg-", "A", ""])
def test_what_is_not_there_cannot_be_taken_back(file: KeyFile, line: Line, named: str) -> None:
    file.path.write_text(line("a", id="sg-1"))
    with pytest.raises(NoSuchKey):
        revoke(file, named, NOON)


def test_a_successor_stands_beside_the_key_before_which_ends_with_the_overlap(file: KeyFile, line: Line) -> None:
    file.path.write_text(line("a", id="sg-1", tenant="t", roles=["app", "auditor"]))
    assert rotate(file, "a", fresh(2), NOON + DAY) == 1
    old, new = file.parse(file.path.read_bytes()).keys
    assert (old.caller.secret, old.expires) == ("sg-1", NOON + DAY)
    assert (new.caller.secret, new.expires) == ("sg-2", float("inf"))
    assert (old.caller.tenant, old.caller.roles) == (new.caller.tenant, new.caller.roles)
    assert set(entries(file)[0]) == {"name", "tenant", "roles", "digests"}


def test_a_key_that_ends_before_the_overlap_does_is_not_made_to_last_longer(file: KeyFile, line: Line) -> None:
    digests = [
        {"sha256": "01" * 32, "expires": "2030-03-17T17:46:40Z"},  # ends this very moment
        {"sha256": "02" * 32, "expires": "2030-03-17T18:00:00Z"},
        {"sha256": "03" * 32, "revoked": "2030-01-01T00:00:00Z"},
        {"sha256": "04" * 32},
    ]
    file.path.write_text(line("a", digests=digests))
    assert rotate(file, "a", fresh(5), NOON + DAY) == 2
    found = {key.sha256[:2]: key.expires for key in file.parse(file.path.read_bytes()).keys}
    assert "01" not in found
    assert (found["02"], found["04"]) == (NOON + 800, NOON + DAY)
    assert [one.get("revoked") is None for one in entries(file)[0]["digests"]] == [True, False, True, True]


def test_a_successor_lasts_as_long_as_the_key_before_was_made_for(file: KeyFile, line: Line) -> None:
    made = {"created": "2030-01-01T00:00:00Z", "expires": "2030-04-01T00:00:00Z"}
    file.path.write_text(line("a", **made) + "\n" + line("b", **made))
    rotate(file, "a", fresh(1), NOON + DAY)
    rotate(file, "b", fresh(2, expires=NOON + 2 * DAY), NOON + DAY)
    ends = {key.caller.secret: key.expires for key in file.parse(file.path.read_bytes()).keys}
    assert (ends["sg-1"], ends["sg-2"]) == (NOON + 90 * DAY, NOON + 2 * DAY)


def test_only_an_entry_that_still_opens_gets_a_successor(file: KeyFile, line: Line) -> None:
    file.path.write_text(line("a", revoked="2030-01-01T00:00:00Z"))
    with pytest.raises(NoSuchKey, match="was revoked"):
        rotate(file, "a", fresh(1), NOON + DAY)
    with pytest.raises(NoSuchKey, match="no key is called `b`"):
        rotate(file, "b", fresh(1), NOON + DAY)
