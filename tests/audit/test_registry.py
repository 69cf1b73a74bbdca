"""What does the registry say of epochs, and may it be believed?"""

import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from gateway.audit.journal import Plan
from gateway.audit.log import Log
from gateway.audit.note import checkpoint
from gateway.audit.places import Places
from gateway.audit.registry import Registry
from gateway.audit.tree import EMPTY_ROOT
from gateway.domain.errors import AuditUnavailable

ONE, TWO = "20260101T000000Z-0000000a", "20260102T000000Z-0000000b"


@pytest.fixture
def log(new_plan: Callable[..., Plan], disk: Any) -> Log:
    plan = new_plan()
    return Log(places=Places(plan.folder), name=plan.name, keys=plan.keys, disk=disk)


@pytest.fixture
def registry(log: Log) -> Registry:
    return Registry(log)


def test_each_entry_is_chained_numbered_and_signed_with_all_before_it(
    registry: Registry, log: Log, written: Any, second: Any
) -> None:
    with registry.locked():
        registry.add("opened", ONE, process="worker")
        registry.add("opened", TWO, process="cli")
        head = registry.add("closed", ONE, size=3, root="r", cause="stopped")
    assert [path.name for path in log.places.entries()] == ["00000001", "00000002", "00000003"]
    lines: list[bytes] = []
    root = b""
    for number, path in enumerate(log.places.entries(), start=1):
        line, _, note = path.read_bytes().partition(b"\n\n")
        lines.append(line)
        text = second.note_text(note, str(log.trusted[0]))
        said = checkpoint(text.encode())
        root = second.mth([second.leaf(one) for one in lines])
        assert (said.origin, said.size, said.root) == ("test.example/audit/registry", number, root)
    assert (head.size, head.root) == (3, root)
    assert registry.head() == head
    entries = written.registry()
    assert [entry["number"] for entry in entries] == [1, 2, 3]
    assert [entry["prev"] for entry in entries] == ["0" * 64, *[second.leaf(line).hex() for line in lines[:2]]]


def test_an_empty_registry_has_a_head_and_nothing_open(registry: Registry) -> None:
    assert (registry.head().size, registry.head().root) == (0, EMPTY_ROOT)
    assert registry.left_open() == []
    assert registry.entries() == []


def test_what_was_opened_and_has_no_end_is_open(registry: Registry) -> None:
    with registry.locked():
        for epoch in (TWO, ONE):
            registry.add("opened", epoch, process="worker")
        assert registry.left_open() == [TWO, ONE]
        registry.add("sealed", TWO, size=0, root="r", signed=0, torn=0, cause="crash", by=ONE)
        assert registry.left_open() == [ONE]
        registry.add("closed", ONE, size=0, root="r", cause="stopped")
    assert registry.left_open() == []


def _gap(first: Path, _: Path) -> None:
    first.unlink()


def _cut(_: Path, last: Path) -> None:
    os.truncate(last, 20)


def _empty(_: Path, last: Path) -> None:
    os.truncate(last, 0)


def _not_canonical(first: Path, _: Path) -> None:
    first.write_bytes(first.read_bytes().replace(b'{"entry"', b'{ "entry"'))


def _no_entry(first: Path, _: Path) -> None:
    first.write_bytes(b"{}\n" + first.read_bytes().partition(b"\n")[2])


@pytest.mark.parametrize("harm", [_gap, _cut, _empty, _not_canonical, _no_entry])
def test_nothing_is_added_to_a_damaged_registry(
    registry: Registry, log: Log, harm: Callable[[Path, Path], None]
) -> None:
    with registry.locked():
        registry.add("opened", ONE, process="worker")
        registry.add("opened", TWO, process="worker")
        harm(*log.places.entries())
        before = {path.name: path.read_bytes() for path in log.places.entries()}
        with pytest.raises(AuditUnavailable, match="splitgate audit verify"):
            registry.add("closed", ONE, size=0, root="r")
        with pytest.raises(AuditUnavailable):
            registry.left_open()
        assert {path.name: path.read_bytes() for path in log.places.entries()} == before


def test_a_draft_that_a_crash_left_is_no_entry(registry: Registry, log: Log) -> None:
    with registry.locked():
        registry.add("opened", ONE, process="worker")
        (log.places.registry / ".00000002.4711").write_bytes(b'{"half')
        registry.add("closed", ONE, size=0, root="r")
    assert registry.head().size == 2


def test_processes_take_turns(log: Log) -> None:
    added: list[int] = []

    def add() -> None:
        mine = Registry(log)
        for _ in range(10):
            with mine.locked():
                added.append(mine.add("opened", ONE, process="worker").size)

    threads = [threading.Thread(target=add) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(added) == list(range(1, 41))
    assert Registry(log).head().size == 40
