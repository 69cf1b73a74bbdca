import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from gateway.configuration.cards import written
from gateway.domain.card import Card
from gateway.domain.errors import ConfigError
from gateway.main import plan as planned_for_all
from gateway.rereading import Rereading
from gateway.settings import Settings
from gateway.supervisor.config import SupervisorConfig

MODELS = "models: {m: {targets: [{provider: embedded}]}}\n"
KEYS = f"keys: [{{name: app, sha256: {'a' * 64}}}]\n"
SIGNED = "audit: {signing_keys: ['file:key'], name: example.com/log}\n"


def plan(settings: Settings, raw: bytes) -> SupervisorConfig:
    server = settings.server
    return SupervisorConfig(host=server.host, port=server.port, workers=1, worker_command=(), snapshot=raw)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "splitgate.yaml"


@pytest.fixture
def reading(file: Path) -> Callable[..., Rereading]:
    """What looks at a file that begins with this text."""

    def begin(text: str, host: str | None = None, port: int | None = None) -> Rereading:
        file.write_text(text)
        return Rereading(file, {}, host=host, port=port, plan=plan)

    return begin


Reading = Callable[..., Rereading]


def test_a_start_and_a_look_give_the_bytes_that_were_checked(reading: Reading, file: Path) -> None:
    one = reading(MODELS)
    assert one.first().snapshot == MODELS.encode()
    file.write_text(f"# another\n{MODELS}")
    change = one.look()
    assert change.config is not None
    assert change.config.snapshot == file.read_bytes()
    assert "the configuration has changed (sha256:" in change.said[0]


def test_what_is_the_same_is_no_change_and_needs_no_word(reading: Reading) -> None:
    change = reading(MODELS).look()
    assert (change.config, change.said, change.usable) == (None, (), True)


def test_what_was_given_up_is_looked_at_anew_and_what_was_taken_is_not(reading: Reading, file: Path) -> None:
    one = reading(MODELS)
    file.write_text(f"# another\n{MODELS}")
    for taken in (False, True):
        assert one.look().config is not None
        one.settle(taken=taken)
    assert one.look().config is None
    # Back to the first one is a change as well.
    file.write_text(MODELS)
    assert one.look().config is not None


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (f"{MODELS}sever: {{}}\n", "splitgate.yaml:2:1: there is no key `sever` here; did you mean `server`?"),
        (f"{MODELS}sever: {{}}\nolder: 1\n", "(and 1 more: `splitgate check` tells them all)"),
        ("models: [", "splitgate.yaml:1:"),
        (None, "splitgate.yaml: cannot be read (No such file or directory)"),
        (f"{MODELS}server: {{tls: {{cert_file: a, key_file: b}}}}\n", "`cert_file` holds no certificate"),
    ],
)
def test_what_cannot_be_used_is_told_in_one_line_with_its_place(
    reading: Reading, file: Path, text: str | None, said: str
) -> None:
    one = reading(MODELS)
    if text is None:
        file.unlink()
    else:
        file.write_text(text)
    change = one.look()
    assert (change.config, change.usable, len(change.said)) == (None, False, 1)
    assert "the configuration is not taken up, everything goes on as it was" in change.said[0]
    assert said in change.said[0]
    assert "\n" not in change.said[0]


def test_a_pipe_in_the_place_of_the_file_is_refused_and_waited_for_by_nobody(reading: Reading, file: Path) -> None:
    one = reading(MODELS)
    file.unlink()
    os.mkfifo(file)
    change = one.look()
    assert (change.config, change.usable) == (None, False)
    assert "it is no regular file" in change.said[0]
    file.unlink()
    file.write_text(f"# another\n{MODELS}")
    assert one.look().config is not None


def test_a_limit_that_the_workers_cannot_divide_is_told_and_changes_nothing(file: Path) -> None:
    file.write_text(MODELS)
    one = Rereading(
        file, {}, host=None, port=None, plan=lambda settings, raw: planned_for_all(settings, file, workers=2, raw=raw)
    )
    file.write_text(f"{MODELS}limits: {{rules: [{{name: all, concurrent: 1}}]}}\n")
    change = one.look()
    assert (change.config, change.usable) == (None, False)
    assert "cannot be divided among 2 workers" in change.said[0]
    # The near miss: one place for each.
    file.write_text(f"{MODELS}limits: {{rules: [{{name: all, concurrent: 2}}]}}\n")
    assert one.look().config is not None


def test_what_only_a_restart_changes_is_told_by_name_and_the_rest_taken(reading: Reading, file: Path) -> None:
    one = reading(MODELS)
    file.write_text(f"{MODELS}server: {{host: localhost, port: 99}}\ntelemetry: {{metrics: {{port: 98}}}}\n")
    change = one.look()
    assert change.config is not None
    waiting = "needs a restart, and stays as it was until then: server.host, server.port, telemetry.metrics.port"
    assert waiting in change.said
    # It listens where it listened.
    assert (change.config.host, change.config.port) == ("127.0.0.1", 8400)


def test_what_the_command_line_says_of_the_address_needs_no_restart(reading: Reading, file: Path) -> None:
    one = reading(MODELS, host="localhost", port=7)
    file.write_text(f"{MODELS}server: {{port: 99}}\n")
    assert [line for line in one.look().said if "restart" in line] == []


def test_callers_who_come_from_elsewhere_are_asked_for_keys_as_before(reading: Reading, file: Path) -> None:
    one = reading(MODELS + KEYS, host="0.0.0.0")  # noqa: S104 - nothing is bound here
    file.write_text(MODELS)
    change = one.look()
    assert (change.config, change.usable) == (None, False)
    assert "0.0.0.0 is reachable from elsewhere" in change.said[0]
    # The near miss: fewer keys, but some.
    file.write_text(MODELS + KEYS.replace("app", "other"))
    assert one.look().config is not None


def test_tls_is_neither_added_nor_taken_away_under_connections(
    reading: Reading, file: Path, tmp_path: Path, certify: Callable[..., object]
) -> None:
    certify().write(tmp_path, "mine")  # pyright: ignore[reportAttributeAccessIssue, reportUnknownMemberType]
    one = reading(MODELS)
    tls = f"{MODELS}server: {{tls: {{cert_file: mine.pem, key_file: mine.key}}}}\n"
    file.write_text(tls)
    assert "`server.tls` cannot be added or taken away in a running gateway; restart it" in one.look().said[0]
    other = reading(tls)
    file.write_text(tls.replace("key_file: mine.key", 'key_file: mine.key, min_version: "1.3"'))
    assert other.look().config is not None


def test_a_signing_key_in_a_file_counts_as_part_of_the_configuration(reading: Reading, tmp_path: Path) -> None:
    from gateway.audit.note import SigningKey  # noqa: PLC0415

    (tmp_path / "key").write_text(SigningKey.draw("example.com/log").reveal())
    one = reading(MODELS + SIGNED)
    assert one.look().config is None
    (tmp_path / "key").write_text(SigningKey.draw("example.com/log").reveal())
    assert one.look().config is not None


def test_a_card_counts_as_part_of_the_configuration(reading: Reading, tmp_path: Path, card: Card) -> None:
    target = "provider: openai_compatible, base_url: 'https://h/v1', model: m, format: secalign, card: card.yaml"
    (tmp_path / "card.yaml").write_text(written(card))
    one = reading(f"models: {{m: {{targets: [{{{target}}}]}}}}\n")
    assert one.look().config is None
    (tmp_path / "card.yaml").write_text("card: 1\n")
    assert not one.look().usable
    (tmp_path / "card.yaml").write_text(written(replace(card, date="2026-12-24")))
    assert one.look().config is not None
    one.settle(taken=True)
    assert one.look().config is None


def test_a_start_with_what_cannot_be_used_raises(reading: Reading) -> None:
    with pytest.raises(ConfigError):
        reading("models: [")


WATCHED = f"server: {{watch: true}}\n{MODELS}"


def test_a_file_that_is_watched_stirs_once_it_is_another_and_stays_so(reading: Reading, file: Path) -> None:
    one = reading(WATCHED)
    assert one.watched
    assert not one.stirred()
    file.write_text(f"# half\n{WATCHED}")
    # Whoever writes it may be in the middle of that.
    assert not one.stirred()
    file.write_text(f"# the whole of it\n{WATCHED}")
    assert not one.stirred()
    assert one.stirred()
    assert one.look().config is not None
    assert not one.stirred()


def test_a_link_that_leads_elsewhere_stirs_as_a_mounted_folder_does(reading: Reading, file: Path) -> None:
    for version in ("1", "2"):
        (file.parent / version).mkdir()
        (file.parent / version / file.name).write_text(f"# {version}\n{WATCHED}")
    link = file.parent / "..data"
    link.symlink_to("1")
    one = reading(WATCHED)
    file.unlink()
    file.symlink_to(f"..data/{file.name}")
    one.look()
    assert not one.stirred()
    assert not one.stirred()
    draft = file.parent / "..data_tmp"
    draft.symlink_to("2")
    draft.rename(link)
    assert not one.stirred()
    assert one.stirred()


def test_a_file_that_cannot_be_used_or_went_away_is_looked_at_once(reading: Reading, file: Path) -> None:
    one = reading(WATCHED)
    for spoil in (lambda: file.write_text("models: {}\n"), file.unlink):
        spoil()
        one.stirred()
        assert one.stirred()
        assert not one.look().usable
        assert not one.stirred()


def test_nothing_is_watched_unless_the_configuration_in_force_says_so(reading: Reading, file: Path) -> None:
    one = reading(MODELS)
    assert not one.watched
    file.write_text(WATCHED)
    one.look()
    one.settle(taken=False)
    assert not one.watched
    one.look()
    one.settle(taken=True)
    assert one.watched
