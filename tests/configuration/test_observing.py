"""What a configuration says of evidence and telemetry."""

from collections.abc import Callable
from pathlib import Path

import pytest

from gateway.audit.note import SigningKey
from gateway.settings import Settings
from gateway.yamlfile.problems import Problem

SettingsOf = Callable[..., Settings]
Problems = Callable[..., tuple[Problem, ...]]

MODELS = "models: {m: {targets: [{provider: embedded}]}}\n"
KEY = SigningKey.draw("a.example/log").reveal()
MASTER = "a2V5a2V5a2V5a2V5a2V5a2V5a2V5a2V5a2V5a2V5a2U="


def test_without_a_word_everything_is_recorded_and_no_text_is_kept(settings_of: SettingsOf, tmp_path: Path) -> None:
    settings = settings_of(f"state_dir: s\n{MODELS}")
    audit, telemetry = settings.audit, settings.telemetry
    assert (audit.enabled, audit.content, audit.dir) == (True, "none", tmp_path / "s" / "audit")
    assert (audit.signing_keys, audit.master_key, audit.ship, audit.anchors) == ((), None, (), ())
    assert (telemetry.metrics.enabled, telemetry.metrics.host, telemetry.metrics.chosen) == (True, "127.0.0.1", False)
    assert (telemetry.traces.endpoint, telemetry.traces.propagate, telemetry.logs) == (None, False, "text")
    assert settings.warnings == ()


def test_recording_nothing_is_warned_of(settings_of: SettingsOf) -> None:
    (warning,) = settings_of(f"audit: {{enabled: false}}\n{MODELS}").warnings
    assert "nothing is recorded" in warning


def test_keys_are_read_from_where_they_are_named(settings_of: SettingsOf, tmp_path: Path) -> None:
    (tmp_path / "key").write_text(KEY + "\n")
    text = f"audit: {{name: a.example/log, signing_keys: [file:key], master_key: env:MASTER, dir: /j}}\n{MODELS}"
    audit = settings_of(text, {"MASTER": MASTER}).audit
    assert [secret.reveal() for secret in audit.signing_keys] == [KEY]
    assert audit.master_key is not None
    assert (audit.master_key.reveal(), audit.dir) == (MASTER, Path("/j"))


@pytest.mark.rows
@pytest.mark.parametrize(
    ("audit", "told"),
    [
        ("signing_keys: [env:KEY]", "this key is called a.example/log, and `audit.name` is splitgate.local/audit"),
        ("signing_keys: [env:MASTER]", "a signing key begins with PRIVATE"),
        ("signing_keys: [env:NONE]", "NONE is missing or empty"),
        ("master_key: env:KEY", "a master key is 32 bytes in base64"),
        ("master_key: env:SHORT", "a master key is 32 bytes in base64"),
        ("content: plain", "none"),
        ("ship: [{name: a, kind: directory}]", "`directory` needs `path`"),
        ("ship: [{name: a, kind: webhook}]", "`webhook` needs `url`"),
        ("ship: [{name: a, kind: webhook, url: 'ftp://h/'}]", "begins with http:// or https://"),
        ("ship: [{name: a, kind: s3, bucket: buck, endpoint: 'https://h'}]", "`s3` needs `access_key_id`"),
        ("ship: [{name: a, kind: s3, bucket: buck, endpoint: 'ftp://h'}]", "begins with http:// or https://"),
        ("ship: [{name: a, kind: redis_stream, url: 'http://h/'}]", "begins with redis://"),
        ("ship: [{name: a, kind: redis_stream, url: 'redis://u:planted@h/'}]", "no credentials may stand in it"),
        ("ship: [{name: a, kind: directory, path: p}], anchors: [{name: a, kind: directory, path: q}]", "stands twice"),
        ("anchors: [{name: a, kind: s3, bucket: buck, endpoint: 'https://h'}]", "`s3` needs `access_key_id`"),
        ("anchors: [{name: a, kind: directory}]", "`directory` needs `path`"),
    ],
)
def test_what_cannot_be_used_is_told_with_what_to_do(problems_of: Problems, audit: str, told: str) -> None:
    problems = problems_of(f"audit: {{{audit}}}\n{MODELS}", {"KEY": KEY, "MASTER": MASTER, "SHORT": "c2hvcnQ="})
    assert any(told in problem.message for problem in problems), [problem.message for problem in problems]
    assert not [problem for problem in problems if "planted" in problem.message or KEY in problem.message]


def test_sinks_and_anchors_are_read_whole(settings_of: SettingsOf, tmp_path: Path) -> None:
    ship = (
        "[{name: hook, kind: webhook, url: 'https://h/x', secret: env:T, batch: 7},"
        " {name: d, kind: directory, path: e},"
        " {name: o, kind: s3, endpoint: 'https://h', bucket: buck, prefix: p/, access_key_id: env:T,"
        " secret_access_key: env:T}]"
    )
    anchors = (
        "[{name: s, kind: s3, endpoint: 'https://h', bucket: buck, access_key_id: env:T, secret_access_key: env:T},"
        " {name: f, kind: directory, path: g}]"
    )
    audit = settings_of(f"audit: {{ship: {ship}, anchors: {anchors}}}\n{MODELS}", {"T": "t"}).audit
    hook, folder, objects = audit.ship
    # Others wait for nothing.
    assert [one.gather_s for one in audit.ship] == [0.0, 0.0, 5.0]
    assert (hook.url, hook.batch, folder.path) == ("https://h/x", 7, tmp_path / "e")
    assert hook.secret is not None
    assert hook.secret.reveal() == "t"
    assert objects.bucket is not None
    assert (objects.bucket.bucket, objects.bucket.prefix, objects.bucket.region) == ("buck", "p/", "us-east-1")
    kept, witness = audit.anchors
    assert kept.bucket is not None
    assert (kept.bucket.endpoint, kept.bucket.secret_access_key.reveal()) == ("https://h", "t")
    assert witness.path == tmp_path / "g"


def test_a_port_for_metrics_that_somebody_chose_is_kept_apart_from_the_default(settings_of: SettingsOf) -> None:
    assert settings_of(f"telemetry: {{metrics: {{port: 9464}}}}\n{MODELS}").telemetry.metrics.chosen


def test_headers_for_the_collector_may_be_secrets(settings_of: SettingsOf, problems_of: Problems) -> None:
    traces = "telemetry: {traces: {endpoint: 'http://127.0.0.1:4318/v1/traces', headers: {X-Key: env:T, a: plain}}}\n"
    headers = settings_of(traces + MODELS, {"T": "t"}).telemetry.traces.headers
    assert {name: secret.reveal() for name, secret in headers.items()} == {"x-key": "t", "a": "plain"}
    (problem,) = problems_of(traces + MODELS)
    assert "the environment variable T is missing" in problem.message
    (problem,) = problems_of(f"telemetry: {{traces: {{endpoint: 'h:1'}}}}\n{MODELS}")
    assert "begins with http:// or https://" in problem.message
