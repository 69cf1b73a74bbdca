import pytest

from gateway.audit.line import Value, canonical
from gateway.audit.ship.entries import Entry, read_entry

EPOCH = "20260102T030405Z-0123abcd"


def entry(**fields: Value) -> bytes:
    return canonical({"epoch": EPOCH, **fields}) + b"\n\nnote"


def test_an_entry_is_read() -> None:
    opened = read_entry(entry(entry="opened", process="worker"))
    assert opened is not None
    assert opened == Entry(epoch=EPOCH, kind="opened")
    assert not opened.is_end
    closed = read_entry(entry(entry="closed", size=4))
    assert closed is not None
    assert closed.is_end
    assert closed == Entry(epoch=EPOCH, kind="closed", records=4)
    assert read_entry(entry(entry="sealed", size=4, torn=9)) == Entry(epoch=EPOCH, kind="sealed", records=4, torn=9)
    assert read_entry(entry(entry="pruned", size=4)) == Entry(epoch=EPOCH, kind="pruned", records=4)


@pytest.mark.rows
@pytest.mark.parametrize(
    "raw",
    [
        entry(entry="opened", epoch="../elsewhere"),
        entry(entry="reopened"),
        entry(entry="closed"),
        entry(entry="closed", size="4"),
        entry(entry="sealed", size=4, torn="9"),
        entry(entry="closed", size=4, epoch="../elsewhere"),
        b"no entry",
        b"{}\n\nnote",
        b"not json\n\nnote",
    ],
)
def test_what_says_nothing_of_an_epoch_is_none(raw: bytes) -> None:
    assert read_entry(raw) is None
