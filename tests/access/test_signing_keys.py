import json
import warnings
from typing import Any, Protocol

import pytest
from joserfc.errors import SecurityWarning
from joserfc.jwk import ECKey, OctKey, OKPKey, RSAKey

from gateway.access.signing_keys import MAX_KEYS, NoKeySet, SigningKeys


class Issuer(Protocol):
    keys: dict[str, RSAKey | ECKey | OKPKey]

    def jwks(self, *kids: str, **more: Any) -> bytes: ...

    def public(self, which: str, /, **more: Any) -> dict[str, Any]: ...


def holding(*keys: Any) -> SigningKeys:
    return SigningKeys(json.dumps({"keys": list(keys)}).encode())


@pytest.mark.rows
@pytest.mark.parametrize(
    ("kid", "algorithms"),
    [
        ("rsa", {"RS256", "RS384", "RS512", "PS256", "PS384", "PS512"}),
        ("p256", {"ES256"}),
        ("p384", {"ES384"}),
        ("ed", {"Ed25519"}),
    ],
)
def test_a_key_is_for_the_algorithms_of_its_kind_and_curve(issuer: Issuer, kid: str, algorithms: set[str]) -> None:
    keys = SigningKeys(issuer.jwks())
    assert len(keys) == 5
    every = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "Ed25519")
    assert {one for one in every if keys.fitting(kid, one) is not None} == algorithms
    assert not any(keys.fitting("none", one) for one in every)


def test_without_an_id_only_the_one_key_that_can_be_meant_is(issuer: Issuer) -> None:
    assert SigningKeys(issuer.jwks()).fitting(None, "RS256") is None
    assert SigningKeys(issuer.jwks("rsa", "p256")).fitting(None, "RS256") is not None


def test_a_key_that_names_its_algorithm_is_for_no_other_one(issuer: Issuer) -> None:
    keys = holding(issuer.public("rsa", alg="PS256"))
    assert keys.fitting("rsa", "PS256") is not None
    assert keys.fitting("rsa", "RS256") is None


def test_two_keys_of_one_id_are_told_apart_by_what_they_are_for(issuer: Issuer) -> None:
    keys = holding(issuer.public("rsa", kid="1"), issuer.public("p256", kid="1"))
    found = keys.fitting("1", "ES256")
    assert found is not None
    assert found.key_type == "EC"


@pytest.mark.rows
@pytest.mark.parametrize(
    "more",
    [{"use": "enc"}, {"use": 1}, {"key_ops": ["sign"]}, {"key_ops": "verify"}, {"kid": 7}, {"alg": ["RS256"]}],
)
def test_a_key_for_something_else_is_passed_over(issuer: Issuer, more: dict[str, Any]) -> None:
    assert len(holding(issuer.public("rsa", **more))) == 0
    assert len(holding(issuer.public("rsa", use="sig", key_ops=["verify", "sign"], alg="RS256"))) == 1


def test_nothing_that_is_secret_is_kept_and_no_shared_secret_is_a_key(issuer: Issuer) -> None:
    private = {**issuer.keys["rsa"].as_dict(private=True), "kid": "rsa"}
    found = holding(private).fitting("rsa", "RS256")
    assert found is not None
    assert not found.is_private
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SecurityWarning)
        assert len(holding({**OctKey.generate_key(256).as_dict(private=True), "kid": "o"})) == 0


def test_a_weak_key_is_passed_over_and_so_is_one_that_takes_a_second_to_check(issuer: Issuer) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SecurityWarning)
        weak = RSAKey.generate_key(1024).as_dict(private=False)
    huge = {**issuer.public("rsa"), "n": "_" + "w" * 1400}
    slow = {**issuer.public("rsa"), "e": "_" + "w" * 20}
    assert len(holding(weak, huge, slow, issuer.public("old"))) == 1


@pytest.mark.rows
@pytest.mark.parametrize(
    "broken",
    [
        7,
        {},
        {"kty": "RSA"},
        {"kty": "RSA", "n": 1, "e": "AQAB"},
        {"kty": "RSA", "n": "+/=", "e": "AQAB"},
        {"kty": "EC", "crv": "P-257", "x": "AQAB", "y": "AQAB"},
        {"kty": "EC", "crv": "P-256", "x": "AQAB", "y": "AQAB"},
        {"kty": "OKP", "crv": "Ed25519", "x": "AQAB"},
        {"kty": "AKP", "alg": "ML-DSA-44", "pub": "AQAB"},
        {"kty": ["RSA"]},
    ],
)
def test_a_key_that_is_none_spoils_no_other_one(issuer: Issuer, broken: Any) -> None:
    assert len(holding(broken, issuer.public("rsa"))) == 1


@pytest.mark.rows
@pytest.mark.parametrize(
    "raw",
    [
        b"", b"[]", b"{}", b'{"keys": 7}', b'{"keys": {}}', b'{"keys": [], "keys": []}', b"\xff",
        json.dumps({"keys": [{}] * (MAX_KEYS + 1)}).encode(),
    ],
)  # fmt: skip
def test_what_is_no_set_is_refused(raw: bytes) -> None:
    with pytest.raises(NoKeySet):
        SigningKeys(raw)
