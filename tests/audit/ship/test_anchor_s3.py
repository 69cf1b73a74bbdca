"""Against a store that works out each signature by code of its own."""

from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Protocol

import pytest

from gateway.audit.note import Checkpoint, SigningKey, signed
from gateway.audit.ship.anchor import Anchored, Forked, anchored
from gateway.audit.ship.anchor_s3 import S3Anchor
from gateway.audit.ship.failure import NotTaken
from gateway.audit.ship.s3_store import Bucket
from gateway.domain.target import Secret

EPOCH = "20260102T030405Z-0123abcd"


class Store(Protocol):
    objects: dict[str, bytes]
    faults: list[int]
    calls: list[str]
    forgetful: bool
    bucket: Bucket


@pytest.fixture
async def anchor(store: Store) -> AsyncIterator[S3Anchor]:
    anchor = S3Anchor(replace(store.bucket, endpoint=f"{store.bucket.endpoint}/"))
    yield anchor
    await anchor.close()


def checkpoint(key: SigningKey, root: bytes = b"r" * 32) -> Anchored:
    text = Checkpoint(origin=f"example.test/audit/{EPOCH}", size=3, root=root).text
    found = anchored(signed(text, [key]), EPOCH)
    assert found is not None
    return found


async def test_it_is_put_verbatim_under_its_names(anchor: S3Anchor, store: Store, signing_key: SigningKey) -> None:
    what = checkpoint(signing_key)
    await anchor.keep(what)
    name = f"/evidence/gate%20ways/example.test~audit/{EPOCH}/0000000000000003"
    assert store.objects == {name: what.note}


async def test_the_same_twice_is_compared_and_left(anchor: S3Anchor, store: Store, signing_key: SigningKey) -> None:
    what = checkpoint(signing_key)
    await anchor.keep(what)
    await anchor.keep(what)
    assert [call.split()[0] for call in store.calls] == ["PUT", "PUT", "GET"]
    assert list(store.objects.values()) == [what.note]


async def test_a_fork_is_noticed_and_nothing_is_overwritten(
    anchor: S3Anchor, store: Store, signing_key: SigningKey
) -> None:
    what = checkpoint(signing_key)
    await anchor.keep(what)
    with pytest.raises(Forked):
        await anchor.keep(checkpoint(signing_key, b"s" * 32))
    assert list(store.objects.values()) == [what.note]


@pytest.mark.parametrize(("status", "for_good"), [(403, True), (404, True), (409, False), (429, False), (503, False)])
async def test_a_refusal_is_no_success(
    anchor: S3Anchor, store: Store, signing_key: SigningKey, status: int, for_good: bool
) -> None:
    store.faults = [status]
    with pytest.raises(NotTaken) as caught:
        await anchor.keep(checkpoint(signing_key))
    assert caught.value.for_good is for_good
    assert not store.objects


async def test_a_comparison_that_fails_is_no_success(anchor: S3Anchor, store: Store, signing_key: SigningKey) -> None:
    await anchor.keep(checkpoint(signing_key))
    store.faults = [412, 500]
    with pytest.raises(NotTaken, match="500"):
        await anchor.keep(checkpoint(signing_key))
    store.forgetful = True
    with pytest.raises(NotTaken, match="came and went"):
        await anchor.keep(checkpoint(signing_key))


async def test_a_wrong_key_is_refused_and_not_told(store: Store, signing_key: SigningKey) -> None:
    wrong = replace(store.bucket.key, secret_access_key=Secret("planted-wrong"))
    anchor = S3Anchor(replace(store.bucket, key=wrong))
    with pytest.raises(NotTaken) as caught:
        await anchor.keep(checkpoint(signing_key))
    await anchor.close()
    assert caught.value.reason == "HTTP 403"


async def test_a_store_that_is_gone_is_told_of_by_name_alone(
    store: Store, dead_url: str, signing_key: SigningKey
) -> None:
    anchor = S3Anchor(replace(store.bucket, endpoint=dead_url))
    with pytest.raises(NotTaken, match="ConnectError"):
        await anchor.keep(checkpoint(signing_key))
    await anchor.close()
