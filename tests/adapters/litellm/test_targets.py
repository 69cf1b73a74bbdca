import json
import os
from typing import Any

import pytest

from adapters.litellm.targets import Target, Untold, read
from gateway.domain.address import PUBLIC_ONLY, Addresses

TOLD: dict[str, Any] = {
    "id": "a", "model": "v/m", "embeddings": "v/e", "address": None, "private": False, "networks": [],
    "credentials": {"api_key": "planted"},
    "fields": ["top_k"],
}  # fmt: skip


def reading(told: bytes) -> int:
    near, far = os.pipe()
    os.write(far, told)
    os.close(far)
    return near


def test_targets_are_read_once_and_the_descriptor_is_closed() -> None:
    elsewhere = {"id": "b", "address": "http://x", "private": True, "networks": ["10.2.0.0/16"]}
    fd = reading(json.dumps([TOLD, {**TOLD, **elsewhere}]).encode())
    targets = read(fd)
    assert targets["a"] == Target(
        id="a", model="v/m", embeddings="v/e", credentials={"api_key": "planted"}, fields=frozenset({"top_k"})
    )
    assert targets["b"].address == "http://x"
    assert targets["b"].addresses == Addresses(private=True, networks=("10.2.0.0/16",))
    assert targets["a"].addresses == PUBLIC_ONLY
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(fd)


def test_no_credential_is_in_a_targets_representation() -> None:
    assert "planted" not in repr(read(reading(json.dumps([TOLD]).encode())))


WRONG: list[dict[str, Any]] = [
    {"more": 1}, {"id": ""}, {"model": 1}, {"address": 1}, {"credentials": []}, {"credentials": {"a": 1}},
    {"fields": {}}, {"fields": [1]}, {"private": 1}, {"networks": "10.0.0.0/8"}, {"networks": [1]},
]  # fmt: skip


@pytest.mark.rows
@pytest.mark.parametrize(
    "told",
    [
        *(b"", b"planted", b"{", b"{}", b"[]", b"[1]", b'[{"id": "planted"}]', json.dumps([TOLD, 1]).encode()),
        *[json.dumps([{**TOLD, **wrong}]).encode() for wrong in WRONG],
    ],
)
def test_anything_else_is_not_taken_and_not_quoted(told: bytes) -> None:
    with pytest.raises(Untold, match="splitgate serve") as caught:
        read(reading(told))
    assert caught.value.__cause__ is None
    assert "planted" not in str(caught.value)
