import hashlib
import hmac
import json
import logging
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from gateway.activation.break_glass import KEY, BreakGlass, shared_key
from gateway.activation.state_folder import StateFolder
from gateway.domain.errors import StateUnusable

REASON = "the model's owner asks for it"
FILE = "break-glass.json"
SECRET = b"s" * 32


@dataclass
class Clock:
    """Wall clock and ticks, which run alike unless a test says otherwise."""

    wall: float = 1_000_000.0
    ticks: float = 50.0

    def pass_s(self, seconds: float) -> None:
        self.wall += seconds
        self.ticks += seconds


@dataclass
class Workers:
    """Two workers of one gateway, and its folder."""

    folder: StateFolder
    clock: Clock = field(default_factory=Clock)

    def one(self, key: bytes = SECRET) -> BreakGlass:
        return BreakGlass(self.folder, key, wall=lambda: self.clock.wall, ticks=lambda: self.clock.ticks)


def sealed(text: str) -> bytes:
    """A file with a good seal, whatever stands under it."""
    seal = hmac.new(SECRET, b"splitgate break-glass grant\n" + text.encode(), hashlib.sha256).hexdigest()
    return json.dumps({"seal": seal, "grant": text}).encode()


@pytest.fixture
def workers(tmp_path: Path) -> Workers:
    return Workers(StateFolder(tmp_path / "state"))


@pytest.fixture
def told(caplog: pytest.LogCaptureFixture) -> Callable[[], list[dict[str, Any]]]:
    """What the audit log holds."""
    caplog.set_level(logging.INFO, logger="splitgate.audit")
    return lambda: [json.loads(record.getMessage()) for record in caplog.records if record.name == "splitgate.audit"]


def test_without_a_grant_nothing_is_set_aside(workers: Workers) -> None:
    glass = workers.one()
    assert glass.bypass() is None
    assert glass.state().grant is None


async def test_a_grant_holds_in_all_workers_until_it_expires(workers: Workers) -> None:
    one, two = workers.one(), workers.one()
    assert two.bypass() is None
    await one.grant(REASON, 5, "ops")
    assert one.bypass() == REASON
    workers.clock.pass_s(1.0)
    assert two.bypass() == REASON
    workers.clock.pass_s(298.9)
    assert (one.bypass(), two.bypass()) == (REASON, REASON)
    workers.clock.pass_s(0.2)
    assert (one.bypass(), two.bypass()) == (None, None)
    assert workers.one().bypass() is None


async def test_the_file_is_looked_at_once_a_second_at_most(workers: Workers) -> None:
    one, two = workers.one(), workers.one()
    assert two.bypass() is None
    await one.grant(REASON, 5, "ops")
    workers.clock.pass_s(0.9)
    assert two.bypass() is None
    workers.clock.pass_s(0.2)
    assert two.bypass() == REASON


async def test_an_end_holds_at_once_here_and_within_a_second_elsewhere(workers: Workers) -> None:
    one, two = workers.one(), workers.one()
    await one.grant(REASON, 5, "ops")
    assert two.bypass() == REASON
    assert (await one.end("ops")).grant is None
    assert one.bypass() is None
    workers.clock.pass_s(1.0)
    assert two.bypass() is None


async def test_an_end_without_a_grant_changes_nothing(workers: Workers) -> None:
    state = await workers.one().end("ops")
    assert (state.grant, state.ends) == (None, 0)


async def test_an_ended_grant_is_not_revived_by_putting_its_file_back(workers: Workers) -> None:
    glass = workers.one()
    await glass.grant(REASON, 5, "ops")
    raw = workers.folder.read(FILE, 10_000)
    assert raw is not None
    await glass.end("ops")
    workers.folder.write(FILE, raw)
    workers.clock.pass_s(1.0)
    assert glass.bypass() is None


async def test_no_grant_is_longer_than_an_hour(workers: Workers) -> None:
    glass = workers.one()
    state = await glass.grant(REASON, 10_000, "ops")
    assert state.grant is not None
    assert state.grant.expires - state.grant.granted_at == 3600.0


@pytest.mark.parametrize(("granted_at", "expires"), [(0.0, 3600.1), (0.0, 0.0), (100.0, 50.0), (10.0, 100.0)])
async def test_what_a_file_says_beyond_that_is_not_believed_whoever_sealed_it(
    workers: Workers, granted_at: float, expires: float
) -> None:
    glass = workers.one()
    now = workers.clock.wall
    grant = {"id": "1", "reason": REASON, "granted_by": "ops", "granted_at": now + granted_at, "expires": now + expires}
    text = json.dumps(grant)
    workers.folder.write(FILE, sealed(text))
    assert glass.bypass() is None
    # The near miss: an hour from now.
    text = json.dumps({**grant, "granted_at": now, "expires": now + 3600.0})
    workers.folder.write(FILE, sealed(text))
    workers.clock.pass_s(1.0)
    assert glass.bypass() == REASON


async def test_a_wall_clock_that_is_set_back_lengthens_nothing(workers: Workers) -> None:
    glass = workers.one()
    await glass.grant(REASON, 60, "ops")
    assert glass.bypass() == REASON
    workers.clock.ticks += 3600.0
    workers.clock.wall += 10.0
    assert glass.bypass() is None
    workers.clock.wall -= 3600.0
    assert glass.bypass() is None


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (rb"expires", b"expirez"),
        (rb"1000300\.0", b"1000900.0"),
        (rb".\Z", b""),
        (rb"(?s)\A.*\Z", b""),
        (rb"(?s)\A.*\Z", b"{}"),
        (rb"(?s)\A.*\Z", b"x" * 10_000),
        (rb"(?s)\A.*\Z", '{"seal": "ä", "grant": ""}'.encode()),
        (rb"(?s)\A.*\Z", sealed('{"id": "1"}')),
    ],
)
async def test_a_file_that_was_changed_sets_nothing_aside(workers: Workers, old: bytes, new: bytes) -> None:
    glass = workers.one()
    await glass.grant(REASON, 5, "ops")
    raw = workers.folder.read(FILE, 10_000)
    assert raw is not None
    changed = re.sub(old, new, raw, count=1)
    assert changed != raw
    workers.folder.write(FILE, changed)
    workers.clock.pass_s(1.0)
    assert glass.bypass() is None
    assert workers.one().bypass() is None
    assert glass.state().refused == 1


async def test_a_grant_of_another_gateway_or_of_an_earlier_start_sets_nothing_aside(workers: Workers) -> None:
    await workers.one(b"x" * 32).grant(REASON, 5, "ops")
    glass = workers.one()
    assert glass.bypass() is None
    assert glass.state().refused == 1


async def test_a_file_that_others_may_write_sets_nothing_aside(workers: Workers) -> None:
    glass = workers.one()
    await glass.grant(REASON, 5, "ops")
    assert glass.bypass() == REASON
    (workers.folder.path / FILE).chmod(0o666)
    workers.clock.pass_s(1.0)
    assert glass.bypass() is None


async def test_where_a_grant_cannot_be_kept_there_is_none(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    glass = BreakGlass(StateFolder(tmp_path / "file"), SECRET)
    with pytest.raises(StateUnusable):
        await glass.grant(REASON, 5, "ops")
    assert glass.bypass() is None


async def test_a_second_grant_takes_the_place_of_the_first(workers: Workers) -> None:
    glass = workers.one()
    await glass.grant(REASON, 60, "ops")
    state = await glass.grant("another good reason", 1, "sec")
    assert glass.bypass() == "another good reason"
    assert (state.grants, state.ends) == (2, 1)
    workers.clock.pass_s(60.0)
    assert glass.bypass() is None


async def test_grants_ends_refusals_and_requests_are_counted(workers: Workers) -> None:
    glass = workers.one()
    await glass.grant(REASON, 5, "ops")
    for _ in range(3):
        glass.bypass()
    await glass.end("ops")
    glass.bypass()
    workers.folder.write(FILE, b"nonsense")
    workers.clock.pass_s(1.0)
    glass.bypass()
    state = glass.state()
    assert (state.grants, state.ends, state.refused, state.requests) == (1, 1, 1, 3)


async def test_every_step_is_written_down(workers: Workers, told: Callable[[], list[dict[str, Any]]]) -> None:
    one, two = workers.one(), workers.one()
    await one.grant("line one\nline two", 5, "ops")
    two.bypass()
    await one.end("sec")
    workers.clock.pass_s(1.0)
    two.bypass()
    assert [(line["event"].removeprefix("break_glass."), line["by"]) for line in told()] == [
        ("granted", "ops"),
        ("in_force", None),
        ("in_force", None),
        ("over", None),
        ("ended", "sec"),
        ("over", None),
    ]
    assert told()[0]["grant"]["reason"] == "line one\nline two"
    assert told()[0]["grant"]["expires"] == workers.clock.wall - 1.0 + 300.0


async def test_an_expiry_is_written_down_once(workers: Workers, told: Callable[[], list[dict[str, Any]]]) -> None:
    glass = workers.one()
    await glass.grant(REASON, 1, "ops")
    workers.clock.pass_s(61.0)
    for _ in range(3):
        assert glass.bypass() is None
        workers.clock.pass_s(1.0)
    assert [line["event"] for line in told()].count("break_glass.over") == 1


def test_the_key_comes_from_the_supervisor_and_leaves_the_environment() -> None:
    environ = {KEY: "ab" * 32}
    assert shared_key(environ) == bytes.fromhex("ab" * 32)
    assert environ == {}
    assert len(shared_key(environ)) == 32
    assert shared_key(environ) != shared_key(environ)
