from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import Result

from gateway.configuration.json_schema import FILE

Splitgate = Callable[..., Result]


def test_a_sound_file_is_summed_up(splitgate: Splitgate, config: str) -> None:
    result = splitgate("check", "--config", config)
    assert result.exit_code == 0
    assert result.stdout.startswith(f"{config}: OK — 2 models, 5 targets, no keys: loopback only, listens on 127.0.0.1")
    assert "warning: " in result.stderr


def test_without_a_file_the_built_in_default_is_checked(splitgate: Splitgate) -> None:
    result = splitgate("check")
    assert result.stdout.startswith("built-in default: OK — 2 models, 2 targets")
    assert result.stderr == ""


def test_the_file_in_the_folder_is_found_and_the_variable_goes_before_it(
    splitgate: Splitgate, config: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "splitgate.yaml").write_text("models: {m: {targets: [{provider: embedded}]}}", encoding="utf-8")
    assert splitgate("check").stdout.startswith("splitgate.yaml: OK")
    monkeypatch.setenv("SPLITGATE_CONFIG", config)
    assert splitgate("check").stdout.startswith(config)


def test_keys_are_counted(splitgate: Splitgate, tmp_path: Path) -> None:
    text = f"keys: [{{name: a, sha256: {'ab' * 32}}}]\nmodels: {{m: {{targets: [{{provider: embedded}}]}}}}"
    (tmp_path / "splitgate.yaml").write_text(text, encoding="utf-8")
    assert ", 1 key, " in splitgate("check").stdout


def test_a_key_file_and_issuers_count_too(splitgate: Splitgate, tmp_path: Path) -> None:
    auth = "auth: {oidc: [{name: corp, issuer: 'https://login.example', audience: [a]}]}"
    text = f"keys_file: keys.jsonl\n{auth}\nmodels: {{m: {{targets: [{{provider: embedded}}]}}}}"
    (tmp_path / "splitgate.yaml").write_text(text, encoding="utf-8")
    missing = splitgate("check")
    assert ", 0 keys, tokens of 1 issuer, " in missing.stdout
    assert "there is no such file" in missing.stderr
    key_file = tmp_path / "keys.jsonl"
    key_file.write_text(f'{{"name": "a", "sha256": "{"ab" * 32}"}}\n')
    assert ", 1 key, tokens of 1 issuer, " in splitgate("check").stdout
    key_file.write_text("#\n{}\n")
    broken = splitgate("check")
    assert (broken.exit_code, broken.stdout) == (2, "")
    assert "keys.jsonl:2:1: the key `name` is missing here" in broken.stderr


def test_limits_are_shown_with_whom_they_stand_for(splitgate: Splitgate, tmp_path: Path) -> None:
    rules = (
        "[{name: rpm, requests: [60/minute, 5000/day], concurrent: 3}, "
        "{name: purse, per: [tenant, model], models: [m], money: ['12.5/month']}]"
    )
    text = f"models: {{m: {{targets: [{{provider: embedded}}]}}}}\nlimits: {{rules: {rules}, currency: EUR}}\n"
    (tmp_path / "splitgate.yaml").write_text(text, encoding="utf-8")
    first, *limits = splitgate("check").stdout.splitlines()
    assert ", 2 limits, listens on" in first
    assert limits == [
        "  limit rpm: per key: 60 requests per minute, 5000 requests per day, 3 requests at once",
        "  limit purse: per tenant and model, models m: 12.5 EUR per month",
    ]


def test_every_problem_is_shown_with_its_line_and_a_caret(splitgate: Splitgate, tmp_path: Path) -> None:
    text = "server: {prot: 1}\nmodels: {m: {targets: [{provider: openai_compatible, api_key: sk-hunter2}]}}\n"
    (tmp_path / "bad.yaml").write_text(text, encoding="utf-8")
    result = splitgate("check", "-c", "bad.yaml")
    assert result.exit_code == 2
    assert result.stderr.split("\n")[:3] == [
        "bad.yaml:1:10: there is no key `prot` here; did you mean `port`?",
        "    server: {prot: 1}",
        "             ^",
    ]
    assert result.stdout == ""


def test_a_literal_key_is_never_printed(splitgate: Splitgate, tmp_path: Path) -> None:
    target = "{provider: openai_compatible, base_url: 'https://h/v1', model: m, api_key: sk-hunter2}"
    (tmp_path / "bad.yaml").write_text(f"models: {{m: {{targets: [{target}]}}}}\n", encoding="utf-8")
    result = splitgate("check", "-c", "bad.yaml")
    assert result.exit_code == 2
    assert "must be a reference" in result.stderr
    assert "hunter2" not in result.output


def test_credentials_must_be_there_unless_they_are_not_to_be_looked_for(splitgate: Splitgate, production: str) -> None:
    result = splitgate("check", "-c", production)
    assert result.exit_code == 2
    assert "set NOT_HERE to the key" in result.stderr
    assert "not-here.key is missing or empty" in result.stderr
    result = splitgate("check", "-c", production, "--no-secrets")
    assert result.exit_code == 0
    assert result.stdout.rstrip().endswith("credentials were not looked for")


def test_a_literal_key_is_refused_even_where_credentials_are_not_looked_for(
    splitgate: Splitgate, tmp_path: Path
) -> None:
    target = "{provider: openai_compatible, base_url: 'https://h/v1', model: m, api_key: sk-hunter2}"
    (tmp_path / "bad.yaml").write_text(f"models: {{m: {{targets: [{target}]}}}}\n", encoding="utf-8")
    assert splitgate("check", "-c", "bad.yaml", "--no-secrets").exit_code == 2


@pytest.mark.parametrize(
    ("on_failure", "without"),
    [("local", "each worker gives out its share"), ("close", "whatever has a limit is refused")],
)
def test_where_limits_are_counted_together_is_shown(
    splitgate: Splitgate, tmp_path: Path, on_failure: str, without: str
) -> None:
    redis = f"redis: {{url: 'redis://localhost', replicas: 3, on_failure: {on_failure}}}"
    limits = f"limits: {{rules: [{{name: r, concurrent: 3}}], {redis}}}"
    text = f"{limits}\nmodels: {{m: {{targets: [{{provider: embedded}}]}}}}"
    (tmp_path / "splitgate.yaml").write_text(text, encoding="utf-8")
    told = "  counted in Redis at localhost port 6379, by 3 gateways together; while it is away"
    assert splitgate("check").stdout.splitlines()[-1] == f"{told} {without}"


def test_a_hostile_file_cannot_drive_the_terminal(splitgate: Splitgate, tmp_path: Path) -> None:
    (tmp_path / "bad.yaml").write_text('"a\\e[31m\\u202e": 1\n', encoding="utf-8")
    result = splitgate("check", "-c", "bad.yaml")
    assert "\x1b" not in result.stderr
    assert "\u202e" not in result.stderr
    assert "a\\x1b[31m\\u202e" in result.stderr


def test_a_long_line_is_shown_around_its_problem(splitgate: Splitgate, tmp_path: Path) -> None:
    text = f"models: {{m: {{targets: [{{provider: embedded, reserved_tokens: [{'abc, ' * 50}], zzz: 1}}]}}}}\n"
    (tmp_path / "bad.yaml").write_text(text, encoding="utf-8")
    line, caret = splitgate("check", "-c", "bad.yaml").stderr.split("\n")[1:3]
    assert len(line) <= 110
    assert line[caret.index("^") :].startswith("zzz")


def test_a_missing_file_is_said(splitgate: Splitgate) -> None:
    result = splitgate("check", "-c", "nope.yaml")
    assert result.exit_code == 2
    assert result.stderr.startswith("nope.yaml: cannot be read")


def test_the_schema_is_printed_for_editors_and_nothing_is_checked(splitgate: Splitgate, tmp_path: Path) -> None:
    (tmp_path / "splitgate.yaml").write_text("not a configuration", encoding="utf-8")
    result = splitgate("check", "--schema")
    assert result.exit_code == 0
    assert result.stdout == FILE.read_text(encoding="utf-8")
    assert splitgate("check").exit_code == 2
