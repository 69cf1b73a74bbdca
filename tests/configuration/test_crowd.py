"""How many may come, and how long they may take."""

from collections.abc import Callable

import pytest

from gateway.configuration.crowd import Crowd
from gateway.settings import Settings

SettingsOf = Callable[..., Settings]
Problems = Callable[..., object]
MODELS = "models: {m: {targets: [{provider: embedded}]}}\n"


def test_what_is_not_said_is_what_the_values_have(settings_of: SettingsOf) -> None:
    assert settings_of(MODELS).server.crowd == Crowd()


def test_all_of_it_is_read(settings_of: SettingsOf) -> None:
    text = (
        "server: {max_concurrent: 5, max_queued: 0, queue_timeout_s: 0.5, max_connections: 7, header_timeout_s: 1, "
        "body_timeout_s: 2, idle_timeout_s: 3, write_timeout_s: 4, grace_s: 0, drain_delay_s: 6}\n"
    )
    assert settings_of(text + MODELS).server.crowd == Crowd(
        max_concurrent=5,
        max_queued=0,
        queue_timeout_s=0.5,
        max_connections=7,
        header_timeout_s=1.0,
        body_timeout_s=2.0,
        idle_timeout_s=3.0,
        write_timeout_s=4.0,
        grace_s=0.0,
        drain_delay_s=6.0,
    )


@pytest.mark.rows
@pytest.mark.parametrize(
    ("server", "fault"),
    [
        ("max_concurrent: 0", "must be at least 1"),
        ("max_concurrent: 10, max_connections: 9", "there must be a connection for each of the 10 requests"),
        ("queue_timeout_s: 5, body_timeout_s: 5", "would run out of `server.body_timeout_s`"),
        ("header_timeout_s: 0", "must be greater than 0"),
        ("grace_s: -1", "must be at least 0"),
    ],
)
def test_what_cannot_be_meant_is_refused(problems_of: Problems, server: str, fault: str) -> None:
    assert fault in str(problems_of(f"server: {{{server}}}\n{MODELS}"))


def test_as_many_connections_as_requests_are_enough(settings_of: SettingsOf) -> None:
    assert (
        settings_of(f"server: {{max_concurrent: 10, max_connections: 10}}\n{MODELS}").server.crowd.max_connections == 10
    )
