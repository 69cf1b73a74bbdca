from collections.abc import Callable

from gateway.audit.places import EpochPlaces
from gateway.audit.ship.notes import notes, read_checkpoint

Begin = Callable[[], EpochPlaces]
Fill = Callable[..., None]
Attest = Callable[[EpochPlaces], bytes]


def test_notes_are_found_with_their_places(begin: Begin, fill: Fill, attest: Attest) -> None:
    epoch = begin()
    written: list[bytes] = []
    for _ in range(3):
        fill(epoch, 2)
        written.append(attest(epoch))
    raw = epoch.checkpoints.read_bytes()
    found = list(notes(epoch.checkpoints, 0, len(raw)))
    assert [note.content for note in found] == written
    assert [said.size for note in found if (said := note.checkpoint) is not None] == [2, 4, 6]
    assert b"".join(raw[note.start : note.end] for note in found) == raw
    assert [note.content for note in notes(epoch.checkpoints, found[0].end, len(raw))] == written[1:]


def test_only_whole_ones_within_the_end_are_found(begin: Begin, fill: Fill, attest: Attest) -> None:
    epoch = begin()
    fill(epoch, 1)
    first = attest(epoch)
    size = epoch.checkpoints.stat().st_size
    fill(epoch, 1)
    attest(epoch)
    assert [note.content for note in notes(epoch.checkpoints, 0, size)] == [first]
    assert [note.content for note in notes(epoch.checkpoints, 0, size + 20)] == [first]
    epoch.checkpoints.write_bytes(epoch.checkpoints.read_bytes()[:-1])
    assert [note.content for note in notes(epoch.checkpoints, 0, 2 * size)] == [first]


def test_a_file_of_anything_else_holds_none(begin: Begin) -> None:
    epoch = begin()
    epoch.checkpoints.write_bytes(b"x" * 200_000)
    assert not list(notes(epoch.checkpoints, 0, 200_000))
    epoch.checkpoints.write_bytes(b"x\n" * 200_000 + b"\n\n")
    assert not list(notes(epoch.checkpoints, 0, 400_002))


def test_what_is_no_checkpoint_says_nothing() -> None:
    assert read_checkpoint(b"name\n1\n\nsignature") is None
