"""What does a journal promise while nothing goes wrong?"""

import asyncio
import threading
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from gateway.audit.journal import Journal, Plan
from gateway.domain.errors import AuditUnavailable

NewPlan = Callable[..., Plan]
Until = Callable[[Callable[[], bool]], Awaitable[None]]


async def test_a_record_is_on_the_disk_once_its_event_is_told(new_plan: NewPlan, written: Any, second: Any) -> None:
    async with Journal(new_plan()) as journal:
        for number in range(3):
            event = await journal.write("intent", {"request": str(number)})
            assert written.records(journal.epoch)[-1]["event"] == event
        lines = written.lines(journal.epoch)
    records = written.records()
    assert [record["prev"] for record in records[1:4]] == [second.leaf(line).hex() for line in lines[:3]]
    assert [record["event"].partition(".")[2] for record in records] == ["0", "1", "2", "3", "4"]
    assert {record["build"] for record in records} == {"0.1.0"}


async def test_many_who_wait_are_served_by_few_writes(new_plan: NewPlan, disk: Any, written: Any) -> None:
    async with Journal(new_plan(), disk=disk) as journal:
        events = await asyncio.gather(*[journal.write("intent", {"request": str(n)}) for n in range(300)])
        appends = disk.steps.count(("append", "journal"))
    assert appends < 10
    assert len(set(events)) == 300
    assert written.requests() == [str(number) for number in range(300)]


async def test_a_note_is_written_in_its_turn_though_nobody_waits(new_plan: NewPlan, written: Any) -> None:
    async with Journal(new_plan()) as journal:
        journal.note("decision", {"request": "noted"})
        await journal.write("outcome", {"request": "waited for"})
        assert written.requests() == ["noted", "waited for"]


async def test_place_tells_the_next_event_and_where_its_blob_will_lie(new_plan: NewPlan, tmp_path: Path) -> None:
    async with Journal(new_plan()) as journal:
        await journal.write("intent", {}, b"first")
        event, offset = journal.place()
        assert (await journal.write("intent", {}, b"second"), offset) == (event, 5)
        assert (tmp_path / "audit" / "epochs" / str(journal.epoch) / "blobs").read_bytes() == b"firstsecond"


@pytest.mark.parametrize("changes", [{"checkpoint_records": 3, "checkpoint_s": 60.0}, {"checkpoint_s": 0.05}])
async def test_a_checkpoint_follows_so_many_records_or_seconds(
    changes: dict[str, Any], new_plan: NewPlan, disk: Any, written: Any, until: Until
) -> None:
    async with Journal(new_plan(**changes), disk=disk) as journal:
        await journal.write("intent", {})
        await journal.write("intent", {})
        await until(lambda: ("append", "checkpoints") in disk.steps)
        await until(lambda: written.report().signed == 3)
    assert written.report().findings == ()


async def test_checkpoints_wait_for_company(new_plan: NewPlan, disk: Any) -> None:
    async with Journal(new_plan(checkpoint_records=100, checkpoint_s=60.0), disk=disk) as journal:
        await journal.write("intent", {})
        await journal.write("intent", {})
        assert ("append", "checkpoints") not in disk.steps


def groups_of(disk: Any) -> list[int]:
    """How many records each write of a journal has from now on."""
    found: list[int] = []

    def count(step: str, path: Path, _: int, content: bytes) -> None:
        if (step, path.name) == ("append", "journal"):
            found.append(content.count(b"\n"))

    disk.hook = count
    return found


async def test_a_group_has_an_end(new_plan: NewPlan, disk: Any) -> None:
    async with Journal(new_plan(), disk=disk) as journal:
        await journal.write("intent", {})
        groups = groups_of(disk)
        for _ in range(2000):
            journal.note("outcome", {})
        await journal.write("outcome", {})
        assert groups == [1000, 1000, 1]


async def test_who_comes_alone_is_written_at_once_and_company_together(new_plan: NewPlan, disk: Any) -> None:
    async with Journal(new_plan(), disk=disk) as journal:
        await journal.write("intent", {})
        groups = groups_of(disk)
        await journal.write("intent", {})
        assert groups == [1]
        await asyncio.gather(*[journal.write("intent", {}) for _ in range(3)])
        # After company it is waited for more, as long as each turn of the loop brings some.
        later = [asyncio.ensure_future(journal.write("intent", {}))]
        for _ in range(4):
            await asyncio.sleep(0)
            later.append(asyncio.ensure_future(journal.write("intent", {})))
        await asyncio.gather(*later)
        assert groups[:2] == [1, 3]
        assert sum(groups[2:]) == 5
        assert groups[2] > 1


async def test_heartbeats_tell_of_the_registry_and_once_of_who_was_turned_away(
    new_plan: NewPlan, written: Any, until: Until
) -> None:
    def beats() -> list[dict[str, Any]]:
        return [record for record in written.records() if record["phase"] == "heartbeat"]

    async with Journal(new_plan(heartbeat_s=0.05)) as journal:
        journal.refused["unauthenticated"] += 2
        await until(lambda: len(beats()) >= 2)
        told = beats()[:2]
        journal.refused["forbidden"] += 1
    assert written.records()[-1]["refused"] == {"forbidden": 1}
    assert [beat.get("refused") for beat in told] == [{"unauthenticated": 2}, None]
    assert [beat["registry"]["size"] for beat in told] == [1, 1]
    assert written.report().findings == ()


async def test_each_epoch_begins_with_who_writes_and_what_stands(new_plan: NewPlan, written: Any) -> None:
    journal = Journal(new_plan(process="cli"))
    journal.preamble = lambda: ({"what": "configuration", "digest": "d"}, {"what": "policies"})
    async with journal:
        await journal.write("intent", {})
    records = written.records()
    assert [record.get("what") for record in records] == ["started", "configuration", "policies", None, "stopped"]
    assert records[0]["process"] == "cli"
    assert written.registry()[0]["process"] == "cli"
    assert not {"after", "lost"} & records[0].keys()


async def test_a_stop_writes_signs_and_registers_all_that_was_ordered(new_plan: NewPlan, written: Any) -> None:
    async with Journal(new_plan()) as journal:
        epoch = str(journal.epoch)
        for number in range(50):
            journal.note("outcome", {"request": str(number)})
        waiting = asyncio.ensure_future(journal.write("outcome", {"request": "last"}))
        await asyncio.sleep(0)
    assert await waiting == f"{epoch}.51"
    end = written.ends()[epoch]
    assert (end["entry"], end["cause"], end["size"], end["signed"]) == ("closed", "stopped", 53, 53)
    assert written.report().findings == ()
    with pytest.raises(AuditUnavailable):
        await journal.write("intent", {})
    assert not journal.writable


async def test_a_stop_leaves_no_thread(new_plan: NewPlan) -> None:
    before = threading.active_count()
    async with Journal(new_plan()) as journal:
        await journal.write("intent", {})
        assert threading.active_count() > before
    assert "audit-journal" not in [thread.name for thread in threading.enumerate()]


async def test_processes_share_a_folder_and_leave_each_others_epochs_alone(new_plan: NewPlan, written: Any) -> None:
    async with Journal(new_plan()) as one, Journal(new_plan()) as other:
        await one.write("intent", {"request": "of one"})
        await other.write("intent", {"request": "of the other"})
        assert one.epoch != other.epoch
        assert [entry["entry"] for entry in written.registry()] == ["opened", "opened"]
    assert sorted(entry["entry"] for entry in written.ends().values()) == ["closed", "closed"]
    assert written.report().findings == ()


async def test_what_no_line_can_hold_is_refused_and_breaks_nothing(new_plan: NewPlan, written: Any) -> None:
    async with Journal(new_plan()) as journal:
        with pytest.raises(AuditUnavailable):
            await journal.write("intent", {"request": "\ud800"})
        await journal.write("intent", {"request": "sound"})
        assert journal.writable
    assert written.requests() == ["sound"]
    assert written.report().findings == ()


async def test_whoever_gives_up_waiting_hinders_nobody(new_plan: NewPlan, disk: Any, written: Any) -> None:
    free = threading.Event()
    async with Journal(new_plan(), disk=disk) as journal:

        def hold(step: str, *_: object) -> None:
            if step == "append":
                free.wait(5)

        disk.hook = hold
        leaves = asyncio.ensure_future(journal.write("intent", {"request": "left"}))
        stays = asyncio.ensure_future(journal.write("intent", {"request": "stayed"}))
        await asyncio.sleep(0.02)
        leaves.cancel()
        await asyncio.sleep(0.02)
        free.set()
        await stays
        assert leaves.cancelled()
        await journal.write("intent", {"request": "later"})
    assert written.requests() == ["left", "stayed", "later"]
    assert written.report().findings == ()


async def test_the_public_keys_lie_beside_the_journals(new_plan: NewPlan, tmp_path: Path) -> None:
    plan = new_plan()
    (tmp_path / "audit").mkdir()
    (tmp_path / "audit" / "public-key").write_text("an old one\n")
    async with Journal(plan):
        assert (tmp_path / "audit" / "public-key").read_text() == f"{plan.keys[0].verifier}\n"


async def test_files_are_for_the_gateways_user_alone(new_plan: NewPlan, tmp_path: Path) -> None:
    async with Journal(new_plan()) as journal:
        await journal.write("intent", {}, b"blob")
    for path in [tmp_path / "audit", *(tmp_path / "audit").rglob("*")]:
        assert path.stat().st_mode & 0o077 == 0, path


async def test_an_impatient_process_does_not_start_without_its_folder(new_plan: NewPlan, tmp_path: Path) -> None:
    (tmp_path / "audit").write_text("no folder")
    with pytest.raises(AuditUnavailable, match=r"audit\.dir"):
        await Journal(new_plan()).start()
    await asyncio.sleep(0.05)
    assert "audit-journal" not in [thread.name for thread in threading.enumerate()]


async def test_a_patient_process_starts_without_its_folder_and_uses_it_once_it_can(
    new_plan: NewPlan, tmp_path: Path, written: Any, until: Until
) -> None:
    (tmp_path / "audit").write_text("no folder")
    async with Journal(new_plan(patient=True)) as journal:
        assert not journal.writable
        with pytest.raises(AuditUnavailable):
            await journal.write("intent", {})
        with pytest.raises(AuditUnavailable):
            journal.place()
        (tmp_path / "audit").unlink()
        await until(lambda: journal.writable)
        await journal.write("intent", {"request": "at last"})
    assert written.requests() == ["at last"]
    assert written.report().findings == ()


async def test_a_damaged_registry_lets_nothing_begin(new_plan: NewPlan, tmp_path: Path) -> None:
    async with Journal(new_plan()):
        pass
    entry = tmp_path / "audit" / "registry" / "00000001"
    entry.write_bytes(entry.read_bytes()[:-1].replace(b"opened", b"o\nened"))
    with pytest.raises(AuditUnavailable, match="splitgate audit verify"):
        await Journal(new_plan()).start()


async def test_a_stop_while_a_journal_is_being_begun_leaves_nothing_open(
    new_plan: NewPlan, disk: Any, tmp_path: Path, written: Any
) -> None:
    free, begun = threading.Event(), threading.Event()

    def hold(step: str, path: Path, *_: Any) -> None:
        if (step, path.name) == ("publish", "00000001"):
            begun.set()
            free.wait(5)

    (tmp_path / "audit").write_text("no folder")
    journal = Journal(new_plan(patient=True), disk=disk)
    await journal.start()
    disk.hook = hold
    (tmp_path / "audit").unlink()
    await asyncio.to_thread(begun.wait, 5)
    closing = asyncio.ensure_future(journal.close())
    await asyncio.sleep(0.05)
    free.set()
    await closing
    assert [entry["entry"] for entry in written.ends().values()] == ["closed"]
    assert written.report().findings == ()
