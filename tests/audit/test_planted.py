"""Nothing that somebody lays into the folder of the journals stops those who read it, or goes unsaid."""

import hashlib
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from gateway.audit.content import Reference, Unreadable, blob_at
from gateway.audit.journal import Journal, Plan
from gateway.audit.line import Fields, parsed
from gateway.audit.log import Log
from gateway.audit.note import SigningKey, VerifierKey
from gateway.audit.opening import MOST_LINE, Unfit
from gateway.audit.places import Places, whole_lines
from gateway.audit.proof import NoProof, prove
from gateway.audit.registry import Registry
from gateway.audit.search import Passed, Wanted, found
from gateway.domain.errors import AuditUnavailable

pytestmark = pytest.mark.timeout(60)

Problems = Callable[..., set[tuple[str, str, int | None]]]
HUGE = 6 << 30


def _sparse(path: Path) -> None:
    path.touch()
    os.truncate(path, HUGE)


PLANTED: dict[str, Callable[[Path], object]] = {
    "pipe": os.mkfifo,
    "device": lambda path: path.symlink_to("/dev/zero"),
    "folder": Path.mkdir,
    "huge": _sparse,
}
NO_FILES = [kind for kind in PLANTED if kind != "huge"]


def plant(kind: str, path: Path) -> None:
    path.unlink(missing_ok=True)
    PLANTED[kind](path)


def registry_of(root: Path) -> Registry:
    return Registry(
        Log(places=Places(root), name="test.example/audit", keys=[SigningKey("test.example/audit", bytes([7]) * 32)])
    )


def records(root: Path, passed: Passed) -> list[Fields]:
    return list(found(Places(root), Wanted(), passed))


@pytest.mark.parametrize("kind", PLANTED)
def test_an_entry_of_the_registry_that_is_none_is_modified(journals: Any, problems: Problems, kind: str) -> None:
    plant(kind, journals.root / "registry" / "00000005")
    assert {("modified", "registry", 5), ("bad-signature", "registry", 5)} <= problems(journals.root, journals.public)


@pytest.mark.parametrize("kind", PLANTED)
def test_the_living_gateway_takes_it_for_damage(journals: Any, kind: str) -> None:
    plant(kind, journals.root / "registry" / "00000003")
    with pytest.raises(AuditUnavailable, match=r"00000003"):
        registry_of(journals.root).entries()


@pytest.mark.parametrize("kind", NO_FILES)
@pytest.mark.parametrize("name", ["journal", "checkpoints", "blobs", "lock"])
def test_a_file_of_an_epoch_that_is_none_is_told_of(
    journals: Any, epochs: Any, problems: Problems, kind: str, name: str
) -> None:
    plant(kind, journals.root / "epochs" / epochs.closed / name)
    assert ("modified", epochs.closed, None) in problems(journals.root, journals.public)


def test_checkpoints_without_end_are_not_read(journals: Any, epochs: Any, problems: Problems) -> None:
    plant("huge", journals.root / "epochs" / epochs.closed / "checkpoints")
    with pytest.raises(Unfit, match="more than"):
        problems(journals.root, journals.public)


@pytest.mark.parametrize("name", ["closed", "sealed", "open"])
def test_a_line_without_end_is_damage_and_is_not_read(
    journals: Any, epochs: Any, problems: Problems, name: str
) -> None:
    epoch = getattr(epochs, name)
    count = len(journals.lines[epoch])
    os.truncate(journals.root / "epochs" / epoch / "journal", HUGE)
    told = problems(journals.root, journals.public)
    place = ("torn-tail", epoch, count) if name == "sealed" else ("inserted", epoch, count)
    assert place in told
    passed = Passed()
    assert len([one for one in records(journals.root, passed) if str(one["event"]).startswith(epoch)]) == count
    assert [one.partition(":")[0] for one in passed.epochs] == [epoch]


def test_lines_that_end_in_one_too_long_are_those_before_it(tmp_path: Path) -> None:
    path = tmp_path / "journal"
    path.write_bytes(b"one\n" + b"x" * MOST_LINE + b"\nthree\n")
    assert list(whole_lines(path)) == [b"one"]


@pytest.mark.parametrize("kind", NO_FILES)
def test_a_search_passes_over_a_journal_that_is_none(journals: Any, epochs: Any, kind: str) -> None:
    plant(kind, journals.root / "epochs" / epochs.closed / "journal")
    passed = Passed()
    assert len(records(journals.root, passed)) == 16
    assert [one.partition(":")[0] for one in passed.epochs] == [epochs.closed]


@pytest.mark.parametrize("kind", NO_FILES)
@pytest.mark.parametrize("name", ["journal", "checkpoints"])
def test_nothing_is_proven_from_what_is_no_file(journals: Any, epochs: Any, kind: str, name: str) -> None:
    plant(kind, journals.root / "epochs" / epochs.closed / name)
    with pytest.raises((NoProof, Unfit)):
        prove(Places(journals.root), f"{epochs.closed}.3", [VerifierKey.parse(journals.public)])


@pytest.mark.parametrize("kind", NO_FILES)
def test_content_is_not_read_from_what_is_no_file(tmp_path: Path, kind: str) -> None:
    plant(kind, tmp_path / "blobs")
    with pytest.raises(Unfit):
        blob_at(tmp_path / "blobs", Reference(offset=0, length=10**15, digest="0" * 64))


def test_a_reference_is_no_longer_than_what_is_there(
    journals: Any, epochs: Any, problems: Problems, changed: Callable[..., bytes], tmp_path: Path
) -> None:
    (tmp_path / "blobs").write_bytes(b"text")
    digest = hashlib.sha256(b"text").hexdigest()
    assert blob_at(tmp_path / "blobs", Reference(offset=0, length=4, digest=digest)) == b"text"
    for length in (5, 10**15):
        with pytest.raises(Unreadable):
            blob_at(tmp_path / "blobs", Reference(offset=0, length=length, digest=digest))
    _sparse(tmp_path / "large")
    with pytest.raises(Unreadable):
        blob_at(tmp_path / "large", Reference(offset=0, length=HUGE, digest=digest))
    lines = journals.lines[epochs.closed]
    lines[4] = changed(lines[4], segments=[{"id": "s1", "blob": f"0:{10**14}:{'0' * 64}"}])
    journals.maker.damage(epochs.closed, lines)
    assert ("modified", epochs.closed, 4) in problems(journals.root, journals.public)


@pytest.mark.parametrize("kind", PLANTED)
@pytest.mark.parametrize("name", ["journal", "checkpoints", "lock"])
async def test_a_gateway_starts_beside_an_epoch_that_it_cannot_seal(
    new_plan: Callable[..., Plan], journals: Any, epochs: Any, caplog: pytest.LogCaptureFixture, kind: str, name: str
) -> None:
    plant(kind, journals.root / "epochs" / epochs.open / name)
    async with Journal(new_plan(folder=journals.root)) as journal:
        await journal.write("intent", {"request": "r"})
    ended = [entry for entry in registry_of(journals.root).entries() if entry["epoch"] == epochs.open]
    assert [entry["entry"] for entry in ended] == ["opened"]
    assert epochs.open in caplog.text
    assert "splitgate audit verify" in caplog.text


async def test_the_public_key_is_laid_beside_whatever_stands_there(
    new_plan: Callable[..., Plan], journals: Any, tmp_path: Path
) -> None:
    (tmp_path / "elsewhere").write_bytes(b"kept")
    (journals.root / "public-key").symlink_to(tmp_path / "elsewhere")
    async with Journal(new_plan(folder=journals.root)):
        pass
    assert (journals.root / "public-key").read_text() == f"{journals.public}\n"
    assert not (journals.root / "public-key").is_symlink()
    assert (tmp_path / "elsewhere").read_bytes() == b"kept"
    assert parsed(journals.lines[next(iter(journals.lines))][0])["v"] == 1
