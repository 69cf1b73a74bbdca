"""The file of held replies: whole or absent, its owner's alone, and where it cannot be used nothing is released."""

# ruff: noqa: ASYNC240 — nobody else waits for this event loop

import os
import resource
import sqlite3
import stat
import tempfile
from collections.abc import Callable, Generator
from contextlib import closing
from pathlib import Path

import pytest

from gateway.domain.approval import Approval, ApprovalStatus, HeldReply
from gateway.domain.errors import ApprovalsUnavailable, UnknownApproval
from gateway.domain.exchange import Choice, Handling, Reply
from gateway.stores.approvals import SqliteApprovals

NOBODY = 65534
REVISION = "sha256:1"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "splitgate" / "state" / "approvals.sqlite3"


@pytest.fixture
def opened() -> Callable[[Path], SqliteApprovals]:
    return lambda path: SqliteApprovals(path, lambda: 1000.0, patience_s=0.05)


@pytest.fixture
def store(path: Path, opened: Callable[[Path], SqliteApprovals]) -> SqliteApprovals:
    return opened(path)


@pytest.fixture
def held() -> HeldReply:
    approval = Approval(
        id="a1", tenant="t", key="asker", dialect="split", model="m", request_digest="d", calls=(), tools=(), rules=(),
        revision=REVISION, created=1000.0, expires=2000.0,
    )  # fmt: skip
    reply = Reply(id="1", model="m", created=1, choices=(Choice(index=0, text="planted-text", finish_reason="stop"),))
    handling = Handling(request_id="r", model="m", created=1, isolation="channel", format="plain", target="t")
    return HeldReply(approval=approval, reply=reply, handling=handling)


async def approve(store: SqliteApprovals, held: HeldReply) -> None:
    await store.hold(held)
    assert await store.decide("a1", "t", ApprovalStatus.APPROVED, by="boss", reason="fine") is not None


async def refuses_everything(store: SqliteApprovals, held: HeldReply) -> None:
    for act in (
        lambda: store.take("a1", "t", "asker", REVISION),
        lambda: store.look("a1", "t"),
        lambda: store.decide("a1", "t", ApprovalStatus.APPROVED, by="boss", reason="fine"),
        lambda: store.void("a1", "t", "sha256:2"),
        lambda: store.hold(held),
        store.sweep,
    ):
        with pytest.raises(ApprovalsUnavailable, match="state_dir") as told:
            await act()
        assert "/" not in told.value.message


async def still_hands_out(store: SqliteApprovals) -> bool:
    return await store.take("a1", "t", "asker", REVISION) is not None


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


async def test_file_and_folders_are_their_owners_alone(path: Path, store: SqliteApprovals, held: HeldReply) -> None:
    umask = os.umask(0)
    try:
        await store.hold(held)
    finally:
        os.umask(umask)
    assert (mode(path.parent.parent), mode(path.parent), mode(path)) == (0o700, 0o700, 0o600)
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
        connection.execute("SELECT count(*) FROM approvals").fetchone()
        assert {mode(file) for file in path.parent.iterdir()} == {0o600}
        assert len(list(path.parent.iterdir())) > 1


async def test_nothing_is_made_before_somebody_asks(path: Path, store: SqliteApprovals) -> None:
    await store.sweep()
    assert not path.parent.exists()
    with pytest.raises(UnknownApproval):
        await store.look("a1", "t")
    assert [file.name for file in path.parent.iterdir()] == [path.name]


async def test_another_worker_finds_what_one_held(
    path: Path, store: SqliteApprovals, held: HeldReply, opened: Callable[[Path], SqliteApprovals]
) -> None:
    await approve(store, held)
    assert await still_hands_out(opened(path))
    assert not await still_hands_out(store)


async def test_a_path_that_looks_like_a_query_is_a_path(
    tmp_path: Path, held: HeldReply, opened: Callable[[Path], SqliteApprovals]
) -> None:
    odd = tmp_path / "a?mode=memory#b%20 c" / "approvals.sqlite3"
    await approve(opened(odd), held)
    assert await still_hands_out(opened(odd))


@pytest.mark.parametrize("content", [b"", b"no database at all" * 500, b"SQLite format 3\0" + b"\xff" * 8000])
async def test_a_file_that_is_no_such_database_is_refused_and_left_as_it_is(
    path: Path, store: SqliteApprovals, held: HeldReply, content: bytes
) -> None:
    path.parent.mkdir(parents=True, mode=0o700)
    path.touch(mode=0o600)
    path.write_bytes(content)
    await refuses_everything(store, held)
    assert path.read_bytes() == content


async def test_pages_that_were_overwritten_release_nothing(path: Path, store: SqliteApprovals, held: HeldReply) -> None:
    await approve(store, held)
    content = path.read_bytes()
    path.write_bytes(content[:100] + b"\xff" * (len(content) - 100))
    await refuses_everything(store, held)
    path.write_bytes(content[:4096])
    await refuses_everything(store, held)
    path.write_bytes(content)
    assert await still_hands_out(store)


async def test_a_file_of_another_release_is_refused(path: Path, store: SqliteApprovals, held: HeldReply) -> None:
    await approve(store, held)
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA user_version = 2")
    await refuses_everything(store, held)
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA user_version = 1")
    assert await still_hands_out(store)


@pytest.mark.parametrize("kind", ["IMMEDIATE", "EXCLUSIVE"])
async def test_a_file_that_somebody_keeps_locked_releases_nothing(
    path: Path, store: SqliteApprovals, held: HeldReply, kind: str
) -> None:
    await approve(store, held)
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute(f"BEGIN {kind}")
        await refuses_everything(store, held)
        connection.execute("ROLLBACK")
    assert await still_hands_out(store)


async def test_a_disk_that_takes_no_more_releases_nothing(path: Path, store: SqliteApprovals, held: HeldReply) -> None:
    await approve(store, held)
    before = path.read_bytes()
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, limits[1]))
    try:
        with pytest.raises(ApprovalsUnavailable):
            await store.take("a1", "t", "asker", REVISION)
        with pytest.raises(ApprovalsUnavailable):
            await store.hold(held)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert path.read_bytes() == before
    assert await still_hands_out(store)


@pytest.fixture
def unprivileged() -> Generator[Path]:
    """A folder of a user who may be refused something: root never is."""
    is_root = os.geteuid() == 0
    with tempfile.TemporaryDirectory() as name:
        if is_root:
            os.chown(name, NOBODY, -1)
            os.seteuid(NOBODY)
        try:
            yield Path(name)
        finally:
            if is_root:
                os.seteuid(0)


async def test_a_file_that_may_only_be_read_releases_nothing(
    unprivileged: Path, held: HeldReply, opened: Callable[[Path], SqliteApprovals]
) -> None:
    path = unprivileged / "approvals.sqlite3"
    store = opened(path)
    await approve(store, held)
    path.chmod(0o400)
    unprivileged.chmod(0o500)
    await refuses_everything(store, held)
    unprivileged.chmod(0o700)
    await refuses_everything(store, held)
    path.chmod(0o600)
    assert await still_hands_out(store)


async def test_a_folder_that_may_not_be_made_is_refused(
    unprivileged: Path, held: HeldReply, opened: Callable[[Path], SqliteApprovals]
) -> None:
    unprivileged.chmod(0o500)
    store = opened(unprivileged / "state" / "approvals.sqlite3")
    with pytest.raises(ApprovalsUnavailable):
        await store.hold(held)
    unprivileged.chmod(0o700)
    await approve(store, held)
    assert await still_hands_out(store)


@pytest.mark.parametrize("gone", ["file", "folder"])
async def test_what_is_gone_is_told_once_and_then_made_anew_empty(
    path: Path, store: SqliteApprovals, held: HeldReply, gone: str
) -> None:
    await approve(store, held)
    path.unlink()
    if gone == "folder":
        path.parent.rmdir()
    with pytest.raises(ApprovalsUnavailable):
        await store.take("a1", "t", "asker", REVISION)
    assert not await still_hands_out(store)
    await approve(store, held)
    assert await still_hands_out(store)


async def test_what_others_could_have_written_or_read_is_not_used(
    path: Path, store: SqliteApprovals, held: HeldReply, monkeypatch: pytest.MonkeyPatch
) -> None:
    await approve(store, held)
    for place, closed, opened in ((path, 0o600, 0o640), (path.parent, 0o700, 0o711)):
        place.chmod(opened)
        await refuses_everything(store, held)
        place.chmod(closed)
    euid = os.geteuid()
    monkeypatch.setattr(os, "geteuid", lambda: euid + 1)
    await refuses_everything(store, held)
    monkeypatch.undo()
    assert await still_hands_out(store)


async def test_links_to_elsewhere_are_not_followed(
    path: Path, store: SqliteApprovals, held: HeldReply, opened: Callable[[Path], SqliteApprovals], tmp_path: Path
) -> None:
    await approve(store, held)
    beside = tmp_path / "link"
    beside.mkdir(mode=0o700)
    (beside / "approvals.sqlite3").symlink_to(path)
    await refuses_everything(opened(beside / "approvals.sqlite3"), held)
    (tmp_path / "folder").symlink_to(path.parent)
    await refuses_everything(opened(tmp_path / "folder" / "approvals.sqlite3"), held)


async def test_a_folder_that_is_a_file_is_refused(
    tmp_path: Path, held: HeldReply, opened: Callable[[Path], SqliteApprovals]
) -> None:
    (tmp_path / "state").touch()
    with pytest.raises(ApprovalsUnavailable):
        await opened(tmp_path / "state" / "approvals.sqlite3").hold(held)
