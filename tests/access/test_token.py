"""What a token must be to be believed; each way to fail stands beside the token that differs in nothing else."""

import base64
import hashlib
import hmac
import json
import time
from collections.abc import Callable
from typing import Any, Protocol

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from joserfc.jwk import ECKey, OKPKey, RSAKey

from gateway.access.signing_keys import SigningKeys
from gateway.access.token import MAX_BYTES, expect_sort, take_apart, verify, words_of
from gateway.configuration.values import OidcSettings
from gateway.domain.errors import CredentialExpired, InvalidToken, Unauthenticated
from gateway.domain.jsonvalue import JsonObject

Json = dict[str, Any]
OidcOf = Callable[..., OidcSettings]
ALL = ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "Ed25519"]


class Issuer(Protocol):
    keys: dict[str, RSAKey | ECKey | OKPKey]

    def jwks(self, *kids: str, **more: Any) -> bytes: ...

    def token(self, kid: str = "rsa", alg: str = "RS256", header: Json | None = None, **claims: Any) -> bytes: ...

    def forged(self, header: Json, signature: bytes = b"", **claims: Any) -> bytes: ...


def believed(token: bytes, settings: OidcSettings, issuer: Issuer, now: float | None = None) -> JsonObject:
    """The claims of a token that is believed, as ``tokens.py`` comes to them."""
    taken = take_apart(token)
    expect_sort(taken, settings)
    key = SigningKeys(issuer.jwks()).fitting(taken.kid, taken.algorithm)
    if key is None:
        raise InvalidToken("no such key")
    verify(taken, key, settings, time.time() if now is None else now)
    return taken.claims


def refused(token: bytes, settings: OidcSettings, issuer: Issuer, now: float | None = None) -> str:
    with pytest.raises(Unauthenticated) as caught:
        believed(token, settings, issuer, now)
    assert "planted" not in str(caught.value)
    return caught.value.message


@pytest.mark.rows
@pytest.mark.parametrize(
    ("kid", "alg"),
    [
        *[("rsa", alg) for alg in ALL[:6]],
        ("p256", "ES256"),
        ("p384", "ES384"),
        ("ed", "Ed25519"),
    ],
)
def test_what_the_issuer_signed_by_an_algorithm_that_is_taken_is_believed(
    issuer: Issuer, oidc_of: OidcOf, kid: str, alg: str
) -> None:
    token = issuer.token(kid, alg)
    assert believed(token, oidc_of(algorithms=ALL), issuer)["sub"] == "joe"
    others = [one for one in ALL if one != alg]
    assert "algorithm" in refused(token, oidc_of(algorithms=others), issuer)


def test_nothing_signed_is_nothing_whatever_the_header_says(issuer: Issuer, oidc_of: OidcOf) -> None:
    settings = oidc_of(algorithms=ALL)
    for alg in ("none", "None", "NONE", "", "HS256", "HS384", "HS512", "dir", "ES256K", "RS257"):
        assert "algorithm" in refused(issuer.forged({"alg": alg, "kid": "rsa"}), settings, issuer)
    for alg in ("RS256", "ES256", "Ed25519"):
        assert refused(issuer.forged({"alg": alg, "kid": "rsa"}), settings, issuer)
        assert refused(issuer.forged({"alg": alg, "kid": "rsa"}, b"planted"), settings, issuer)


def test_the_public_key_is_no_secret_to_sign_with(issuer: Issuer, oidc_of: OidcOf) -> None:
    public = issuer.keys["rsa"].public_key
    for shown in (
        public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo),
        public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo),
        issuer.jwks("rsa"),
    ):
        for alg in ("HS256", "RS256"):
            unsigned = issuer.forged({"alg": alg, "kid": "rsa", "typ": "JWT"}).rpartition(b".")[0]
            mac = hmac.new(shown, unsigned, hashlib.sha256).digest()
            forged = issuer.forged({"alg": alg, "kid": "rsa", "typ": "JWT"}, mac)
            assert refused(forged, oidc_of(), issuer)


def test_another_key_of_the_issuers_is_not_the_one_that_the_token_names(issuer: Issuer, oidc_of: OidcOf) -> None:
    assert "signature" in refused(issuer.token("old", header={"kid": "rsa"}), oidc_of(), issuer)
    assert refused(issuer.token("rsa", header={"kid": "p256"}), oidc_of(), issuer) == "no such key"
    assert believed(issuer.token("old"), oidc_of(), issuer)


def test_a_change_of_a_single_bit_is_seen(issuer: Issuer, oidc_of: OidcOf) -> None:
    header, claims, signature = issuer.token().split(b".")
    other = issuer.token(sub="eve").split(b".")[1]
    assert "signature" in refused(b".".join((header, other, signature)), oidc_of(), issuer)
    flipped = bytes([signature[10] ^ 1])
    assert refused(b".".join((header, claims, signature[:10] + flipped + signature[11:])), oidc_of(), issuer)
    assert believed(b".".join((header, claims, signature)), oidc_of(), issuer)


@pytest.mark.rows
@pytest.mark.parametrize(
    "header",
    [
        {"jku": "https://evil.example/jwks"},
        {"jwk": {"kty": "RSA"}},
        {"x5u": "https://evil.example/cert"},
        {"x5c": ["MII"]},
        {"crit": ["exp"]},
        {"crit": []},
        {"b64": True},
        {"zip": "DEF"},
        {"enc": "A128GCM"},
    ],
)
def test_a_token_may_not_say_how_it_is_to_be_checked(issuer: Issuer, oidc_of: OidcOf, header: Json) -> None:
    (name,) = header
    assert f"`{name}`" in refused(issuer.forged({"alg": "RS256", "kid": "rsa", **header}), oidc_of(), issuer)


def test_a_header_that_means_nothing_to_us_does_no_harm(issuer: Issuer, oidc_of: OidcOf) -> None:
    token = issuer.token(header={"x5t": "abc", "cty": "JWT", "tenant_hint": "planted"})
    assert believed(token, oidc_of(), issuer)


@pytest.mark.rows
@pytest.mark.parametrize(
    ("typ", "types", "taken"),
    [
        ("JWT", None, True),
        ("jwt", None, True),
        (None, None, True),
        ("at+jwt", None, True),
        ("application/at+jwt", None, True),
        ("logout+jwt", None, False),
        ("dpop+jwt", None, False),
        ("secevent+jwt", None, False),
        ("JOSE", None, False),
        ("", None, False),
        ("JWT", ["at+jwt"], False),
        (None, ["at+jwt"], False),
        ("at+JWT", ["application/AT+jwt"], True),
    ],
)
def test_only_the_kinds_of_token_that_are_named_are_taken(
    issuer: Issuer, oidc_of: OidcOf, typ: str | None, types: list[str] | None, taken: bool
) -> None:
    settings = oidc_of(**({} if types is None else {"types": types}))
    token = issuer.token(header={"typ": typ})
    if taken:
        assert believed(token, settings, issuer)
    else:
        assert "`typ`" in refused(token, settings, issuer)


@pytest.mark.rows
@pytest.mark.parametrize(
    ("audience", "taken"),
    [
        ("splitgate", True),
        (["other", "splitgate"], True),
        (["second"], True),
        ("other", False),
        (["other"], False),
        ([], False),
        ("", False),
        (None, False),
        (["splitgate", 7], False),
        ({"splitgate": 1}, False),
        ("splitgate other", False),
    ],
)
def test_a_token_is_for_us_if_its_audience_names_us(
    issuer: Issuer, oidc_of: OidcOf, audience: Any, taken: bool
) -> None:
    settings = oidc_of(audience=["splitgate", "second"])
    token = issuer.token(aud=audience)
    if taken:
        assert believed(token, settings, issuer)
    else:
        assert "`aud`" in refused(token, settings, issuer)


def test_an_issuer_is_meant_exactly(issuer: Issuer, oidc_of: OidcOf) -> None:
    for other in ("https://login.example/", "https://LOGIN.example", "https://login.example.evil.example"):
        assert refused(issuer.token(iss=other), oidc_of(), issuer)
    for nobody in (None, 7, ["https://login.example"]):
        assert "`iss`" in refused(issuer.token(iss=nobody), oidc_of(), issuer)


NOW = 1_900_000_000


@pytest.mark.rows
@pytest.mark.parametrize(
    ("claims", "taken"),
    [
        ({"exp": NOW + 1}, True),
        ({"exp": NOW - 29}, True),
        ({"exp": NOW - 30}, False),
        ({"exp": NOW + 0.5}, True),
        ({"exp": None}, False),
        ({"exp": "2050"}, False),
        ({"exp": True}, False),
        ({"exp": 1e308}, True),
        ({"exp": 2**63}, True),
        ({"nbf": NOW + 30}, True),
        ({"nbf": NOW + 31}, False),
        ({"nbf": "never"}, False),
        ({"iat": NOW + 30}, True),
        ({"iat": NOW + 31}, False),
        ({"iat": None}, True),
        ({"sub": None}, False),
        ({"sub": ""}, False),
        ({"sub": 7}, False),
    ],
)
def test_a_token_is_good_for_its_time_give_or_take_the_leeway(
    issuer: Issuer, oidc_of: OidcOf, claims: Json, taken: bool
) -> None:
    usual: Json = {"exp": NOW + 300, "iat": NOW - 300}
    token = issuer.token(**{**usual, **claims})
    if taken:
        assert believed(token, oidc_of(), issuer, NOW)
    else:
        assert refused(token, oidc_of(), issuer, NOW)


def test_an_expired_token_says_since_when(issuer: Issuer, oidc_of: OidcOf) -> None:
    for exp, said in ((NOW - 60, "2030-03-17T17:45:40Z"), (-(10**18), "long ago"), (-1e300, "long ago")):
        with pytest.raises(CredentialExpired, match=said):
            believed(issuer.token(exp=exp, iat=NOW - 300), oidc_of(), issuer, NOW)


def test_the_end_of_a_token_is_told_with_the_leeway(issuer: Issuer, oidc_of: OidcOf) -> None:
    taken = take_apart(issuer.token(exp=NOW + 300, iat=NOW))
    key = SigningKeys(issuer.jwks()).fitting("rsa", "RS256")
    assert key is not None
    assert verify(taken, key, oidc_of(leeway_s=10), NOW) == NOW + 310


def test_where_the_caller_is_named_by_another_claim_no_subject_is_needed(issuer: Issuer, oidc_of: OidcOf) -> None:
    assert believed(issuer.token(sub=None), oidc_of(claims={"key": "azp"}), issuer)


@pytest.mark.rows
@pytest.mark.parametrize(
    ("require", "claims", "taken"),
    [
        ({"hd": "acme.example"}, {"hd": "acme.example"}, True),
        ({"hd": "acme.example"}, {"hd": "evil acme.example"}, False),
        ({"hd": "acme.example"}, {}, False),
        ({"hd": ["a", "b"]}, {"hd": "b"}, True),
        ({"hd": ["a", "b"]}, {"hd": "c"}, False),
        ({"groups": "staff"}, {"groups": ["x", "staff"]}, True),
        ({"groups": "staff"}, {"groups": ["x", ["staff"]]}, False),
        ({"scope": "llm"}, {"scope": "openid llm"}, True),
        ({"scope": "llm"}, {"scope": "openid llms"}, False),
        ({"email_verified": True}, {"email_verified": True}, True),
        ({"email_verified": True}, {"email_verified": "true"}, False),
        ({"email_verified": True}, {"email_verified": 1}, False),
        ({"flag": False}, {}, False),
        ({"realm_access.roles": "llm"}, {"realm_access": {"roles": ["llm"]}}, True),
        ({"realm_access.roles": "llm"}, {"realm_access": "roles"}, False),
        ({"https://a.example/team": "x"}, {"https://a.example/team": "x"}, True),
        ({"a": "1", "b": "2"}, {"a": "1", "b": "2"}, True),
        ({"a": "1", "b": "2"}, {"a": "1"}, False),
    ],
)
def test_required_claims_say_what_they_must(
    issuer: Issuer, oidc_of: OidcOf, require: Json, claims: Json, taken: bool
) -> None:
    token = issuer.token(**claims)
    if taken:
        assert believed(token, oidc_of(require=require), issuer)
    else:
        assert "requires" in refused(token, oidc_of(require=require), issuer)


def test_only_scopes_are_words() -> None:
    claims = {"scope": "a b", "scp": ["c d", 7], "name": "a b", "none": None}
    assert [words_of(claims, name) for name in claims] == [("a", "b"), ("c d",), ("a b",), ()]


@pytest.mark.rows
@pytest.mark.parametrize("part", [0, 1])
@pytest.mark.parametrize("raw", [b"", b"planted", b"[]", b'{"a":1,"a":2}', b'{"a":NaN}', b"\xff", b'{"a":' * 5000])
def test_what_is_no_token_is_told_without_what_it_was(issuer: Issuer, oidc_of: OidcOf, part: int, raw: bytes) -> None:
    parts = issuer.token().split(b".")
    for broken in (raw, base64.urlsafe_b64encode(raw).rstrip(b"="), base64.b64encode(raw + b"=")):
        parts[part] = broken
        assert refused(b".".join(parts), oidc_of(), issuer)


def test_a_key_that_stands_twice_cannot_say_two_things(issuer: Issuer, oidc_of: OidcOf) -> None:
    twice = base64.urlsafe_b64encode(b'{"alg":"RS256","kid":"rsa","alg":"none"}').rstrip(b"=")
    _, claims, signature = issuer.token().split(b".")
    assert "is none" in refused(b".".join((twice, claims, signature)), oidc_of(), issuer)


@pytest.mark.rows
@pytest.mark.parametrize("header", [{"alg": 7}, {"alg": None}, {"kid": 7}, {"kid": "k" * 513}, {"typ": 7}])
def test_a_header_of_other_types_is_none(issuer: Issuer, oidc_of: OidcOf, header: Json) -> None:
    assert refused(issuer.forged({"alg": "RS256", "kid": "rsa", **header}), oidc_of(), issuer)


def test_a_very_large_token_is_not_taken_apart(issuer: Issuer, oidc_of: OidcOf) -> None:
    fits = issuer.token(pad="x" * 9000)
    assert len(fits) < MAX_BYTES
    assert believed(fits, oidc_of(), issuer)
    assert "is over" in refused(issuer.token(pad="x" * MAX_BYTES), oidc_of(), issuer)
    long_header = issuer.token(header={"pad": "x" * 2000})
    assert refused(long_header, oidc_of(), issuer)


def test_claims_are_read_strictly(issuer: Issuer) -> None:
    assert take_apart(issuer.token(n=1)).claims["n"] == 1
    assert json.loads(json.dumps(dict(take_apart(issuer.token()).claims)))["aud"] == "splitgate"
