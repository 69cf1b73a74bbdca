import hashlib
import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

import pytest
from typer.testing import Result

from gateway.domain.identity import Key, Role
from gateway.domain.prompt import Trust
from gateway.settings import Settings, load

Splitgate = Callable[..., Result]
KEY = re.compile(r"sg-[0-9a-f]{8}-[A-Za-z0-9_-]{43}")
DAY = 86_400


class Site(Protocol):
    path: Path
    run: Splitgate

    def found(self) -> tuple[Key, ...]: ...

    def entries(self) -> list[dict[str, Any]]: ...


def settings_with(entry: str) -> Settings:
    Path("made.yaml").write_text(f"keys:\n  {entry}\nmodels: {{m: {{targets: [{{provider: embedded}}]}}}}\n")
    return load(Path("made.yaml"), {})


def test_a_key_is_printed_once_with_an_entry_that_matches_it(splitgate: Splitgate) -> None:
    result = splitgate("keys", "new", "--name", "app-1", "--tenant", "support")
    assert result.exit_code == 0
    key, entry = result.stdout.rstrip("\n").split("\n")
    assert KEY.fullmatch(key)
    (found,) = settings_with(entry).keys
    assert found.sha256 == hashlib.sha256(key.encode()).hexdigest()
    assert (found.caller.key, found.caller.tenant, found.caller.secret) == ("app-1", "support", key[:11])
    assert key[12:] not in entry
    assert key[12:] not in result.stderr


def test_what_it_may_do_stands_in_the_entry(splitgate: Splitgate) -> None:
    wish = ("--role", "approver", "--role", "auditor", "--model", "m*", "--route", "split", "--max-trust", "user")
    entry = splitgate("keys", "new", *wish, "--require-data", "--expires", "90d").stdout.rstrip("\n").split("\n")[1]
    (found,) = settings_with(entry).keys
    assert found.caller.roles == {Role.APPROVER, Role.AUDITOR}
    assert (found.caller.models, found.caller.routes) == ({"m"}, {"split"})
    assert (found.caller.max_trust, found.caller.require_data) == (Trust.USER, True)
    assert abs(found.expires - time.time() - 90 * DAY) < 60


def test_each_key_is_another_and_names_itself(splitgate: Splitgate) -> None:
    first, second = (splitgate("keys", "new").stdout.split("\n") for _ in range(2))
    assert first[0] != second[0]
    assert f'name: "app-{first[0][3:11]}"' in first[1]


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("--name", "a b"), ("--tenant", ""), ("--name", 'x", y: "'), ("--model", "a b"), ("--model", ""),
        ("--route", "chat"), ("--role", "root"), ("--max-trust", "untrusted"), ("--expires", "90"),
        ("--expires", "0d"), ("--expires", "2020-01-01T00:00:00Z"), ("--expires", "999999999w"),
    ],
)  # fmt: skip
def test_what_the_file_would_refuse_is_refused(splitgate: Splitgate, option: str, value: str) -> None:
    result = splitgate("keys", "new", option, value)
    assert (result.exit_code, result.stdout) == (2, "")
    assert option in result.stderr


def test_written_keys_open_and_their_text_is_nowhere(site: Site) -> None:
    result = site.run("keys", "new", "--write", "--name", "app-1", "--model", "team-*", "--expires", "2h")
    assert result.exit_code == 0, result.stderr
    key = result.stdout.rstrip("\n")
    assert KEY.fullmatch(key)
    (found,) = site.found()
    assert found.sha256 == hashlib.sha256(key.encode()).hexdigest()
    assert (found.caller.key, found.caller.models) == ("app-1", {"team-a"})
    assert abs(found.expires - time.time() - 7200) < 60
    for file in site.path.parent.iterdir():
        assert key[12:] not in file.read_text()
    assert key[12:] not in result.stderr


@pytest.mark.parametrize(
    ("wish", "code", "said"),
    [
        (("--name", "app-1"), 1, "`splitgate keys rotate`"),
        (("--name", "fixed"), 1, "there is a key `fixed`"),
        (("--model", "gone"), 2, "no model is `gone`; there are m, team-a"),
        (("--model", "gone-*"), 2, "no model is `gone-*`"),
    ],
)
def test_nothing_is_written_that_could_not_be_meant(site: Site, wish: tuple[str, ...], code: int, said: str) -> None:
    assert site.run("keys", "new", "--write", "--name", "app-1").exit_code == 0
    before = site.path.read_bytes()
    result = site.run("keys", "new", "--write", *wish)
    assert (result.exit_code, result.stdout) == (code, "")
    assert said in result.stderr
    assert site.path.read_bytes() == before


def test_without_a_key_file_there_is_nothing_to_write_to(splitgate: Splitgate) -> None:
    for command in (("new", "--write"), ("rotate", "a"), ("revoke", "a")):
        result = splitgate("keys", *command)
        assert (result.exit_code, result.stdout) == (2, "")
        assert "`keys_file`" in result.stderr


def test_a_broken_key_file_is_told_and_left_alone(site: Site) -> None:
    site.path.write_text("planted\n")
    for command in (("new", "--write"), ("rotate", "a"), ("revoke", "a"), ("list",)):
        result = site.run("keys", *command)
        assert (result.exit_code, result.stdout) == (2, "")
        assert "keys.jsonl:1:1: is no entry" in result.stderr
        assert "planted" not in result.stderr
    assert site.path.read_text() == "planted\n"


def test_a_successor_and_the_key_before_open_both_for_the_overlap(site: Site) -> None:
    first = site.run("keys", "new", "--write", "--name", "app-1").stdout.rstrip("\n")
    result = site.run("keys", "rotate", "app-1", "--overlap", "2h", "--expires", "30d")
    assert result.exit_code == 0, result.stderr
    second = result.stdout.rstrip("\n")
    old, new = site.found()
    assert [key.sha256 for key in (old, new)] == [hashlib.sha256(key.encode()).hexdigest() for key in (first, second)]
    assert {key.caller.key for key in (old, new)} == {"app-1"}
    assert abs(old.expires - time.time() - 7200) < 60
    assert abs(new.expires - time.time() - 30 * DAY) < 60


@pytest.mark.parametrize("name", ["nobody", "fixed"])
def test_only_a_key_of_the_key_file_gets_a_successor(site: Site, name: str) -> None:
    site.run("keys", "new", "--write", "--name", "app-1")
    result = site.run("keys", "rotate", name)
    assert (result.exit_code, result.stdout) == (1, "")
    assert f"no key is called `{name}`" in result.stderr


def test_a_key_is_taken_back_by_its_name_or_its_id(site: Site) -> None:
    site.run("keys", "new", "--write", "--name", "app-1")
    second = site.run("keys", "rotate", "app-1").stdout
    assert site.run("keys", "revoke", second[:11]).exit_code == 0
    assert [key.revoked for key in site.found()] == [False, True]
    assert site.run("keys", "revoke", "app-1").exit_code == 0
    assert [key.revoked for key in site.found()] == [True, True]


@pytest.mark.parametrize(
    ("named", "said"),
    [("nobody", "has no key of the name or id `nobody`"), ("fixed", "stands in splitgate.yaml itself"),
     ("sg-0", "stands in splitgate.yaml itself")],
)  # fmt: skip
def test_what_is_not_in_the_key_file_cannot_be_taken_back_there(site: Site, named: str, said: str) -> None:
    site.run("keys", "new", "--write", "--name", "app-1")
    result = site.run("keys", "revoke", named)
    assert result.exit_code == 1
    assert said in result.stderr
