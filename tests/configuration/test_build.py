from collections.abc import Callable
from pathlib import Path

import pytest

from gateway.configuration.cards import written
from gateway.domain.card import Bar, Card
from gateway.domain.identity import Caller, Role
from gateway.domain.isolation import Isolation
from gateway.domain.model import Hole
from gateway.domain.prompt import Trust
from gateway.settings import Key, Settings
from gateway.yamlfile.problems import Problem

SettingsOf = Callable[..., Settings]
Problems = Callable[..., tuple[Problem, ...]]

MODELS = "models: {m: {targets: [{provider: embedded}]}}\n"
A, B = "ab" * 32, "cd" * 32


def test_keys_become_callers(settings_of: SettingsOf) -> None:
    second = f"{{name: b, sha256: {B}, tenant: t, max_trust: user, require_data: true, roles: [admin, approver]}}"
    text = f'keys: [{{name: a, sha256: "{A.upper()}"}}, {second}]\n'
    assert settings_of(text + MODELS).keys == (
        Key(sha256=A, caller=Caller(key="a", tenant="default")),
        Key(
            sha256=B,
            caller=Caller(
                key="b",
                tenant="t",
                max_trust=Trust.USER,
                require_data=True,
                roles=frozenset({Role.ADMIN, Role.APPROVER}),
            ),
        ),
    )


@pytest.mark.rows
@pytest.mark.parametrize(
    ("entry", "fault"),
    [
        (f"{{name: a, sha256: {B}}}", "the key name `a` stands twice"),
        (f"{{name: b, sha256: {A}}}", "the same key's digest stands twice"),
        ("{name: b, sha256: sg-1-hunter2}", "`sha256` must be the SHA-256 of a key"),
        (f'{{name: b, sha256: "{A}0"}}', "`sha256` must be the SHA-256 of a key"),
        (
            "{name: b, sha256: e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855}",
            "`sha256` must be the SHA-256 of a key",
        ),
    ],
)
def test_keys_that_could_not_be_told_apart_or_matched_are_refused(
    problems_of: Problems, entry: str, fault: str
) -> None:
    (problem,) = problems_of(f"keys:\n  - {{name: a, sha256: {A}}}\n  - {entry}\n{MODELS}")
    assert problem.line == 3
    assert problem.message.startswith(fault)
    assert "hunter2" not in str(problem)


@pytest.mark.rows
@pytest.mark.parametrize("host", ["0.0.0.0", "192.168.1.5", "gateway.example", "'::'"])  # noqa: S104 - refused
def test_without_keys_only_loopback_is_listened_on(problems_of: Problems, settings_of: SettingsOf, host: str) -> None:
    (problem,) = problems_of(f"server: {{host: {host}}}\n{MODELS}")
    assert (problem.line, problem.column) == (1, 16)
    assert "loopback only" in problem.message
    keys = f"keys: [{{name: a, sha256: {A}}}]\n"
    assert settings_of(f"server: {{host: {host}}}\n{keys}{MODELS}").server.host == host.strip("'")


@pytest.mark.rows
@pytest.mark.parametrize("name", ["gate.example:80", "http://gate.example", "'*'", "''", "a/b"])
def test_an_allowed_host_that_no_header_could_match_is_refused(problems_of: Problems, name: str) -> None:
    (problem,) = problems_of(f"server: {{allowed_hosts: [a.example, {name}]}}\n{MODELS}")
    assert (problem.line, problem.column) == (1, 37)
    assert "must be a host name alone" in problem.message


@pytest.mark.rows
@pytest.mark.parametrize("name", ["gate.example", "10.0.0.1", "'fe80::1'", "my_host"])
def test_plain_host_names_are_allowed(settings_of: SettingsOf, name: str) -> None:
    assert settings_of(f"server: {{allowed_hosts: [{name}]}}\n{MODELS}").server.allowed_hosts == (name.strip("'"),)


@pytest.mark.rows
@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "'::1'"])
def test_loopback_needs_no_keys(settings_of: SettingsOf, host: str) -> None:
    assert settings_of(f"server: {{host: {host}}}\n{MODELS}").keys == ()


def test_a_model_is_read_whole(settings_of: SettingsOf) -> None:
    text = """models:
  m:
    min_isolation: none
    user_channel: data
    require_data: true
    allow_prefill: true
    allow_unmatched: true
    templates:
      - "Say: {{what: user}}"
      - {template: "Read {{page: data}}!", name: page, role: system}
    targets: [{provider: embedded}]
"""
    model = settings_of(text).models["m"]
    assert (model.name, model.min_isolation, model.user_channel) == ("m", Isolation.NONE, "data")
    assert (model.require_data, model.allow_prefill, model.allow_unmatched) == (True, True, True)
    first, second = model.templates
    assert (first.name, first.role, first.parts) == ("template-1", "user", ("Say: ", Hole(name="what", channel="user")))
    assert (second.name, second.role) == ("page", "system")
    assert second.parts == ("Read ", Hole(name="page", channel="data"), "!")


def test_a_template_that_does_not_parse_is_told_where_it_stands(problems_of: Problems) -> None:
    text = "models:\n  m:\n    templates:\n      - '{{a: dat}}'\n    targets: [{provider: embedded}]\n"
    (problem,) = problems_of(text)
    assert problem.line == 4
    assert problem.message.startswith("the template `template-1` cannot be used: ")


def test_template_names_are_unique(problems_of: Problems) -> None:
    two = "{name: a, template: 'x {{b: data}}'}, {name: a, template: 'y {{b: data}}'}"
    (problem,) = problems_of(f"models: {{m: {{templates: [{two}], targets: [{{provider: embedded}}]}}}}")
    assert "the template name `a` stands twice" in problem.message


def test_target_ids_are_unique_over_all_models(problems_of: Problems, settings_of: SettingsOf) -> None:
    text = "models:\n  a: {targets: [{provider: embedded}]}\n  b: {targets: [{provider: embedded, id: %s}]}\n"
    (problem,) = problems_of(text % "a/1")
    assert problem.line == 3
    assert "the target id `a/1` stands twice" in problem.message
    assert settings_of(text % "a/2").models["b"].targets[0].id == "a/2"


def test_targets_below_the_floor_are_warned_of(settings_of: SettingsOf) -> None:
    text = """models:
  m:
    min_isolation: channel
    targets:
      - {provider: openai_compatible, base_url: "https://h/v1", model: m, format: tool-envelope}
      - {provider: embedded}
"""
    (warning,) = settings_of(text).warnings
    assert ":6:9: target m/2 reaches wrapped at most" in warning


def test_a_floor_that_no_target_reaches_is_warned_of(settings_of: SettingsOf) -> None:
    text = "models: {m: {min_isolation: native, targets: [{provider: embedded}]}}"
    one, two = settings_of(text).warnings
    assert "target m/1 reaches wrapped at most" in one
    assert "no target of `m` can reach native" in two


def test_targets_that_are_not_shown_to_be_as_is_asked_are_warned_of(
    settings_of: SettingsOf, card: Card, tmp_path: Path
) -> None:
    (tmp_path / "card.yaml").write_text(written(card), encoding="utf-8")
    text = """models:
  m:
    max_attack_success: 0.05
    targets:
      - {provider: openai_compatible, base_url: "https://h/v1", model: m, format: secalign, card: card.yaml}
      - {provider: openai_compatible, base_url: "https://h/v1", model: n, format: secalign}
"""
    settings = settings_of(text)
    assert settings.models["m"].bar == Bar(max_attack_success=0.05)
    (warning,) = settings.warnings
    assert ":6:9: target m/2 is never used for a request that carries data: max_attack_success 0.05" in warning
    assert "it has no card; measure it with `splitgate evaluate`" in warning
    one, two, none = settings_of(text.replace("0.05", "0.04")).warnings
    assert "target m/1 is never used" in one
    assert "target m/2 is never used" in two
    assert ":3:5: no target of `m` has a card that shows what the model asks for" in none


@pytest.mark.parametrize("name", ["min_separation", "max_attack_success"])
def test_what_is_asked_of_a_card_is_a_share(problems_of: Problems, settings_of: SettingsOf, name: str) -> None:
    text = "models: {m: {%s: %s, targets: [{provider: embedded}]}}"
    (problem,) = problems_of(text % (name, "5"))
    assert problem.message == f"`models.m.{name}` must be at most 1.0"
    assert settings_of(text % (name, "1")).models["m"].bar == Bar(**{name: 1.0})


def test_native_on_our_word_and_kept_bodies_are_warned_of(settings_of: SettingsOf) -> None:
    text = """server: {record_recent: 5}
models:
  m: {targets: [{provider: openai_compatible, base_url: "https://h/v1", model: m, format: struq, trained: true}]}
"""
    kept, word = settings_of(text).warnings
    assert "kept in memory" in kept
    assert "counts as native on this file's word" in word


def test_problems_of_all_models_are_told_at_once(problems_of: Problems) -> None:
    text = "models:\n  a: {targets: [{provider: x}]}\n  b: {targets: [{provider: embedded, format: y}]}\n"
    assert [problem.line for problem in problems_of(text)] == [2, 2, 2, 3]
