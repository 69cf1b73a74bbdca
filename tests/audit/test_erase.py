"""Erasing a subject: destroyed first, recorded then, and whatever was cut short is finished by the next try."""

from collections.abc import AsyncGenerator, Callable, Coroutine, Generator
from pathlib import Path

import pytest

from gateway.audit.content import Unreadable, opened, reference_to, sealed
from gateway.audit.contents import Erased, Gone, Text, content_of
from gateway.audit.erase import Erasure, erase
from gateway.audit.journal import Journal, Plan, Record
from gateway.audit.line import Fields
from gateway.audit.note import SigningKey
from gateway.audit.places import Places
from gateway.audit.search import Passed, Wanted, found
from gateway.audit.subjects import MasterKey, SubjectKeys
from gateway.domain.errors import AuditUnavailable

Erase = Callable[..., Coroutine[None, None, Erasure]]


@pytest.fixture
def places(tmp_path: Path) -> Places:
    return Places(tmp_path / "audit")


@pytest.fixture
def keys(places: Places) -> Generator[SubjectKeys]:
    made = SubjectKeys(places.subjects, MasterKey(bytes(32)))
    yield made
    made.close()


@pytest.fixture
async def journal(places: Places) -> AsyncGenerator[Journal]:
    plan = Plan(folder=places.root, name="test", keys=(SigningKey("test", bytes(32)),), process="cli", build="1")
    async with Journal(plan) as journal:
        yield journal


@pytest.fixture
def erased(keys: SubjectKeys, places: Places, journal: Journal) -> Erase:
    """Erases with the real journal."""

    async def write(fields: Record) -> str:
        return await journal.write("erasure", fields)

    async def make(reason: str = "") -> Erasure:
        return await erase(keys, places, tenant="acme", subject="bob", reason=reason, write=write)

    return make


async def unavailable(fields: Record) -> str:
    raise AuditUnavailable(f"no room for {len(fields)} fields")


def records(places: Places) -> list[Fields]:
    return list(found(places, Wanted(phase="erasure"), Passed()))


async def test_an_erasure_is_done_and_recorded(keys: SubjectKeys, places: Places, erased: Erase) -> None:
    row = (await keys.fetch("acme", "bob")).row
    done = await erased(reason="ticket 7")
    (record,) = records(places)
    assert keys.kept("acme", row) is None
    (gone,) = keys.erased(row)
    assert done == Erasure(
        pseudonym=row, destroyed=True, time=gone.time, events=(str(record["event"]),), written=(str(record["event"]),)
    )
    assert {name: record[name] for name in ("tenant", "subject", "erased", "reason")} == {
        "tenant": "acme", "subject": row, "erased": gone.time, "reason": "ticket 7",
    }  # fmt: skip
    assert "bob" not in str(record)


async def test_what_was_never_there_is_not_claimed_to_be_erased(
    keys: SubjectKeys, places: Places, erased: Erase
) -> None:
    await keys.fetch("acme", "eve")
    done = await erased()
    assert (done.destroyed, done.time, done.events, records(places)) == (False, None, (), [])


async def test_an_erasure_is_recorded_once(keys: SubjectKeys, places: Places, erased: Erase) -> None:
    await keys.fetch("acme", "bob")
    first, second = await erased(), await erased()
    assert len(records(places)) == 1
    assert (second.destroyed, second.time, second.events, second.written) == (False, first.time, first.events, ())


async def test_without_a_record_the_next_try_writes_it(keys: SubjectKeys, places: Places, erased: Erase) -> None:
    row = (await keys.fetch("acme", "bob")).row
    with pytest.raises(AuditUnavailable):
        await erase(keys, places, tenant="acme", subject="bob", reason="", write=unavailable)
    assert keys.kept("acme", row) is None
    done = await erased()
    assert (done.destroyed, len(done.written), len(records(places))) == (False, 1, 1)


async def test_every_generation_of_a_key_gets_a_record_of_its_own(
    keys: SubjectKeys, places: Places, erased: Erase
) -> None:
    await keys.fetch("acme", "bob")
    with pytest.raises(AuditUnavailable):
        await erase(keys, places, tenant="acme", subject="bob", reason="", write=unavailable)
    row = (await keys.fetch("acme", "bob")).row
    done = await erased()
    assert (done.destroyed, len(done.written)) == (True, 2)
    assert [record["erased"] for record in records(places)] == [one.time for one in keys.erased(row)]


async def test_content_is_read_until_its_subject_is_erased(
    keys: SubjectKeys, places: Places, journal: Journal, erased: Erase
) -> None:
    bob, own = await keys.fetch("acme", "bob"), await keys.fetch("acme", None)
    event, offset = journal.place()
    blobs = sealed(bob, event, b"of bob"), sealed(own, event, b"of nobody")
    references = [str(reference_to(offset, blobs[0])), str(reference_to(offset + len(blobs[0]), blobs[1]))]
    segments: list[Record] = [{"id": "s1", "blob": references[0], "subject": bob.row}, {"id": "s2"}]
    output: list[Record] = [{"choice": 0, "blob": references[1]}]
    fields: Record = {"actor": {"tenant": "acme"}, "segments": segments, "output": output}
    assert await journal.write("outcome", fields, b"".join(blobs)) == event
    (record,) = found(places, Wanted(phase="outcome"), Passed())
    assert content_of(places, keys, record, segments[0]) == Text(text="of bob")
    assert content_of(places, keys, record, segments[1]) is None
    done = await erased()
    assert done.time is not None
    assert content_of(places, keys, record, segments[0]) == Erased(time=done.time)
    assert content_of(places, keys, record, output[0]) == Text(text="of nobody")
    # Also where the subject came again, and has a new key.
    again = await keys.fetch("acme", "bob")
    with pytest.raises(Unreadable):
        opened(again, event, blobs[0])
    assert content_of(places, keys, record, segments[0]) == Erased(time=done.time)


async def test_content_of_a_request_about_somebody_is_theirs(
    keys: SubjectKeys, places: Places, journal: Journal
) -> None:
    bob = await keys.fetch("acme", "bob")
    event, offset = journal.place()
    blob = sealed(bob, event, b"of bob")
    part: Record = {"blob": str(reference_to(offset, blob))}
    fields: Record = {"actor": {"tenant": "acme"}, "subject": bob.row, "output": [part]}
    await journal.write("outcome", fields, blob)
    assert content_of(places, keys, {**fields, "event": event}, part) == Text(text="of bob")
    for changed, why in (
        ({"blob": "x"}, "malformed"),
        ({"blob": str(reference_to(offset + 1, blob))}, "speaks of"),
        ({"blob": part["blob"], "subject": "f" * 32}, "not among"),
    ):
        gone = content_of(places, keys, {**fields, "event": event}, changed)
        assert isinstance(gone, Gone)
        assert why in gone.why
    assert content_of(places, keys, {**fields, "event": f"{event}0"}, part) == Gone(
        why="this key does not open the content, or the content was changed"
    )
    blobs = places.epoch(event.partition(".")[0]).blobs
    blobs.unlink()
    assert content_of(places, keys, {**fields, "event": event}, part) == Gone(why="the file that held it is gone")
    blobs.mkdir()
    gone = content_of(places, keys, {**fields, "event": event}, part)
    assert isinstance(gone, Gone)
    assert "cannot be read" in gone.why
