import base64
import re
from collections.abc import Callable, Sequence
from typing import TypeAlias

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.detectors import _secret_values as values
from gateway.detectors._secret_formats import FORMATS, Format, base62_crc32
from gateway.detectors.regex import PatternSet
from gateway.detectors.secrets import FACTS, LONGEST, Secrets
from gateway.detectors.text import Text
from gateway.domain.detection import QUIET, Detection, Stage, Subject

Look: TypeAlias = Callable[[str], Detection]

_BODY = "zQWBuTSOoRi4A9spHcVY5ncnsDkxkJ"
_GITHUB = f"ghp_{_BODY}0mLq17"
_HEX = "0f3a9c81d5e7426bb1c09d8e7f6a5b4c"
_MIXED = "aB3dE5fG7hJ9kL1mN2pQ4rS6tU8vW0xYzAbC2dE4fG6hJ8kL0mN1pQ3rS5tU7vW9xYz"
_HEADER = base64.urlsafe_b64encode(b'{"alg":"HS256","typ":"JWT"}').decode().rstrip("=")
_JWT = f"{_HEADER}.eyJzdWIiOiI0MiIsIm5hbWUiOiJBZGEifQ.c2lnbmF0dXJlLW9mLXRoaXMtdG9rZW4"


@pytest.fixture
def look() -> Look:
    detector = Secrets()
    hints = PatternSet(detector.patterns)

    def seen(text: str) -> Detection:
        folded = Text(text)
        subject = Subject(stage=Stage.OUTPUT, where="output", text=text, facts={})
        detection = detector.detect(folded, subject)
        assert detection == QUIET or hints.hits(folded.matching), "the scanner would not have asked"
        return detection

    return seen


def _marked(text: str, detection: Detection) -> list[tuple[str, str]]:
    return [(mark.kind, text[mark.start : mark.end]) for mark in detection.marks]


_TOKENS = [
    ("aws_access_key", "AKIA2OGYBAH6QLWKMNXA"),
    ("github_token", _GITHUB),
    ("github_token", f"ghs_{_MIXED}"),
    ("github_token", f"github_pat_{_MIXED[:22]}_{_MIXED[:59]}"),
    ("npm_token", f"npm_{_BODY}0mLq17"),
    ("gitlab_token", f"glpat-{_MIXED[:20]}"),
    ("anthropic_key", f"sk-ant-api03-{_MIXED}{_MIXED[:26]}AA"),
    ("openai_key", f"sk-proj-{_MIXED}"),
    ("openai_key", f"sk-{_MIXED[:48]}"),
    ("stripe_key", f"sk_live_{_MIXED[:24]}"),
    ("webhook_secret", f"whsec_{_MIXED[:32]}"),
    ("google_api_key", f"AIza{_MIXED[:35]}"),
    ("google_token", f"ya29.{_MIXED}"),
    ("google_client_secret", f"GOCSPX-{_MIXED[:28]}"),
    ("azure_storage_key", f"AccountKey={_MIXED}{_MIXED[:19]}=="),
    ("azure_sas", f"?sig={_MIXED[:44]}"),
    ("azure_client_secret", f"abc8Q~{_MIXED[:34]}"),
    ("slack_token", f"xoxb-1234-{_MIXED[:24]}"),
    ("slack_token", f"xapp-1-A{_MIXED}"),
    ("slack_webhook", f"hooks.slack.com/services/T000/B000/{_MIXED[:40]}"),
    ("huggingface_token", "hf_" + "aBcDeFgHiJkLmNoPqRsTuVwXyZaBcDeFgH"),
    ("pypi_token", f"pypi-AgEIcHlwaS5vcmc{_MIXED}"),
    ("twilio_key", f"SK{_HEX}"),
    ("sendgrid_key", f"SG.{_MIXED[:22]}.{_MIXED[:43]}"),
    ("mailgun_key", f"key-{_HEX}"),
    ("telegram_token", f"123456789:AA{_MIXED[:33]}"),
    ("digitalocean_token", f"dop_v1_{_HEX}{_HEX}"),
    ("shopify_token", f"shpat_{_HEX}"),
    ("databricks_token", f"dapi{_HEX}"),
    ("vault_token", f"hvs.{_MIXED[:24]}"),
    ("grafana_token", f"glsa_{_MIXED[:32]}_{_HEX[:8]}"),
    ("new_relic_key", "NRAK-ABCDEFGH2345678IJKLMNOPQRST"),
    ("atlassian_token", f"ATATT3{_MIXED}"),
    ("linear_key", f"lin_api_{_MIXED[:40]}"),
    ("docker_token", f"dckr_pat_{_MIXED[:27]}"),
    ("rubygems_key", f"rubygems_{_HEX}{_HEX[:16]}"),
    ("groq_key", f"gsk_{_MIXED[:52]}"),
    ("xai_key", f"xai-{_MIXED}{_MIXED[:13]}"),
    ("nvidia_key", f"nvapi-{_MIXED[:64]}"),
    ("replicate_token", f"r8_{_MIXED[:37]}"),
    ("age_key", "AGE-SECRET-KEY-1" + "QPZRY9X8GF2TVDW0S3JN54KHCE6MUA7LQPZRY9X8GF2TVDW0S3JN54KHCE"),
    ("jwt", _JWT),
    ("private_key", "-----BEGIN RSA PRIVATE KEY-----\nMIIEpAIBAAKCAQEA\n-----END RSA PRIVATE KEY-----"),
]


@pytest.mark.rows
@pytest.mark.parametrize(("kind", "token"), _TOKENS, ids=[f"{kind}-{place}" for place, (kind, _) in enumerate(_TOKENS)])
def test_a_token_is_found_and_marked_whole(look: Look, kind: str, token: str) -> None:
    text = f"It is {token} and nothing else."
    seen = look(text)
    assert seen.facts["det.secrets.found"] is True
    assert _marked(text, seen) == [(kind, token)]


@pytest.mark.rows
@pytest.mark.parametrize(("kind", "token"), _TOKENS, ids=[f"{kind}-{place}" for place, (kind, _) in enumerate(_TOKENS)])
def test_its_beginning_alone_is_none(look: Look, kind: str, token: str) -> None:
    shorter = "-----BEGIN CERTIFICATE-----" if kind == "private_key" else token[: min(len(token) // 3, 11)]
    assert look(f"It is {shorter} and nothing else.") == QUIET


def test_every_kind_has_a_case() -> None:
    assert {kind for kind, _ in _TOKENS} == {kind.kind for kind in FORMATS}


def _most(pattern: str) -> int:
    """What the standard library's own parser says of how much a pattern takes."""
    _, most = re._parser.parse(pattern).getwidth()  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType, reportAttributeAccessIssue]
    assert isinstance(most, int)
    return most


@pytest.mark.rows
@pytest.mark.parametrize("kind", FORMATS, ids=lambda kind: kind.kind)
def test_no_pattern_takes_more_than_it_says(kind: Format) -> None:
    assert _most(kind.pattern) == kind.longest < LONGEST


def test_no_assignment_takes_more_than_it_says() -> None:
    assert _most(values.ASSIGNMENT) - 8 + values.LONGEST == values.ASSIGNMENT_LONGEST < LONGEST
    assert _most(values.HEADER) - 16 + values.LONGEST == values.HEADER_LONGEST < LONGEST


def test_what_streams_may_rest_on_is_finite() -> None:
    finite = {fact.name: fact.longest for fact in FACTS if fact.longest is not None}
    assert finite == {"det.secrets.found": LONGEST, "det.secrets.verified": LONGEST}
    assert LONGEST <= 512


@pytest.mark.rows
@pytest.mark.parametrize("token", [_GITHUB, f"npm_{_BODY}0mLq17", f"ghs_{_BODY}0mLq17{_MIXED}", _JWT])
def test_a_checksum_or_header_that_holds_verifies(look: Look, token: str) -> None:
    assert look(token).facts["det.secrets.verified"] is True


@pytest.mark.rows
@pytest.mark.parametrize("prefix", ["ghp_", "gho_", "npm_"])
def test_a_checksum_that_does_not_hold_is_no_token(look: Look, prefix: str) -> None:
    assert look(f"{prefix}{_BODY}0mLq18") == QUIET


@given(st.text("abcXYZ019", min_size=30, max_size=30), st.sampled_from(["ghp_", "gho_", "ghu_", "ghr_", "npm_"]))
def test_any_body_with_its_checksum_is_a_token(body: str, prefix: str) -> None:
    text = Text(f"<{prefix}{body}{base62_crc32(body)}>")
    subject = Subject(stage=Stage.OUTPUT, where="output", text=text.original, facts={})
    assert Secrets().detect(text, subject).facts["det.secrets.verified"] is True


@pytest.mark.rows
@pytest.mark.parametrize(
    "header", [b'{"kid":"no algorithm"}', b"[1, 2, 3, 4, 5]", b'{"alg"', b'{"alg": \xff\xff\xff\xff}']
)
def test_a_header_without_an_algorithm_is_no_jwt(look: Look, header: bytes) -> None:
    coded = base64.urlsafe_b64encode(header).decode().rstrip("=")
    assert look(f"eyJ{coded}.eyJzdWIiOiI0MiJ9.c2lnbmF0dXJl") == QUIET
    assert look(f"{coded}.eyJzdWIiOiI0MiJ9.c2lnbmF0dXJl") == QUIET


@pytest.mark.rows
@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("password: Xk29!fjQpw1", "Xk29!fjQpw1"),
        ('DB_PASSWORD="c0rrect-Horse9"', "c0rrect-Horse9"),
        ('{"api_key": "9fK2mZ81qLx0"}', "9fK2mZ81qLx0"),
        ('{\\"client_secret\\": \\"9fK2mZ81qLx0\\"}', "9fK2mZ81qLx0"),
        ("secret_access_key => 'wJalrXUtnFEMIK7MDENGbPxRfiCYzzzzKEY'", "wJalrXUtnFEMIK7MDENGbPxRfiCYzzzzKEY"),
        ("The password is Xk29!fjQpw1", "Xk29!fjQpw1"),
        ("Authorization: Basic YWRhOmMwcnJlY3QtSG9yc2U5", "YWRhOmMwcnJlY3QtSG9yc2U5"),
        ("token = b'9fK2mZ81qLx0'", "9fK2mZ81qLx0"),
        ("pass\u200bword: Xk29!f\u200bjQpw1", "Xk29!f\u200bjQpw1"),
    ],
)
def test_a_value_given_to_a_telling_name_is_found(look: Look, text: str, value: str) -> None:
    assert _marked(text, look(text)) == [("assignment", value)]


@pytest.mark.rows
@pytest.mark.parametrize(
    "text",
    [
        "password: <your password>",
        "password: hunter2",
        "api_key = os.environ['API_KEY_1']",
        "token: ${TOKEN_1_FROM_CI}",
        "secret: example-Secret-1",
        "password = get_password2(user)",
        "token = tok2vec.maybe_get",
        "secret_file: /run/secrets/db1",
        "password: aaaaaaaaaaa1",
        "password: 1234567890",
        "tokenizer: llama3-8b-Instruct",
        "max_tokens: 4096",
        "the password was changed yesterday",
        "password=abababab1abab",
        "password: correct horse",
        "api_key: AKIAIOSFODNN7EXAMPLE",
    ],
)
def test_what_only_stands_for_a_value_is_none(look: Look, text: str) -> None:
    assert look(text) == QUIET


def test_a_url_with_a_password_is_found(look: Look) -> None:
    text = "postgres://app:s3cr3t-Pw@db.internal/x"
    assert _marked(text, look(text)) == [("url_password", "s3cr3t-Pw")]


@pytest.mark.rows
@pytest.mark.parametrize(
    "text",
    [
        "postgres://user:password@localhost/db",
        "postgres://app:${PW}@db/x",
        "https://example.org/a:b@c",
        f"postgres://{'u' * 90}:s3cr3tPw@db",
        f"postgres://u:{'p9' * 101}@db",
    ],
)
def test_a_url_without_one_is_not(look: Look, text: str) -> None:
    assert look(text) == QUIET


def test_a_token_in_an_assignment_is_one_secret_of_its_own_kind(look: Look) -> None:
    text = f"api_key={_GITHUB}"
    seen = look(text)
    assert _marked(text, seen) == [("github_token", _GITHUB)]
    assert seen.facts["det.secrets.count"] == 1


def test_a_named_secret_before_a_longer_assignment_keeps_its_name(look: Look) -> None:
    text = f"{_HEX[:3]} token=AKIA2OGYBAH6QLWKMNXA+9fK2mZ81qLx0"
    assert _marked(text, look(text)) == [("aws_access_key", "AKIA2OGYBAH6QLWKMNXA+9fK2mZ81qLx0")]


def test_several_are_counted_and_named_in_order(look: Look) -> None:
    text = f"password: Xk29!fjQpw1\n{_GITHUB}\nAKIA2OGYBAH6QLWKMNXA"
    seen = look(text)
    assert [kind for kind, _ in _marked(text, seen)] == ["assignment", "github_token", "aws_access_key"]
    assert seen.facts["det.secrets.count"] == 3
    assert seen.facts["det.secrets.kinds"] == ("assignment", "aws_access_key", "github_token")
    assert seen.facts["det.secrets.long"] is False


@pytest.mark.parametrize("hidden", ["AKIA\u200b2OGYBAH6QLWKMNXA", "\uff21\uff2b\uff29\uff212OGYBAH6QLWKMNXA"])
def test_what_is_not_seen_or_wider_hides_nothing(look: Look, hidden: str) -> None:
    text = f"é {hidden} é"
    assert _marked(text, look(text)) == [("aws_access_key", hidden)]


def test_what_is_seen_between_two_parts_them(look: Look) -> None:
    text = f"\u201c{_GITHUB}\u201d\u201c{_GITHUB}\u201d"
    assert _marked(text, look(text)) == [("github_token", _GITHUB)] * 2


def test_case_matters(look: Look) -> None:
    assert look("akia2ogybah6qlwkmnxa") == QUIET


@pytest.mark.rows
@pytest.mark.parametrize("newline", ["\n", "\\n", "\r\n", " "])
def test_a_private_key_is_marked_to_its_end(look: Look, newline: str) -> None:
    key = newline.join(["-----BEGIN PRIVATE KEY-----", "MIIEvQIBADANBg", "-----END PRIVATE KEY-----"])
    text = f"key: {key} and so on"
    seen = look(text)
    assert _marked(text, seen) == [("private_key", key)]
    assert seen.facts["det.secrets.long"] is True


def test_a_private_key_without_end_is_marked_to_the_end(look: Look) -> None:
    text = "x -----BEGIN OPENSSH PRIVATE KEY-----\nb3BlbnNzaC1rZXktdjEA"
    assert [mark.end for mark in look(text).marks] == [len(text)]


def test_a_token_longer_than_any_is_found_by_its_beginning_and_marked_whole(look: Look) -> None:
    token = f"xoxb-{'1aB' * 200}"
    text = f"<{token}>"
    seen = look(text)
    assert _marked(text, seen) == [("slack_token", token)]
    assert seen.facts["det.secrets.long"] is True


def test_what_begins_like_a_token_within_a_longer_one_is_part_of_it(look: Look) -> None:
    token = "xoxb-1aB2" * 60
    seen = look(f"<{token}>")
    assert _marked(f"<{token}>", seen) == [("slack_token", token)]
    assert seen.facts["det.secrets.count"] == 1


def test_a_value_longer_than_any_is_marked_whole(look: Look) -> None:
    value = "".join(f"k{number:x}Z" for number in range(1_000, 1_100))
    text = f'secret="{value}"'
    seen = look(text)
    assert _marked(text, seen) == [("assignment", value)]
    assert seen.facts["det.secrets.long"] is True
    assert look(f"secret={value[:200]}").facts["det.secrets.long"] is False


@pytest.mark.rows
@pytest.mark.parametrize(("kind", "token"), _TOKENS, ids=[f"{kind}-{place}" for place, (kind, _) in enumerate(_TOKENS)])
def test_its_first_characters_decide(look: Look, kind: str, token: str) -> None:
    cut = f" {token}"[:LONGEST]
    assert look(cut).facts["det.secrets.kinds"] == (kind,)


def _dense(unit: str, size: int) -> str:
    return (unit * (size // len(unit) + 1))[:size]


@pytest.mark.parametrize(
    ("unit", "kinds"),
    [("AKIAIOSFODNN7EXAMPLE ", ()), (f"{_GITHUB} ", ("github_token",))],
)
def test_a_text_too_dense_is_a_failure_that_keeps_what_it_saw(look: Look, unit: str, kinds: Sequence[str]) -> None:
    seen = look(_dense(unit, 20_000))
    assert seen.failed == "limit"
    assert tuple(seen.facts.get("det.secrets.kinds", ())) == tuple(kinds)  # pyright: ignore[reportArgumentType]


def test_a_text_with_as_many_as_texts_have_is_none(look: Look) -> None:
    seen = look("\n".join([_GITHUB] * 100))
    assert (seen.failed, seen.facts["det.secrets.count"]) == (None, 100)


def test_half_a_surrogate_pair_is_no_obstacle(look: Look) -> None:
    text = f"\ud800 {_GITHUB} \udfff"
    assert _marked(text, look(text)) == [("github_token", _GITHUB)]


def test_ordinary_text_is_quiet(look: Look) -> None:
    assert look("Please reset the password of the customer, the key account is the second one.") == QUIET


@given(st.text(), st.sampled_from([token for _, token in _TOKENS]), st.text())
def test_whatever_stands_around_it_marks_are_in_order_and_apart(before: str, token: str, after: str) -> None:
    text = f"{before} {token} {after}"
    subject = Subject(stage=Stage.OUTPUT, where="output", text=text, facts={})
    seen = Secrets().detect(Text(text), subject)
    assert seen.facts["det.secrets.found"] is True
    edges = [edge for mark in seen.marks for edge in (mark.start, mark.end)]
    assert edges == sorted(edges)
    assert edges[-1] <= len(text)


def test_names_within_a_value_are_part_of_it(look: Look) -> None:
    text = "password=kT9x.token=Zq4w8Vb7.secret=Lm3n5Rt6"
    assert _marked(text, look(text)) == [("assignment", text.partition("=")[2])]
