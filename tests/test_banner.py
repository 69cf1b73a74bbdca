import json
import shlex
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from gateway.banner import banner
from gateway.domain.isolation import Isolation
from gateway.settings import Settings, load
from gateway.standing import Standing, Standings

WRAPPED = Standing(reaches=Isolation.WRAPPED, example=Isolation.WRAPPED)
UPSTREAM = "provider: openai_compatible, base_url: 'https://h.example/v1'"


@pytest.fixture
def default_settings() -> Settings:
    return load(None, {})


@pytest.fixture
def settings_of(tmp_path: Path) -> Callable[[str], Settings]:
    def read(text: str) -> Settings:
        path = tmp_path / "splitgate.yaml"
        path.write_text(text, encoding="utf-8")
        return load(path, {})

    return read


def tried(text: str) -> tuple[str, Mapping[str, Any]]:
    """Address and body of the line to try."""
    words = shlex.split(text.strip().splitlines()[-1])
    return words[2], json.loads(words[words.index("-d") + 1])


def test_a_start_says_where_who_and_what(default_settings: Settings) -> None:
    text = banner(default_settings, "127.0.0.1", 8400, {"local": WRAPPED, "local-split": WRAPPED})
    assert "listening on http://127.0.0.1:8400" in text
    assert "NONE CONFIGURED" in text
    assert "local        reaches wrapped, floor wrapped  (embedded by spotlight)" in text
    assert "local-split  reaches wrapped" in text


def test_the_line_to_try_asks_the_first_model_that_can_take_it_for_what_it_reaches(default_settings: Settings) -> None:
    address, body = tried(banner(default_settings, "127.0.0.1", 8400, {"local": WRAPPED}))
    assert address == "http://127.0.0.1:8400/v1/split"
    assert (body["model"], body["min_isolation"]) == ("local", "wrapped")
    assert body["data"]


def test_native_is_promised_and_not_claimed_before_it_was_shown(settings_of: Callable[[str], Settings]) -> None:
    settings = settings_of(f"models: {{m: {{targets: [{{{UPSTREAM}, model: meta-secalign-8b, format: secalign}}]}}}}")
    text = banner(settings, "127.0.0.1", 1, {"m": WRAPPED})
    assert "m  reaches wrapped now, native once a render probe shows it, floor wrapped" in text
    assert tried(text)[1]["min_isolation"] == "wrapped"
    shown = banner(settings, "127.0.0.1", 1, {"m": Standing(reaches=Isolation.NATIVE, example=Isolation.NATIVE)})
    assert "m  reaches native, floor wrapped" in shown
    assert tried(shown)[1]["min_isolation"] == "native"


@pytest.mark.parametrize(
    "standing", [{"b": WRAPPED}, {"a": Standing(reaches=Isolation.NONE, example=None), "b": WRAPPED}]
)
def test_a_model_that_cannot_take_the_line_is_passed_over(
    settings_of: Callable[[str], Settings], standing: Standings
) -> None:
    settings = settings_of("models: {a: {targets: [{provider: embedded}]}, b: {targets: [{provider: embedded}]}}")
    text = banner(settings, "127.0.0.1", 1, standing)
    assert "a  reaches none now, wrapped once" in text
    assert "floor wrapped: BELOW IT, requests that carry data are refused" in text
    assert tried(text)[1]["model"] == "b"


def test_a_model_whose_targets_have_no_card_that_shows_what_it_asks_for_says_so(
    settings_of: Callable[[str], Settings],
) -> None:
    settings = settings_of("models: {m: {min_separation: 0.9, targets: [{provider: embedded}]}}")
    text = banner(settings, "127.0.0.1", 1, {"m": WRAPPED})
    assert "floor wrapped, NO CARD SHOWS WHAT IS ASKED: requests that carry data are refused" in text
    low = banner(settings, "127.0.0.1", 1, {"m": Standing(reaches=Isolation.NONE, example=None)})
    assert "BELOW IT" in low
    assert "NO CARD" not in low


def test_where_no_model_can_take_a_line_none_is_printed(default_settings: Settings) -> None:
    text = banner(default_settings, "127.0.0.1", 1, {})
    assert "curl" not in text
    assert "splitgate models" in text


def test_with_keys_the_line_says_where_one_goes(settings_of: Callable[[str], Settings]) -> None:
    settings = settings_of(
        f"server: {{host: 0.0.0.0}}\nkeys: [{{name: a, sha256: {'ab' * 32}}}]\n"
        "models: {m: {targets: [{provider: embedded}]}}"
    )
    text = banner(settings, "0.0.0.0", 8400, {"m": WRAPPED})  # noqa: S104 - not bound here
    assert "keys     1 configured" in text
    assert "authorization: Bearer YOUR_KEY" in text
    assert tried(text)[0] == "http://127.0.0.1:8400/v1/split"


def test_a_start_says_where_keys_and_tokens_come_from(settings_of: Callable[[str], Settings]) -> None:
    settings = settings_of(
        "keys_file: keys.jsonl\nauth: {oidc: [{name: corp, issuer: 'https://login.example', audience: [a]}]}\n"
        "models: {m: {targets: [{provider: embedded}]}}"
    )
    text = banner(settings, "127.0.0.1", 8400, {"m": WRAPPED})
    assert f"keys     those in {settings.keys_file}" in text
    assert "tokens   of https://login.example" in text
    assert "NONE CONFIGURED" not in text
    assert "authorization: Bearer YOUR_KEY" in text


def test_an_ipv6_address_stands_in_brackets(default_settings: Settings) -> None:
    assert "http://[::1]:8400" in banner(default_settings, "::1", 8400, {})


def test_a_start_says_where_metrics_are_if_anywhere(settings_of: Callable[[str], Settings]) -> None:
    settings = settings_of("models: {m: {targets: [{provider: embedded}]}}\ntelemetry: {metrics: {host: '::1'}}")
    assert "metrics  http://[::1]:9999/metrics" in banner(settings, "127.0.0.1", 8400, {"m": WRAPPED}, 9999)
    assert "metrics" not in banner(settings, "127.0.0.1", 8400, {"m": WRAPPED})
