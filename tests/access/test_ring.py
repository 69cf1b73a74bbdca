import hashlib

from gateway.access.ring import Ring
from gateway.domain.identity import Caller, Key

CALLER = Caller(key="app", tenant="t")
DIGEST = hashlib.sha256(b"planted").digest()


def test_a_key_is_found_by_its_digest_alone() -> None:
    key = Key(sha256=DIGEST.hex(), caller=CALLER)
    ring = Ring([key])
    assert ring.find(DIGEST) is key
    assert ring.find(hashlib.sha256(b"other").digest()) is None
    assert Ring(()).find(DIGEST) is None


def test_a_digest_that_shares_a_slot_is_still_compared_whole() -> None:
    twin, key = Key(sha256=(DIGEST[:8] + bytes(24)).hex(), caller=CALLER), Key(sha256=DIGEST.hex(), caller=CALLER)
    assert Ring([twin]).find(DIGEST) is None
    assert Ring([twin, key]).find(DIGEST) is key


def test_it_tells_which_keys_there_are_whether_they_open_or_not() -> None:
    keys = (Key(sha256=DIGEST.hex(), caller=CALLER, revoked=True),)
    assert Ring(keys).keys == keys
    assert Ring(keys).find(DIGEST) is keys[0]
