"""What only entries of the configuration itself can get wrong; all else is told in tests/access/test_key_file.py."""

from collections.abc import Callable
from pathlib import Path

import pytest

from gateway.domain.identity import Role
from gateway.settings import Settings
from gateway.yamlfile.problems import Problem

SettingsOf = Callable[..., Settings]
Problems = Callable[..., tuple[Problem, ...]]

MODELS = "models: {m: {targets: [{provider: embedded}]}, team-a: {targets: [{provider: embedded}]}}\n"
A, B = "ab" * 32, "cd" * 32


def test_a_key_may_do_what_its_entry_says(settings_of: SettingsOf) -> None:
    entry = f"{{name: a, id: sg-1, sha256: {A}, models: [team-*], routes: ['*chat'], roles: [app, auditor]}}"
    (key,) = settings_of(f"keys: [{entry}]\n{MODELS}").keys
    assert (key.caller.models, key.caller.routes) == ({"team-a"}, {"openai_chat"})
    assert (key.caller.roles, key.caller.secret, key.caller.method) == ({Role.APP, Role.AUDITOR}, "sg-1", "api_key")


@pytest.mark.rows
@pytest.mark.parametrize(
    ("glob", "routes"),
    [
        ("openai_embeddings", {"openai_embeddings"}),
        ("openai_*", {"openai_chat", "openai_responses", "openai_embeddings"}),
        ("'*messages'", {"anthropic_messages"}),
    ],
)
def test_every_route_that_calls_a_model_can_be_named(settings_of: SettingsOf, glob: str, routes: set[str]) -> None:
    (key,) = settings_of(f"keys: [{{name: a, sha256: {A}, routes: [{glob}]}}]\n{MODELS}").keys
    assert key.caller.routes == routes


@pytest.mark.rows
@pytest.mark.parametrize(
    ("models", "said"),
    [
        ("[mm]", "no model is called `mm`; did you mean `m`?"),
        ("[m, team-b*]", "no model matches `team-b*`; there are m, team-a"),
        ("['a b']", "`keys[0].models[0]` must be a name, or a glob with * and ?"),
    ],
)
def test_a_model_that_nobody_configured_is_a_mistake(problems_of: Problems, models: str, said: str) -> None:
    (problem,) = problems_of(f"keys: [{{name: a, sha256: {A}, models: {models}}}]\n{MODELS}")
    assert problem.message.startswith(said)


@pytest.mark.parametrize(
    "asks", ["keys_file: k", "auth: {oidc: [{name: c, issuer: 'https://a.example', audience: [s]}]}"]
)
def test_whoever_asks_for_keys_or_tokens_may_listen_everywhere(settings_of: SettingsOf, asks: str) -> None:
    settings = settings_of(f"server: {{host: 0.0.0.0}}\n{asks}\n{MODELS}")
    assert settings.asks
    assert not settings_of(f"auth: {{}}\n{MODELS}").asks


@pytest.mark.rows
@pytest.mark.parametrize(
    "wrong", ["keys_file: 7", "auth: 7", "auth: {oidc: 7}", "auth: {oidc: [7]}", "auth: {oidc: [{name: c}]}"]
)
def test_a_mistake_in_how_callers_are_asked_is_not_told_as_asking_nobody(problems_of: Problems, wrong: str) -> None:
    problems = problems_of(f"server: {{host: 0.0.0.0}}\n{wrong}\n{MODELS}")
    assert not [problem for problem in problems if "loopback" in problem.message]


def test_a_key_file_counts_from_the_configurations_folder_and_may_come_later(
    settings_of: SettingsOf, tmp_path: Path
) -> None:
    settings = settings_of(f"keys_file: sub/keys.jsonl\n{MODELS}")
    assert settings.keys_file == tmp_path / "sub" / "keys.jsonl"
    assert "there is no such file" in settings.warnings[0]
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "keys.jsonl").touch()
    assert settings_of(f"keys_file: sub/keys.jsonl\n{MODELS}").warnings == ()
