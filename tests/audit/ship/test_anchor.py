from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from pathlib import Path

import pytest

from gateway.audit.note import Checkpoint, SigningKey, signed
from gateway.audit.places import EpochPlaces
from gateway.audit.ship.anchor import Anchored, Forked, anchored
from gateway.audit.ship.anchor_directory import DirectoryAnchor
from gateway.audit.ship.failure import NotTaken

EPOCH = "20260102T030405Z-0123abcd"
Begin = Callable[[], EpochPlaces]
Fill = Callable[..., None]
Attest = Callable[[EpochPlaces], bytes]


def is_empty(folder: Path) -> bool:
    return not list(folder.iterdir())


def note_of(origin: str, key: SigningKey, size: int = 3, root: bytes = b"r" * 32) -> bytes:
    return signed(Checkpoint(origin=origin, size=size, root=root).text, [key])


@pytest.fixture
def what(signing_key: SigningKey) -> Anchored:
    found = anchored(note_of(f"example.test/audit/{EPOCH}", signing_key), EPOCH)
    assert found is not None
    return found


@pytest.fixture
async def anchor(elsewhere: Path) -> AsyncIterator[DirectoryAnchor]:
    anchor = DirectoryAnchor(elsewhere, 5.0)
    yield anchor
    await anchor.close()


def test_a_checkpoint_is_filed_under_its_log_epoch_and_size(what: Anchored, signing_key: SigningKey) -> None:
    assert what.names == ("example.test~audit", EPOCH, "0000000000000003")
    registry = anchored(note_of("example.test/audit/registry", signing_key), "registry")
    assert registry is not None
    assert registry.names == ("example.test~audit", "registry", "0000000000000003")


@pytest.mark.rows
@pytest.mark.parametrize(
    ("origin", "part"),
    [
        ("example.test/audit/registry", EPOCH),
        (f"example.test/audit/{EPOCH}", "registry"),
        (f"../{EPOCH}", EPOCH),
        (f"./{EPOCH}", EPOCH),
        (f"/{EPOCH}", "x"),
        (EPOCH, EPOCH),
        (f"a b/{EPOCH}", EPOCH),
        ("example.test/audit/..", ".."),
    ],
)
def test_what_names_something_else_is_filed_nowhere(origin: str, part: str, signing_key: SigningKey) -> None:
    assert anchored(note_of(origin, signing_key), part) is None


def test_what_is_no_checkpoint_is_filed_nowhere() -> None:
    assert anchored(b"anything", EPOCH) is None


async def test_it_stands_verbatim_in_the_folder(anchor: DirectoryAnchor, what: Anchored, elsewhere: Path) -> None:
    for _ in range(2):
        await anchor.keep(what)
    assert (elsewhere / "example.test~audit" / EPOCH / "0000000000000003").read_bytes() == what.note


async def test_a_fork_is_noticed_and_both_are_left(
    anchor: DirectoryAnchor, what: Anchored, elsewhere: Path, signing_key: SigningKey
) -> None:
    await anchor.keep(what)
    other = replace(what, note=note_of(f"example.test/audit/{EPOCH}", signing_key, root=b"s" * 32))
    with pytest.raises(Forked):
        await anchor.keep(other)
    assert elsewhere.joinpath(*what.names).read_bytes() == what.note


async def test_other_signatures_of_the_same_are_no_fork(
    anchor: DirectoryAnchor, what: Anchored, elsewhere: Path
) -> None:
    await anchor.keep(what)
    rotated = note_of(f"example.test/audit/{EPOCH}", SigningKey.draw("example.test/audit"))
    assert rotated != what.note
    await anchor.keep(replace(what, note=rotated))
    assert elsewhere.joinpath(*what.names).read_bytes() == what.note


@pytest.mark.parametrize("left", [0, 1, 30, 100])
async def test_what_a_crash_left_is_completed(
    anchor: DirectoryAnchor, what: Anchored, elsewhere: Path, left: int
) -> None:
    path = elsewhere.joinpath(*what.names)
    path.parent.mkdir(parents=True)
    path.write_bytes(what.note[:left])
    await anchor.keep(what)
    assert path.read_bytes() == what.note


async def test_a_folder_that_is_away_is_not_made(what: Anchored, elsewhere: Path) -> None:
    anchor = DirectoryAnchor(elsewhere / "unmounted", 5.0)
    with pytest.raises(NotTaken):
        await anchor.keep(what)
    await anchor.close()
    assert is_empty(elsewhere)
