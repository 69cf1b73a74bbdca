import json
from itertools import product
from pathlib import Path
from typing import get_args

import pytest

from benchmarks.contenders import (
    BARE,
    BASELINE,
    CONTENDERS,
    EVERYTHING,
    GATEWAYS,
    OFF,
    TWO_WORKERS,
    UNAUDITED,
    Dialect,
)
from benchmarks.payloads import Language, Writing, request_body, request_bytes, text_of
from benchmarks.scenarios import SCENARIOS, Scenario, of_sizes, parse_size
from benchmarks.site import Parts, config_text, site_in, write_config
from gateway.dialects import openai_chat, split
from gateway.dialects.body import parse_body
from gateway.settings import load

# Contenders that speak alike get the same bodies.
_DIALECTS = sorted({contender.dialect for contender in CONTENDERS})
_CASES = list(product(_DIALECTS, (*SCENARIOS, *of_sizes([1024, 102_400]))))


@pytest.mark.rows
@pytest.mark.parametrize(("dialect", "scenario"), _CASES)
@pytest.mark.parametrize("language", ["ascii", "unicode"])
def test_a_body_has_the_size_asked_for_and_is_what_the_gateway_reads(
    dialect: Dialect, scenario: Scenario, language: Language
) -> None:
    body = request_body(dialect, scenario, language)
    assert len(body) == scenario.body_bytes
    request = (split if dialect == "split" else openai_chat).read(parse_body(body))
    assert request.model == scenario.model
    assert request.options.stream is (scenario.chunks > 0)


def test_a_request_announces_its_body() -> None:
    head, _, body = request_bytes(CONTENDERS[0], SCENARIOS[0], "secret").partition(b"\r\n\r\n")
    assert b"content-length: %d" % len(body) in head
    assert b"authorization: Bearer secret" in head
    assert json.loads(body)["model"] == "whole"


def test_the_configurations_are_ones_that_the_gateway_takes(tmp_path: Path) -> None:
    site = site_in(tmp_path, 1234)
    write_config(site, "secret", SCENARIOS)
    for config in map(site.configs.__getitem__, GATEWAYS):
        settings = load(config, {})
        assert set(settings.models) == {scenario.model for scenario in SCENARIOS}
        assert settings.state_dir == config.parent / "state"
    differing = {
        name: (bool(settings.policies.packs), settings.audit.enabled, bool(settings.limits.rules))
        for name, settings in ((name, load(site.configs[name], {})) for name in GATEWAYS)
    }
    assert differing == {
        BASELINE: (True, True, False),
        OFF: (False, True, False),
        UNAUDITED: (True, False, False),
        BARE: (False, False, False),
        EVERYTHING: (True, True, True),
        TWO_WORKERS: (True, True, True),
    }
    assert "secret" not in config_text(1234, "secret", SCENARIOS, Parts())


def test_a_header_may_name_the_upstreams_port() -> None:
    portkey = next(contender for contender in CONTENDERS if contender.name == "portkey")
    head, _, body = request_bytes(portkey, SCENARIOS[0], "secret", upstream_port=8002).partition(b"\r\n\r\n")
    assert b"\r\nx-portkey-custom-host: http://127.0.0.1:8002/v1\r\n" in head
    assert {part["type"] for part in json.loads(body)["messages"][1]["content"]} == {"text"}


@pytest.mark.rows
@pytest.mark.parametrize("writing", get_args(Writing))
@pytest.mark.parametrize("chars", [1, 2_048, 20_480])
def test_a_text_has_the_characters_asked_for(writing: Writing, chars: int) -> None:
    assert len(text_of(writing, chars)) == chars


def test_names_of_contenders_and_scenarios_are_unique() -> None:
    assert len({contender.name for contender in CONTENDERS}) == len(CONTENDERS)
    assert len({scenario.name for scenario in SCENARIOS}) == len(SCENARIOS)


@pytest.mark.rows
@pytest.mark.parametrize(("text", "size"), [("2048", 2048), ("2k", 2048), ("100K", 102_400)])
def test_sizes_are_bytes_or_kibibytes(text: str, size: int) -> None:
    assert parse_size(text) == size


@pytest.mark.rows
@pytest.mark.parametrize("text", ["", "k", "2m", "10", "100000k"])
def test_other_sizes_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"body|invalid literal"):
        parse_size(text)
