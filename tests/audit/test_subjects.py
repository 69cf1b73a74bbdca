"""Keys of data subjects: one for each, the same for every process, and gone for good once it is destroyed."""

# ruff: noqa: ASYNC240 — nobody else waits for this event loop

import asyncio
import base64
import hashlib
import hmac
import pickle
import random
import sqlite3
import sys
import time
from asyncio.subprocess import PIPE
from collections.abc import Callable, Generator
from contextlib import closing
from pathlib import Path

import pytest

from gateway.audit.subjects import KEEP_S, Erased, Keys, MasterKey, SubjectKeys, kept_text, load_or_make_master
from gateway.domain.errors import StateUnusable

RAW = bytes(range(32))


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "audit" / "subjects.sqlite3"


@pytest.fixture
def master() -> MasterKey:
    return MasterKey(RAW)


Opened = Callable[..., SubjectKeys]


@pytest.fixture
def opened(path: Path, master: MasterKey, clock: Clock) -> Generator[Opened]:
    made: list[SubjectKeys] = []

    def make(key: MasterKey = master, most: int = 100, patience_s: float = 5.0) -> SubjectKeys:
        keys = SubjectKeys(path, key, clock, wall=lambda: int(clock.now * 1e6), most=most, patience_s=patience_s)
        made.append(keys)
        return keys

    yield make
    for keys in made:
        keys.close()


def hkdf(key: bytes, info: bytes) -> bytes:
    """RFC 5869 for one block, without a salt."""
    extracted = hmac.digest(bytes(32), key, "sha256")
    return hmac.digest(extracted, info + b"\x01", "sha256")


def wrapped(path: Path, row: str) -> bytes:
    with closing(sqlite3.connect(path)) as connection:
        ((found,),) = connection.execute("SELECT wrapped FROM keys WHERE pseudonym = ?", (row,)).fetchall()
    return found


def on_disk(path: Path) -> bytes:
    """All bytes of the folder, as somebody finds them who takes the disk away."""
    return b"".join(file.read_bytes() for file in path.parent.rglob("*") if file.is_file())


async def test_pseudonyms_and_commitments_are_what_the_format_says(
    opened: Opened, path: Path, master: MasterKey
) -> None:
    keys = await opened().fetch("acme", "bob")
    index = hkdf(RAW, b"splitgate subject index v1")
    assert keys.pseudonym == keys.row == hmac.digest(index, b"acme\x00bob", "sha256")[:16].hex()
    key = master.unwrap(keys.row, wrapped(path, keys.row))
    expected = hmac.new(hkdf(key, b"splitgate commitment v1"), "Grüße".encode(), hashlib.sha256).hexdigest()
    coming = keys.begin()
    for piece in ("Gr", "ü", "ße"):
        coming.update(piece)
    assert keys.commitment("Grüße") == coming.hexdigest() == coming.hexdigest() == expected


async def test_a_key_is_the_same_for_everyone_who_asks_later(opened: Opened) -> None:
    first = await opened().fetch("acme", "bob")
    assert (await opened().fetch("acme", "bob")).commitment("x") == first.commitment("x")


async def test_tenants_and_subjects_have_keys_of_their_own(opened: Opened) -> None:
    keys = opened()
    named = [("acme", "bob"), ("acme", "eve"), ("other", "bob"), ("acme", None), ("other", None), ("acme", "")]
    found = [await keys.fetch(tenant, subject) for tenant, subject in named]
    assert len({one.commitment("x") for one in found}) == len({one.row for one in found}) == len(named)
    assert [one.pseudonym is None for one in found] == [subject is None for _, subject in named]


async def test_what_no_encoding_holds_has_a_key_and_a_commitment_too(opened: Opened) -> None:
    keys = await opened().fetch("acme", "\ud800")
    assert len(keys.commitment("\udfff")) == 64


async def test_keys_are_remembered_for_a_while_and_the_latest_used_the_longest(opened: Opened, clock: Clock) -> None:
    keys = opened(most=2)
    assert keys.cached("acme", "bob") is None
    bob = await keys.fetch("acme", "bob")
    await keys.fetch("acme", None)
    assert keys.cached("acme", "bob") is bob
    await keys.fetch("acme", "eve")
    assert keys.cached("acme", None) is None
    assert keys.cached("acme", "bob") is bob
    clock.now += KEEP_S - 0.01
    assert keys.cached("acme", "bob") is bob
    clock.now += 0.01
    assert keys.cached("acme", "bob") is None


async def test_a_destroyed_key_is_used_by_other_processes_no_longer_than_they_remember(
    opened: Opened, clock: Clock
) -> None:
    worker, operator = opened(), opened()
    before = await worker.fetch("acme", "bob")
    clock.now += 10
    assert operator.destroy(before.row)
    assert worker.cached("acme", "bob") is before
    assert worker.erased(before.row) == (Erased(created=1_000_000_000, time=1_010_000_000),)
    assert worker.kept("acme", before.row) is None
    clock.now += KEEP_S
    assert worker.cached("acme", "bob") is None
    after = await worker.fetch("acme", "bob")
    assert after.row == before.row
    assert after.commitment("x") != before.commitment("x")
    assert [one.time for one in worker.erased(before.row)] == [1_010_000_000]


async def test_the_process_that_destroys_a_key_forgets_it_at_once(opened: Opened) -> None:
    keys = opened()
    for subject in ("bob", None):
        row = (await keys.fetch("acme", subject)).row
        assert keys.destroy(row)
        assert keys.cached("acme", subject) is None


async def test_each_generation_of_a_key_is_remembered_as_erased(opened: Opened, clock: Clock) -> None:
    keys = opened()
    row = keys.pseudonym("acme", "bob")
    for _ in range(3):
        await keys.fetch("acme", "bob")
        clock.now += 1
        assert keys.destroy(row)
    assert [one.time for one in keys.erased(row)] == [1_001_000_000, 1_002_000_000, 1_003_000_000]


async def test_what_was_never_there_cannot_be_destroyed(opened: Opened, path: Path) -> None:
    keys = opened()
    row = keys.pseudonym("acme", "bob")
    assert (keys.destroy(row), keys.erased(row), keys.kept("acme", row), path.exists()) == (False, (), None, False)
    await keys.fetch("acme", "eve")
    assert (keys.destroy(row), keys.erased(row), keys.kept("acme", row)) == (False, (), None)


async def test_keys_are_found_by_pseudonym(opened: Opened) -> None:
    keys = opened()
    for subject in ("bob", None):
        found = await keys.fetch("acme", subject)
        again = keys.kept("acme", found.pseudonym)
        assert again is not None
        assert (again.pseudonym, again.commitment("x")) == (found.pseudonym, found.commitment("x"))


@pytest.mark.parametrize("seed", range(3))
async def test_of_a_destroyed_key_nothing_is_left_below_the_folder(
    opened: Opened, path: Path, master: MasterKey, seed: int
) -> None:
    draw = random.Random(seed)  # noqa: S311 - which rows, not which keys
    # Another process has the file open, so that the log of changes outlives each connection.
    bystander, keys = opened(), opened()
    await bystander.fetch("acme", None)
    rows = [(await keys.fetch("acme", f"u{n}")).row for n in range(300)]
    draw.shuffle(rows)
    for row in rows[:150]:
        gone = wrapped(path, row)
        key = master.unwrap(row, gone)
        assert gone in on_disk(path)
        assert keys.destroy(row)
        left = on_disk(path)
        assert gone not in left
        assert gone[12:] not in left
        assert key not in left
        assert master.unwrap(rows[-1], wrapped(path, rows[-1]))


async def test_an_erasure_that_was_cut_short_is_finished_by_the_next(opened: Opened, path: Path) -> None:
    bystander, keys = opened(), opened()
    await bystander.fetch("acme", None)
    row = (await keys.fetch("acme", "bob")).row
    gone = wrapped(path, row)
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("DELETE FROM keys WHERE pseudonym = ?", (row,))
        connection.commit()
        assert gone in on_disk(path)
        assert keys.destroy(row) is False
    assert gone not in on_disk(path)


async def test_a_reader_in_the_way_makes_an_erasure_fail_and_not_lie(opened: Opened, path: Path) -> None:
    keys = opened(patience_s=0.05)
    row = (await keys.fetch("acme", "bob")).row
    gone = wrapped(path, row)
    with closing(sqlite3.connect(path)) as reader:
        reader.execute("BEGIN")
        reader.execute("SELECT * FROM keys").fetchall()
        with pytest.raises(StateUnusable, match="keeps reading"):
            keys.destroy(row)
        assert gone in on_disk(path)
        reader.execute("ROLLBACK")
        assert keys.destroy(row) is False
        assert gone not in on_disk(path)


async def test_another_master_key_opens_nothing(opened: Opened) -> None:
    await opened().fetch("acme", "bob")
    with pytest.raises(StateUnusable, match="another master key"):
        await opened(MasterKey(bytes(32))).fetch("acme", "bob")


async def test_a_key_that_was_moved_or_changed_is_refused(opened: Opened, path: Path) -> None:
    keys = opened()
    bob, eve = [(await keys.fetch("acme", subject)).row for subject in ("bob", "eve")]
    stolen = wrapped(path, bob)
    for put in (stolen, b"", b"short", stolen[:-1] + bytes([stolen[-1] ^ 1])):
        with closing(sqlite3.connect(path)) as connection:
            connection.execute("UPDATE keys SET wrapped = ? WHERE pseudonym = ?", (put, eve))
            connection.commit()
        with pytest.raises(StateUnusable, match="damaged"):
            keys.get("acme", "eve")


@pytest.mark.parametrize("mode", [0o644, 0o660, 0o400])
async def test_a_file_that_others_can_use_or_nobody_can_write_is_refused(opened: Opened, path: Path, mode: int) -> None:
    keys = opened()
    await keys.fetch("acme", "bob")
    path.chmod(mode)
    with pytest.raises(StateUnusable, match=r"subjects\.sqlite3"):
        await keys.fetch("acme", "bob")
    path.chmod(0o600)
    await keys.fetch("acme", "bob")


async def test_a_folder_that_others_can_write_is_refused(opened: Opened, path: Path) -> None:
    keys = opened()
    await keys.fetch("acme", "bob")
    path.parent.chmod(0o777)
    with pytest.raises(StateUnusable, match="folder"):
        await keys.fetch("acme", "bob")


@pytest.mark.parametrize("damage", [b"", b"no database at all, and longer than a header" * 10])
async def test_a_damaged_file_is_refused_and_stays(opened: Opened, path: Path, damage: bytes) -> None:
    keys = opened()
    await keys.fetch("acme", "bob")
    keys.close()
    path.write_bytes(damage)
    with pytest.raises(StateUnusable, match=r"subjects\.sqlite3"):
        await keys.fetch("acme", "bob")
    assert path.read_bytes() == damage


async def test_another_releases_file_is_refused(opened: Opened, path: Path) -> None:
    keys = opened()
    await keys.fetch("acme", "bob")
    keys.close()
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA user_version = 2")
    with pytest.raises(StateUnusable, match="release"):
        await keys.fetch("acme", "bob")


async def test_a_file_that_is_locked_for_longer_than_one_waits_is_refused(opened: Opened, path: Path) -> None:
    keys = opened(patience_s=0.05)
    await keys.fetch("acme", "bob")
    with closing(sqlite3.connect(path)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(StateUnusable, match="OperationalError"):
            await keys.fetch("acme", "eve")
        # What is there already can be read all the same.
        await keys.fetch("acme", "bob")
    await keys.fetch("acme", "eve")


async def test_a_file_that_was_replaced_is_opened_anew(opened: Opened, path: Path) -> None:
    keys = opened()
    before = await keys.fetch("acme", "bob")
    copy = path.with_name("copy")
    with closing(sqlite3.connect(path)) as connection, closing(sqlite3.connect(copy)) as other:
        connection.backup(other)
    copy.chmod(0o600)
    copy.replace(path)
    for beside in path.parent.glob("*-*"):
        beside.unlink()
    assert (await keys.fetch("acme", "bob")).commitment("x") == before.commitment("x")


async def test_file_and_folder_are_their_owners_alone(opened: Opened, path: Path) -> None:
    await opened().fetch("acme", "bob")
    assert path.parent.stat().st_mode & 0o777 == 0o700
    assert {file.stat().st_mode & 0o777 for file in path.parent.iterdir()} == {0o600}


async def test_nothing_shows_or_copies_a_key(opened: Opened, path: Path, master: MasterKey) -> None:
    keys = await opened().fetch("acme", "bob")
    assert repr(master) == "MasterKey(…)"
    assert repr(keys) == f"Keys(row={keys.row!r})"
    for one in (master, keys):
        with pytest.raises(TypeError):
            pickle.dumps(one)
    assert b"bob" not in on_disk(path)


async def test_many_threads_that_want_one_key_get_one(opened: Opened) -> None:
    stores = [opened(), opened()]
    found = await asyncio.gather(*(stores[n % 2].fetch("acme", f"u{n % 5}") for n in range(100)))
    assert len({keys.commitment("x") for keys in found}) == 5


async def test_who_gives_up_finds_the_key_there_the_next_time(opened: Opened, path: Path) -> None:
    keys = opened()
    await keys.fetch("acme", None)
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.05):
                await keys.fetch("acme", "u")
        other.execute("COMMIT")
    end = time.monotonic() + 20
    while keys.cached("acme", "u") is None:
        assert time.monotonic() < end
        await asyncio.sleep(0.01)
    assert (await keys.fetch("acme", "u")).commitment("x") == opened().get("acme", "u").commitment("x")


async def test_a_damaged_key_spoils_no_other_that_is_fetched_with_it(opened: Opened, path: Path) -> None:
    keys = opened()
    bad = await keys.fetch("acme", "bad")
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("UPDATE keys SET wrapped = ? WHERE pseudonym = ?", (b"x" * 60, bad.row))
    fresh = opened()
    found = await asyncio.gather(*(fresh.fetch("acme", u) for u in ("u", "bad", "v")), return_exceptions=True)
    assert [type(one) for one in found] == [Keys, StateUnusable, Keys]


PROCESS = """
import asyncio, pathlib, sys
from gateway.audit.subjects import SubjectKeys, load_or_make_master
folder = pathlib.Path(sys.argv[1])
sys.stdin.read()
keys = SubjectKeys(folder / "audit" / "subjects.sqlite3", load_or_make_master(folder / "state" / "key"), patience_s=60)
async def fetch():
    for n in range(20):
        print((await keys.fetch("acme", f"u{n}")).commitment("x"))
asyncio.run(fetch())
"""


async def test_processes_that_all_begin_at_once_make_one_master_key_and_one_key_a_subject(tmp_path: Path) -> None:
    command = (sys.executable, "-c", PROCESS, str(tmp_path))
    workers = [await asyncio.create_subprocess_exec(*command, stdin=PIPE, stdout=PIPE) for _ in range(4)]
    # They wait for each other's start: none begins before its input ends.
    told = await asyncio.gather(*(worker.communicate(b"") for worker in workers))
    assert len({out for out, _ in told}) == 1
    assert len(set(told[0][0].split())) == 20
    assert [file.name for file in (tmp_path / "state").iterdir()] == ["key"]


@pytest.mark.rows
@pytest.mark.parametrize("text", ["", "x", base64.b64encode(bytes(31)).decode(), "planted-secret!"])
def test_a_master_key_is_32_bytes_in_base64(text: str) -> None:
    with pytest.raises(StateUnusable, match="openssl rand") as told:
        MasterKey.parse(text)
    assert not text or text not in str(told.value)
    assert MasterKey.parse(base64.b64encode(RAW).decode() + "\n").mark == MasterKey(RAW).mark


def test_a_master_key_is_made_once_and_its_owners_alone(tmp_path: Path) -> None:
    path = tmp_path / "state" / "key"
    made = load_or_make_master(path)
    assert load_or_make_master(path).mark == made.mark
    assert path.stat().st_mode & 0o777 == 0o600


def test_the_first_text_stays(tmp_path: Path) -> None:
    path = tmp_path / "text"

    def overtaken() -> str:
        assert kept_text(path, lambda: "first") == "first"
        return "second"

    assert kept_text(path, overtaken) == "first"
    assert [file.name for file in tmp_path.iterdir()] == ["text"]


@pytest.mark.parametrize("mode", [0o604, 0o640, 0o620, 0o660])
def test_a_kept_text_that_others_can_use_is_refused(tmp_path: Path, mode: int) -> None:
    path = tmp_path / "text"
    kept_text(path, lambda: "mine")
    path.chmod(mode)
    with pytest.raises(StateUnusable, match="chmod 600"):
        kept_text(path, lambda: "mine")


def test_a_kept_text_that_is_none_is_refused(tmp_path: Path) -> None:
    whole = tmp_path / "whole"
    kept_text(whole, lambda: "mine")
    (tmp_path / "link").symlink_to(whole)
    (tmp_path / "folder").mkdir(mode=0o700)
    for name, raw in (("empty", b""), ("binary", b"\xff\xfe")):
        (tmp_path / name).touch(mode=0o600)
        (tmp_path / name).write_bytes(raw)
    for name in ("link", "folder", "empty", "binary", "whole/below"):
        with pytest.raises(StateUnusable, match=str(tmp_path / name)):
            kept_text(tmp_path / name, lambda: "mine")
