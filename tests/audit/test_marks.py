"""What a gateway remembers of its journals outside their folder, and what it refuses to vouch for because of it."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from gateway.audit.epoch import Epoch
from gateway.audit.journal import Journal
from gateway.audit.line import NO_LINE, canonical
from gateway.audit.log import Log
from gateway.audit.marks import Marks
from gateway.audit.note import SigningKey
from gateway.audit.places import Places
from gateway.audit.plan import Plan
from gateway.audit.registry import Registry
from gateway.audit.seal import seal_left_open
from gateway.audit.tree import leaf_hash
from gateway.domain.errors import AuditUnavailable

KEY = SigningKey.draw("test.example/audit")


@pytest.fixture
def plan(tmp_path: Path) -> Callable[..., Plan]:
    def make(*keys: SigningKey) -> Plan:
        return Plan(
            folder=tmp_path / "audit", name=KEY.name, keys=keys or (KEY,), process="test", build="1",
            checkpoint_s=0.01, marks=tmp_path / "marks",
        )  # fmt: skip

    return make


@pytest.fixture
async def places(plan: Callable[..., Plan]) -> Places:
    """A folder in which one process wrote three records and closed its epoch."""
    async with Journal(plan()) as journal:
        for number in range(3):
            await journal.write("intent", {"request": str(number)})
    return Places(plan().folder)


def forged(places: Places) -> None:
    """Write every record anew, with a chain that holds, and take away what was signed of it."""
    (epoch,) = places.epochs()
    prev, lines = NO_LINE, list[bytes]()
    for line in epoch.journal.read_bytes().splitlines():
        lines.append(canonical({**json.loads(line), "prev": prev, "tenant": "nobody"}))
        prev = leaf_hash(lines[-1]).hex()
    epoch.journal.write_bytes(b"".join(line + b"\n" for line in lines))
    epoch.checkpoints.write_bytes(b"")


async def test_a_registry_that_was_cut_back_is_not_gone_on_with(places: Places, plan: Callable[..., Plan]) -> None:
    forged(places)
    places.entries()[-1].unlink()
    with pytest.raises(AuditUnavailable, match="the missing entry"):
        await Journal(plan()).start()
    assert places.entries()[-1].name == "00000001"


def test_a_journal_that_was_written_anew_is_not_sealed(
    plan: Callable[..., Plan], caplog: pytest.LogCaptureFixture
) -> None:
    log = Log(places=Places(plan().folder), name=KEY.name, keys=[KEY], marks=Marks(plan().marks))
    registry, epoch = Registry(log), Epoch(log)
    with registry.locked():
        registry.add("opened", epoch.epoch, process="test")
    epoch.write([canonical({"event": f"{epoch.epoch}.0", "prev": NO_LINE})])
    epoch.checkpoint()
    # As if the process had died: the lock is free, and no end is registered.
    epoch.release()
    forged(log.places)
    with registry.locked():
        assert seal_left_open(log, registry, "another") == []
    assert "is not what was signed" in caplog.text


async def test_an_entry_that_no_key_of_ours_signed_is_not_built_upon(places: Places, plan: Callable[..., Plan]) -> None:
    raw = places.entries()[-1].read_bytes()
    line = canonical({**json.loads(raw.partition(b"\n")[0]), "number": 3, "prev": "0" * 64, "entry": "opened"})
    (places.registry / "00000003").write_bytes(line + raw[raw.index(b"\n\n") :])
    with pytest.raises(AuditUnavailable, match="none of the keys"):
        await Journal(plan()).start()


async def test_keys_change_with_an_overlap_and_not_without(places: Places, plan: Callable[..., Plan]) -> None:
    new = SigningKey.draw(KEY.name)
    with pytest.raises(AuditUnavailable, match="signing_keys"):
        await Journal(plan(new)).start()
    async with Journal(plan(new, KEY)) as journal:
        await journal.write("intent", {})
    async with Journal(plan(new)) as journal:
        await journal.write("intent", {})
    assert len(places.epochs()) == 3


async def test_marks_of_epochs_that_ended_are_forgotten(places: Places, plan: Callable[..., Plan]) -> None:
    async with Journal(plan()):
        pass
    assert places.epochs()
    assert [path.name for path in (plan().marks or Path()).iterdir()] == ["registry"]
