import pytest

from gateway.audit.ship.objects import Stretch, entry_name, read_name, stretch_name

LOG, EPOCH = "20260101T000000Z-0000000a", "20260102T000000Z-0000000b"


@pytest.mark.parametrize("file", ["journal", "checkpoints"])
def test_a_name_says_what_the_object_holds(file: str) -> None:
    stretch = Stretch(epoch=EPOCH, file=file, offset=1234)
    name = stretch_name(LOG, stretch)
    assert name == f"{LOG}/epochs/{EPOCH}/{file}/0000000000001234"
    assert read_name(name.removeprefix(f"{LOG}/")) == stretch
    assert entry_name(LOG, 7) == f"{LOG}/registry/00000007"
    assert read_name("registry/00000007") == 7


def test_names_are_in_the_order_of_the_bytes() -> None:
    offsets = [0, 9, 10, 1_000_000, 10**15]
    names = [stretch_name(LOG, Stretch(epoch=EPOCH, file="journal", offset=offset)) for offset in offsets]
    assert names == sorted(names)


@pytest.mark.parametrize(
    "name",
    [
        "registry/7",
        "registry/00000007.md5",
        f"epochs/{EPOCH}/journal",
        f"epochs/{EPOCH}/journal/12",
        f"epochs/{EPOCH}/blobs/0000000000000000",
        "epochs/../journal/0000000000000000",
        f"{LOG}/registry/00000001",
    ],
)
def test_what_is_called_otherwise_is_no_such_object(name: str) -> None:
    assert read_name(name) is None
