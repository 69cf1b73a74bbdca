import json
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

import pytest
from typer.testing import Result

from gateway.cli.keys.show import state_of
from gateway.domain.identity import Caller, Key


class Site(Protocol):
    path: Path
    run: Callable[..., Result]


@pytest.fixture
def filled(site: Site) -> Site:
    def line(name: str, number: int, **more: object) -> str:
        return json.dumps({"name": name, "id": f"sg-{number}", "sha256": f"{number:02x}" * 32, **more})

    site.path.write_text(
        "\n".join(
            [
                line("app-1", 1, tenant="t", models=["team-*"], routes=["split"], expires="2999-01-01T00:00:00Z"),
                line("gone", 2, expires="2020-01-01T00:00:00Z"),
                line("later", 3, not_before="2999-01-01T00:00:00Z", models=["nothing"]),
                line("boss", 4, roles=["approver", "admin"], revoked="2020-01-01T00:00:00Z"),
            ]
        )
    )
    return site


def test_every_key_is_listed_with_what_it_may_do_and_whether_it_opens(filled: Site) -> None:
    listed = {row["name"]: row for row in json.loads(filled.run("keys", "list", "--json").stdout)}
    assert {name: row["state"] for name, row in listed.items()} == {
        "fixed": "open", "app-1": "open", "gone": "expired", "later": "later", "boss": "revoked",
    }  # fmt: skip
    assert (listed["fixed"]["in"], listed["app-1"]["in"]) == ("keys", "keys_file")
    assert (listed["app-1"]["models"], listed["app-1"]["routes"]) == (["team-a"], ["split"])
    assert (listed["fixed"]["models"], listed["later"]["models"]) == (None, [])
    assert listed["boss"]["roles"] == ["admin", "approver"]
    assert (listed["app-1"]["until"], listed["later"]["from"]) == ("2999-01-01T00:00:00Z", "2999-01-01T00:00:00Z")


def test_people_get_a_table_without_any_digest(filled: Site) -> None:
    told = filled.run("keys", "list")
    assert told.exit_code == 0
    rows = {line.split()[0]: line.split() for line in told.stdout.splitlines() if line.strip()}
    assert rows["app-1"][1:] == ["sg-1", "open", "2999-01-01T00:00:00Z", "t", "app", "team-a", "split", "keys_file"]
    assert rows["later"][6:8] == ["none", "all"]
    assert "0101" not in told.stdout


@pytest.mark.parametrize(("now", "state"), [(9, "later"), (10, "open"), (19, "open"), (20, "expired"), (30, "expired")])
def test_a_key_is_open_from_its_first_moment_to_before_its_last(now: float, state: str) -> None:
    key = Key(sha256="", caller=Caller(key="k", tenant="t"), not_before=10, expires=20)
    assert state_of(key, now) == state
