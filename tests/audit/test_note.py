import base64
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.audit.note import BadKey, BadNote, Checkpoint, SigningKey, VerifierKey, checkpoint, opened, signed

# The example of Go's golang.org/x/mod/sumdb/note, whose format C2SP's signed notes are.
PRIVATE = "PRIVATE+KEY+PeterNeumann+c74f20a3+AYEKFALVFGyNhPJEMzD1QIDr+Y7hfZx09iUvxdXHKDFz"
PUBLIC = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
TEXT = b"If you think cryptography is the answer to your problem,\nthen you don't know what your problem is.\n"
SIGNATURE = "x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM="
NOTE = TEXT + f"\n— PeterNeumann {SIGNATURE}\n".encode()

NAMES = st.text(st.characters(min_codepoint=33, max_codepoint=126, exclude_characters="+"), min_size=1, max_size=40)


@pytest.fixture(scope="module")
def key() -> SigningKey:
    return SigningKey("example.com/log", bytes(range(32)))


@pytest.fixture(scope="module")
def other() -> SigningKey:
    return SigningKey("example.com/log", bytes(range(1, 33)))


def test_the_published_note_is_signed_byte_for_byte_and_opened() -> None:
    key = SigningKey.parse(PRIVATE)
    assert str(key.verifier) == PUBLIC
    assert key.reveal() == PRIVATE
    assert signed(TEXT, [key]) == NOTE
    assert opened(NOTE, [VerifierKey.parse(PUBLIC)]) == TEXT


@given(NAMES, st.binary(min_size=32, max_size=32), st.integers(0, 10**15), st.binary(min_size=32, max_size=32))
def test_a_checkpoint_is_accepted_by_the_second_implementation(
    second: Any, name: str, seed: bytes, size: int, root: bytes
) -> None:
    key = SigningKey(name, seed)
    said = Checkpoint(origin=f"{name}/x", size=size, root=root)
    note = signed(said.text, [key])
    assert second.note_text(note, str(key.verifier)) == said.text.decode()
    assert checkpoint(opened(note, [key.verifier])) == said


@given(st.data())
def test_a_note_with_any_byte_changed_is_refused(key: SigningKey, data: st.DataObject) -> None:
    note = bytearray(signed(Checkpoint(origin="example.com/log/x", size=3, root=bytes(32)).text, [key]))
    index = data.draw(st.integers(0, len(note) - 1))
    note[index] ^= data.draw(st.integers(1, 255))
    with pytest.raises(BadNote):
        opened(bytes(note), [key.verifier])


def test_while_keys_are_rotated_one_good_signature_is_enough(key: SigningKey, other: SigningKey) -> None:
    note = signed(TEXT, [key, other])
    assert opened(note, [key.verifier]) == opened(note, [other.verifier]) == TEXT


def test_one_bad_signature_of_a_trusted_key_is_too_much(key: SigningKey, other: SigningKey) -> None:
    note = signed(TEXT, [key]) + signed(b"another text\n", [other]).partition(b"\n\n")[2]
    with pytest.raises(BadNote, match="is bad"):
        opened(note, [key.verifier, other.verifier])
    assert opened(note, [key.verifier]) == TEXT


@pytest.mark.rows
@pytest.mark.parametrize(
    "note",
    [
        b"",
        b"text\n",
        b"text\n\n",
        b"text\n\nno signature\n",
        "text\n\n— name\n".encode(),
        "text\n\n— name !!!\n".encode(),
        "text\n\n— name AAAA\n".encode(),
        TEXT + b"\n" + "— a AAAAAAAA\n".encode() * 65,
    ],
)
def test_what_is_no_signed_note_is_refused(key: SigningKey, note: bytes) -> None:
    with pytest.raises(BadNote):
        opened(note, [key.verifier])


def test_a_note_of_a_stranger_is_refused(key: SigningKey, other: SigningKey) -> None:
    with pytest.raises(BadNote, match="no trusted key"):
        opened(signed(TEXT, [other]), [key.verifier])


ROOT = base64.b64encode(bytes(32)).decode()


@pytest.mark.rows
@pytest.mark.parametrize(
    "text",
    [
        f"\n1\n{ROOT}\n",
        f"a\n01\n{ROOT}\n",
        f"a\n-1\n{ROOT}\n",
        f"a\n1\n{ROOT}",
        "a\n1\nAAAA\n",
        "a\n1\n\n",
        f"a\n1\n{ROOT}\nmore\n",
    ],
)
def test_what_is_no_checkpoint_is_refused(text: str) -> None:
    with pytest.raises(BadNote, match="no checkpoint"):
        checkpoint(text.encode())


@pytest.mark.rows
@pytest.mark.parametrize(
    "text",
    ["", "a+b", PUBLIC[:-4], PUBLIC.replace("c74f20a3", "c74f20a4"), PUBLIC.replace("+AR", "+BR"), f"a b{PUBLIC}"],
)
def test_a_broken_public_key_is_refused_and_not_repeated(text: str) -> None:
    with pytest.raises(BadKey) as caught:
        VerifierKey.parse(text)
    assert "ARpc2QcUPDhMQegwxbzh" not in str(caught.value)


@pytest.mark.rows
@pytest.mark.parametrize("text", ["", PUBLIC, PRIVATE[:-4], PRIVATE.replace("c74f20a3", "c74f20a4")])
def test_a_broken_signing_key_is_refused_and_not_repeated(text: str) -> None:
    with pytest.raises(BadKey) as caught:
        SigningKey.parse(text)
    assert "AYEKFALVFGyN" not in str(caught.value)


def test_a_signing_key_shows_itself_only_when_it_is_asked_to(key: SigningKey) -> None:
    secret = key.reveal().rpartition("+")[2]
    assert secret not in repr(key)
    assert secret not in str(key)


def test_drawn_keys_differ_and_survive_being_written() -> None:
    first, second = SigningKey.draw("n"), SigningKey.draw("n")
    assert first.verifier != second.verifier
    assert SigningKey.parse(first.reveal()).verifier == first.verifier
    assert len({VerifierKey.parse(str(first.verifier)), first.verifier}) == 1
