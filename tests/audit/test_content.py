"""Content: read by its key for its record alone, and only where it is what the record speaks of."""

import secrets
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.audit.content import ADDED, Reference, Unreadable, blob_at, opened, reference_to, sealed
from gateway.audit.subjects import Keys

EVENT = "20260801T120000Z-0123abcd.7"


@pytest.fixture
def keys() -> Keys:
    return Keys("a" * 32, None, bytes(32))


@given(text=st.binary(max_size=100), key=st.binary(min_size=32, max_size=32))
def test_content_is_read_again_by_its_key_alone(text: bytes, key: bytes) -> None:
    keys, other = Keys("a" * 32, None, key), Keys("a" * 32, None, secrets.token_bytes(32))
    blob = sealed(keys, EVENT, text)
    assert len(blob) == len(text) + ADDED
    assert opened(keys, EVENT, blob) == text
    with pytest.raises(Unreadable):
        opened(other, EVENT, blob)


@given(at=st.integers(min_value=0, max_value=37), bit=st.integers(min_value=0, max_value=7))
def test_changed_content_is_not_read(at: int, bit: int) -> None:
    keys = Keys("a" * 32, None, bytes(32))
    blob = bytearray(sealed(keys, EVENT, b"0123456789"))
    blob[at] ^= 1 << bit
    with pytest.raises(Unreadable):
        opened(keys, EVENT, bytes(blob))


@pytest.mark.parametrize("blob", [b"", b"short", bytes(12), bytes(28)])
def test_what_is_no_content_is_not_read(keys: Keys, blob: bytes) -> None:
    with pytest.raises(Unreadable):
        opened(keys, EVENT, blob)


def test_content_belongs_to_one_record(keys: Keys) -> None:
    with pytest.raises(Unreadable):
        opened(keys, f"{EVENT}0", sealed(keys, EVENT, b"text"))


def test_the_same_text_never_looks_the_same(keys: Keys) -> None:
    assert sealed(keys, EVENT, b"text") != sealed(keys, EVENT, b"text")


@given(before=st.binary(max_size=50), blob=st.binary(min_size=1, max_size=50))
def test_a_reference_is_read_as_it_is_written(before: bytes, blob: bytes) -> None:
    reference = reference_to(len(before), blob)
    assert Reference.parse(str(reference)) == reference


@pytest.mark.rows
@pytest.mark.parametrize(
    "text", ["", "1:2", f"01:2:{'a' * 64}", f"1:0:{'a' * 64}", f"-1:2:{'a' * 64}", f"1:2:{'A' * 64}", f"1:2:{'a' * 63}"]
)
def test_what_is_no_reference_is_none(text: str) -> None:
    assert Reference.parse(text) is None


def test_content_lies_where_the_reference_says(tmp_path: Path, keys: Keys) -> None:
    first, second = sealed(keys, EVENT, b"first"), sealed(keys, EVENT, b"second")
    path = tmp_path / "blobs"
    path.write_bytes(first + second)
    assert blob_at(path, reference_to(len(first), second)) == second
    path.write_bytes(second + first)
    with pytest.raises(Unreadable, match="speaks of"):
        blob_at(path, reference_to(len(first), second))
    path.write_bytes(first + second[:-1])
    with pytest.raises(Unreadable, match="speaks of"):
        blob_at(path, reference_to(len(first), second))
