import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from gateway.configuration.oidc import wrong_with_address
from gateway.domain.identity import Role
from gateway.settings import Settings, load
from gateway.yamlfile.problems import Problem

SettingsOf = Callable[..., Settings]
Problems = Callable[..., tuple[Problem, ...]]

MODELS = "models: {m: {targets: [{provider: embedded}]}}\n"


def text_of(*issuers: dict[str, Any]) -> str:
    usual = {"name": "corp", "issuer": "https://login.example", "audience": ["splitgate"]}
    return f"auth: {{oidc: {json.dumps([{**usual, **one} for one in issuers])}}}\n{MODELS}"


def test_an_issuer_is_read_whole(settings_of: SettingsOf) -> None:
    (one,) = settings_of(text_of({"require": {"hd": "a", "v": True, "g": ["x", "y"]}})).oidc
    assert (one.algorithms, one.types) == (("RS256", "ES256"), {"jwt", "at+jwt"})
    assert (one.leeway_s, one.refresh_s, one.keep_s, one.timeout_s) == (30, 600.0, 86_400.0, 5.0)
    assert one.cooldown_s == 5.0
    assert one.require == {"hd": ("a",), "v": (True,), "g": ("x", "y")}
    assert (one.roles, one.tenant, one.models, one.routes) == ({Role.APP}, "default", None, None)


@pytest.mark.rows
@pytest.mark.parametrize(
    ("issuer", "said"),
    [
        ({"algorithms": ["none"]}, "`auth.oidc[0].algorithms[0]` must be 'RS256'"),
        ({"algorithms": ["HS256"]}, "`auth.oidc[0].algorithms[0]` must be 'RS256'"),
        ({"algorithms": []}, "`auth.oidc[0].algorithms` must not be empty"),
        ({"audience": []}, "`auth.oidc[0].audience` must not be empty"),
        ({"name": "Corp"}, "`auth.oidc[0].name` must be 1 to 32 small letters"),
        ({"leeway_s": 301}, "`auth.oidc[0].leeway_s` must be at most 300"),
        ({"issuer": "http://login.example"}, "without `jwks_url`, `issuer` must be https"),
        ({"issuer": "corp"}, "without `jwks_url`, `issuer` must be an https address"),
        ({"jwks_url": "http://login.example/keys"}, "`jwks_url` must be https"),
        ({"jwks_url": "file:///etc/keys"}, "`jwks_url` must be an https address"),
        ({"keep_s": 60}, "signing keys must count for longer"),
        ({"tenants": {"a": "b"}}, "without `claims.tenant` nothing says which"),
        ({"role_values": {"a": "app"}}, "without `claims.roles` nothing says which"),
        ({"claims": {"roles": "groups"}}, "`role_values` must say which value gives which role"),
        ({"require": {"aud": "x"}}, "`aud` is checked always"),
        ({"require": {"hd": []}}, "must not be empty: nothing could meet it"),
        ({"types": ["a b"]}, "must be a media type's name"),
        ({"models": ["gone"]}, "no model is called `gone`"),
        ({"routes": ["gone"]}, "no route is called `gone`"),
        ({"ca_file": "not-there.pem"}, "`ca_file` holds no certificates that can be read"),
        ({"client_secret": "planted"}, "there is no key `client_secret` here"),
    ],
)
def test_what_would_let_in_nobody_or_anybody_is_refused(
    problems_of: Problems, issuer: dict[str, Any], said: str
) -> None:
    (problem,) = problems_of(text_of(issuer))
    assert problem.message.startswith(said)
    assert "planted" not in f"{problem.message}{problem.excerpt}"


def test_issuers_are_told_apart(problems_of: Problems, settings_of: SettingsOf) -> None:
    other = {"name": "other", "issuer": "https://other.example"}
    assert len(settings_of(text_of({}, other)).oidc) == 2
    first, second = problems_of(text_of({}, {}))
    assert first.message.startswith("the name `corp` stands twice")
    assert second.message.startswith("the same issuer stands twice")


def test_names_of_keys_do_not_pass_for_those_of_tokens(problems_of: Problems, settings_of: SettingsOf) -> None:
    def keys(name: str) -> str:
        return f"keys: [{{name: '{name}', sha256: {'ab' * 32}}}]\n"

    (problem,) = problems_of(keys("corp:joe") + text_of({}))
    assert "`corp:`" in problem.message
    assert settings_of(keys("corp") + text_of({})).keys


@pytest.mark.rows
@pytest.mark.parametrize(
    ("url", "sound"),
    [
        ("https://login.example", True),
        ("https://login.example:8443/tenant/v2.0", True),
        ("http://127.0.0.1:8080/realms/a", True),
        ("http://localhost/x", True),
        ("http://[::1]:1/x", True),
        ("http://10.0.0.1/x", False),
        ("http://localhost.evil.example/x", False),
        ("https://", False),
        ("https://login.example:0", False),
        ("https://login.example:99999", False),
        ("https://joe:secret@login.example", False),
        ("https://login.example/#x", False),
        ("https://login.example/?x=1", False),
        ("https://login.example/a b", False),
        ("https://login.example\\@evil.example", False),
        ("https://[::1", False),
        ("ftp://login.example", False),
        ("//login.example", False),
        ("", False),
    ],
)
def test_only_https_and_this_machine_are_fetched_from(url: str, sound: bool) -> None:
    assert (wrong_with_address(url) is None) is sound


def test_an_address_of_keys_may_have_a_query() -> None:
    assert wrong_with_address("https://login.example/keys?p=1", query=True) is None
    assert wrong_with_address("https://login.example/keys?p=1") is not None


def test_certificates_are_looked_for_only_where_they_are_used(tmp_path: Path) -> None:
    path = tmp_path / "splitgate.yaml"
    path.write_text(text_of({"ca_file": "not-here.pem"}))
    (one,) = load(path, {}, offline=True).oidc
    assert one.tls is None
