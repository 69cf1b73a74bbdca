import base64
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway.audit.note import VerifierKey
from gateway.audit.places import Places
from gateway.audit.proof import NoProof, Proof, check, prove

OVER: list[tuple[str, int]] = [("closed", 13), ("sealed", 7), ("open", 6)]


@pytest.fixture
def key(journals: Any) -> VerifierKey:
    return VerifierKey.parse(journals.public)


def test_every_covered_record_is_proven_to_both_implementations(
    journals: Any, epochs: Any, key: VerifierKey, second: Any
) -> None:
    for name, count in OVER:
        epoch = getattr(epochs, name)
        for number in range(count):
            line = journals.lines[epoch][number]
            raw = bytes(prove(Places(journals.root), f"{epoch}.{number}", [key]))
            assert second.proof_holds(raw, journals.public, line)
            proven = check(Proof.parse(raw), [key])
            assert (proven.event, proven.fields["event"]) == (f"{epoch}.{number}", f"{epoch}.{number}")
            assert proven.said.origin == f"test.example/audit/{epoch}"


def test_the_first_checkpoint_that_covers_the_record_is_taken(journals: Any, epochs: Any, key: VerifierKey) -> None:
    sizes = [
        check(prove(Places(journals.root), f"{epochs.closed}.{number}", [key]), [key]).said.size for number in range(13)
    ]
    assert sizes == [4] * 4 + [8] * 4 + [13] * 5


def test_a_proof_is_written_as_the_page_has_it(journals: Any, epochs: Any, key: VerifierKey) -> None:
    raw = bytes(prove(Places(journals.root), f"{epochs.closed}.5", [key]))
    lines = raw.decode().split("\n")
    assert lines[0] == "c2sp.org/tlog-proof@v1"
    assert base64.b64decode(lines[1].removeprefix("extra ")) == journals.lines[epochs.closed][5]
    assert lines[2] == "index 5"
    assert [len(base64.b64decode(line)) for line in lines[3:6]] == [32] * 3
    assert raw.endswith(b"\n\n" + journals.maker.note(epochs.closed, journals.lines[epochs.closed][:8]))
    assert bytes(Proof.parse(raw)) == raw


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_a_proof_with_any_byte_changed_proves_nothing(
    journals: Any, epochs: Any, key: VerifierKey, data: st.DataObject
) -> None:
    raw = bytearray(bytes(prove(Places(journals.root), f"{epochs.closed}.5", [key])))
    index = data.draw(st.integers(0, len(raw) - 1))
    raw[index] ^= data.draw(st.integers(1, 255))
    with pytest.raises(NoProof):
        check(Proof.parse(bytes(raw)), [key])


def test_a_proof_is_of_its_own_record_only(journals: Any, epochs: Any, key: VerifierKey) -> None:
    proof = prove(Places(journals.root), f"{epochs.closed}.5", [key])
    lines = journals.lines[epochs.closed]
    assert check(proof, [key], lines[5]).event == f"{epochs.closed}.5"
    with pytest.raises(NoProof, match="not number 5"):
        check(proof, [key], lines[4])


def test_a_proof_without_its_record_takes_the_record_from_elsewhere(
    journals: Any, epochs: Any, key: VerifierKey
) -> None:
    whole = prove(Places(journals.root), f"{epochs.closed}.5", [key])
    bare = Proof(line=None, index=whole.index, hashes=whole.hashes, note=whole.note)
    assert Proof.parse(bytes(bare)) == bare
    with pytest.raises(NoProof, match="--record"):
        check(bare, [key])
    assert check(bare, [key], journals.lines[epochs.closed][5]).fields["phase"] == "outcome"


def test_a_stranger_proves_nothing(journals: Any, epochs: Any, key: VerifierKey, new_journals: Any) -> None:
    stranger = VerifierKey.parse(new_journals("other", seed=9).public)
    proof = prove(Places(journals.root), f"{epochs.closed}.5", [key])
    with pytest.raises(NoProof, match="not to be trusted"):
        check(proof, [stranger])
    assert check(proof, [stranger, key]).key == key


def test_a_log_of_another_name_is_none_of_the_keys(journals: Any, epochs: Any, key: VerifierKey, second: Any) -> None:
    line = journals.lines[epochs.closed][0]
    root = base64.b64encode(second.leaf(line)).decode()
    text = f"else.example/{epochs.closed}\n1\n{root}\n"
    blob = base64.b64encode(key.id + journals.maker.signer._key.sign(text.encode())).decode()
    note = f"{text}\n— {key.name} {blob}\n".encode()
    with pytest.raises(NoProof, match="none of the key's"):
        check(Proof(line=line, index=0, hashes=(), note=note), [key])


@pytest.mark.parametrize("line", [b"no record", b'{"event":"another"}'])
def test_what_was_signed_and_is_no_record_is_not_shown_as_one(
    journals: Any, epochs: Any, key: VerifierKey, line: bytes, second: Any
) -> None:
    note = journals.maker.signer.note(epochs.closed, 1, second.leaf(line))
    with pytest.raises(NoProof):
        check(Proof(line=line, index=0, hashes=(), note=note), [key])


@pytest.mark.parametrize(
    ("event", "why"),
    [
        ("{open}.7", "wait for the next"),
        ("{open}.9", "no record 9"),
        ("{pruned}.0", "pruned"),
        ("{other}.0", "no journal"),
        ("{open}", "EPOCH.N"),
        ("../x.0", "EPOCH.N"),
    ],
)
def test_what_cannot_be_proven_is_told_with_the_reason(
    journals: Any, epochs: Any, key: VerifierKey, event: str, why: str
) -> None:
    with pytest.raises(NoProof, match=why):
        prove(Places(journals.root), event.format(**vars(epochs)), [key])


def test_a_damaged_journal_proves_nothing(journals: Any, epochs: Any, key: VerifierKey, changed: Any) -> None:
    lines = journals.lines[epochs.closed]
    journals.maker.damage(epochs.closed, [*lines[:3], changed(lines[3], request="x"), *lines[4:]])
    with pytest.raises(NoProof, match="splitgate audit verify"):
        prove(Places(journals.root), f"{epochs.closed}.1", [key])


HEAD = "c2sp.org/tlog-proof@v1\n"


@pytest.mark.rows
@pytest.mark.parametrize(
    "text",
    [
        "",
        "c2sp.org/tlog-proof@v2\nindex 0\n\nnote\n",
        HEAD + "\nnote\n",
        HEAD + "index 01\n\nnote\n",
        HEAD + "index -1\n\nnote\n",
        HEAD + "extra !!!\nindex 0\n\nnote\n",
        HEAD + "index 0\nAAAA\n\nnote\n",
        HEAD + "index 0\n!\n\nnote\n",
        HEAD + "index 0\n" + ("A" * 43 + "=\n") * 65 + "\nnote\n",
        HEAD + "index 0\n",
    ],
)
def test_what_is_no_proof_is_refused(text: str) -> None:
    with pytest.raises(NoProof, match="no proof"):
        Proof.parse(text.encode())
