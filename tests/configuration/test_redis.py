"""What a configuration says of the Redis that gateways count in."""

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from gateway.configuration.redis import RedisSettings, build_redis
from gateway.configuration.schema_redis import RedisSection
from gateway.configuration.secrets import Surroundings
from gateway.settings import load
from gateway.yamlfile.problems import InvalidConfiguration
from gateway.yamlfile.report import Report
from gateway.yamlfile.source import read_source
from gateway.yamlfile.validate import Shape, validate

Built = tuple[RedisSettings | None, Report]
Build = Callable[..., Built]

SHAPE = Shape(document=RedisSection, sections=(((), RedisSection),))


@pytest.fixture
def build(tmp_path: Path) -> Build:
    """``build(text, environ)``: the settings of a section with this text, and what is wrong with it."""

    def read(text: str, environ: Mapping[str, str] | None = None, *, offline: bool = False) -> Built:
        source = read_source("a.yaml", text.encode())
        section, faults = validate(source, SHAPE)
        report = Report(source=source, faults=faults)
        surroundings = Surroundings(environ=environ or {}, folder=tmp_path, offline=offline)
        return None if section is None else build_redis(section, report, surroundings, ()), report

    return read


def test_it_stands_among_the_limits(tmp_path: Path) -> None:
    file = tmp_path / "splitgate.yaml"
    models = "models: {m: {targets: [{provider: embedded}]}}\n"
    file.write_text(f"limits: {{redis: {{url: 'redis://localhost', replicas: 3}}}}\n{models}")
    loaded = load(file, {})
    assert loaded.redis is not None
    assert loaded.redis.replicas == 3
    assert [one for one in loaded.warnings if "nothing is counted there without `limits.rules`" in str(one)]
    file.write_text(f"limits: {{redis: {{url: 'redis://localhost'}}, rules: [{{name: r, concurrent: 1}}]}}\n{models}")
    assert load(file, {}).warnings == ()
    file.write_text(models)
    assert load(file, {}).redis is None
    file.write_text(f"limits: {{redis: {{url: 'redis://planted@localhost'}}}}\n{models}")
    with pytest.raises(InvalidConfiguration, match="must hold no credentials"):
        load(file, {})


def test_an_address_alone_is_enough(build: Build) -> None:
    settings, report = build("url: redis://localhost\n")
    assert settings is not None
    assert (settings.host, settings.port, settings.db, settings.tls) == ("localhost", 6379, 0, False)
    assert (settings.cluster, settings.username, settings.password) == (False, None, None)
    assert (settings.prefix, settings.timeout_s, settings.replicas) == ("splitgate", 0.02, 1)
    assert settings.on_failure == "local"
    assert (report.problems, report.warnings) == ([], [])


@pytest.mark.rows
@pytest.mark.parametrize(
    ("url", "parts"),
    [
        ("redis://10.0.0.7:6380/3", ("10.0.0.7", 6380, 3, False)),
        ("rediss://redis.internal:6380", ("redis.internal", 6380, 0, True)),
        ("rediss://[fd00::7]:6380/", ("fd00::7", 6380, 0, True)),
        ("redis://127.0.0.1/15", ("127.0.0.1", 6379, 15, False)),
    ],
)
def test_addresses_that_can_be_used(build: Build, url: str, parts: tuple[Any, ...]) -> None:
    settings, report = build(f'url: "{url}"\n')
    assert settings is not None, report.problems
    assert (settings.host, settings.port, settings.db, settings.tls) == parts


@pytest.mark.rows
@pytest.mark.parametrize(
    ("url", "told"),
    [
        ("http://localhost", "begins with redis:// or rediss://"),
        ("redis://", "begins with redis:// or rediss://"),
        ("redis://localhost:0", "begins with redis:// or rediss://"),
        ("redis://localhost:99999", "begins with redis:// or rediss://"),
        ("unix:///run/redis.sock", "begins with redis:// or rediss://"),
        ("redis://user:planted@localhost", "must hold no credentials"),
        ("redis://:planted@localhost", "must hold no credentials"),
        ("rediss://localhost?ssl_cert_reqs=none", "no query or fragment"),
        ("redis://localhost#1", "no query or fragment"),
        ("redis://localhost/one", "number of a database"),
        ("redis://localhost/0/1", "number of a database"),
        ("redis://127.1", "a host's name, or its address in the usual form"),
        ("redis://2130706433", "a host's name, or its address in the usual form"),
        ("redis://169.254.169.254", "an address that no Redis has"),
        ("redis://0.0.0.0", "an address that no Redis has"),
        ("redis://[::ffff:169.254.169.254]", "an address that no Redis has"),
    ],
)
def test_addresses_that_cannot_be_used_are_refused_without_being_repeated(build: Build, url: str, told: str) -> None:
    settings, report = build(f'url: "{url}"\n')
    (problem,) = report.problems
    assert settings is None
    assert told in problem.message
    assert "planted" not in problem.message


def test_a_cluster_has_no_databases(build: Build) -> None:
    settings, report = build("url: redis://localhost/1\ncluster: true\n")
    assert settings is None
    assert "a cluster has no databases" in report.problems[0].message
    settings, report = build("url: redis://localhost/0\ncluster: true\n")
    assert settings is not None


def test_an_address_without_tls_is_warned_of_unless_it_is_this_machine(build: Build) -> None:
    assert "unencrypted" in build("url: redis://10.0.0.7\n")[1].warnings[0]
    assert build("url: rediss://10.0.0.7\n")[1].warnings == []


def test_a_password_that_is_read_anew_is_not_followed_besides(tmp_path: Path) -> None:
    file = tmp_path / "splitgate.yaml"
    (tmp_path / "password").write_text("planted-one\n")
    targets = (
        "targets: [{provider: openai_compatible, base_url: 'http://127.0.0.1:1', model: m, api_key: 'file:password'}]"
    )
    redis = "limits: {redis: {url: 'redis://localhost', password: 'file:password'}}\n"
    file.write_text(f"{redis}models: {{m: {{{targets}}}}}\n")
    assert [one.name for one in load(file, {}).mounted] == ["models.m.targets.0.api_key"]


def test_the_password_is_read_anew_each_time(build: Build, tmp_path: Path) -> None:
    (tmp_path / "password").write_text("planted one\n")
    settings, _ = build("url: redis://localhost\nusername: gate\npassword: file:password\n")
    assert settings is not None
    assert settings.password is not None
    assert settings.password().reveal() == "planted one"
    (tmp_path / "password").write_text("planted two\n")
    assert settings.password().reveal() == "planted two"
    (tmp_path / "password").unlink()
    with pytest.raises(ValueError, match="missing or empty"):
        settings.password()
    assert "planted" not in repr(settings)


@pytest.mark.rows
@pytest.mark.parametrize(
    ("more", "told"),
    [
        ("password: planted", "must be a reference"),
        ("password: env:NONE", "NONE is missing or empty"),
        ("username: gate", "a user alone is not let in"),
        ("ca_file: ca.pem", "means nothing without TLS"),
        ("cert_file: c.pem", "means nothing without TLS"),
        ("prefix: 'a{b}'", "may hold letters"),
        ("timeout_ms: 0", "at least 1"),
        ("timeout_ms: 1001", "at most 1000"),
        ("replicas: 0", "at least 1"),
        ("on_failure: open", "'local' or 'close'"),
        ("db: 1", "db"),
    ],
)
def test_what_cannot_be_meant_is_refused(build: Build, more: str, told: str) -> None:
    settings, report = build(f"url: redis://localhost\n{more}\n")
    assert settings is None
    assert any(told in problem.message for problem in report.problems), report.problems
    assert not any("planted" in problem.message for problem in report.problems)


def test_certificates_are_looked_at_before_anything_starts(build: Build, certificates: Any) -> None:
    sound = f"url: rediss://localhost\nca_file: {certificates.ca}\ncert_file: {certificates.client}\n"
    settings, report = build(sound)
    assert settings is not None, report.problems
    assert (settings.ca_file, settings.cert_file, settings.key_file) == (certificates.ca, certificates.client, None)


@pytest.mark.rows
@pytest.mark.parametrize(
    ("files", "key", "told"),
    [
        ("ca_file: none.pem", "ca_file", "holds no certificates that can be read"),
        ("ca_file: a.yaml", "ca_file", "holds no certificates that can be read"),
        ("ca_file: pipe", "ca_file", "holds no certificates that can be read"),
        ("cert_file: none.pem", "cert_file", "no pair that can be read"),
        ("cert_file: pipe", "cert_file", "no pair that can be read"),
        ("cert_file: CA", "cert_file", "no pair that can be read"),
        ("key_file: CLIENT", "key_file", "a key alone shows nothing"),
    ],
)
def test_files_that_are_no_certificates_are_refused(
    build: Build, certificates: Any, tmp_path: Path, files: str, key: str, told: str
) -> None:
    (tmp_path / "a.yaml").write_text("no certificate")
    # Whoever opened it would wait for ever.
    if not (tmp_path / "pipe").is_fifo():
        os.mkfifo(tmp_path / "pipe")
    written = files.replace("CA", str(certificates.ca)).replace("CLIENT", str(certificates.client))
    settings, report = build(f"url: rediss://localhost\n{written}\n")
    assert settings is None
    assert told in report.problems[0].message
    assert report.problems[0].line == 2, key


def test_offline_no_file_is_looked_at(build: Build) -> None:
    text = "url: rediss://localhost\nca_file: none.pem\npassword: file:none\n"
    settings, report = build(text, offline=True)
    assert settings is not None, report.problems
    assert build(text)[0] is None
