import json
from itertools import product
from pathlib import Path
from typing import get_args

import pytest

from benchmarks.contenders import CONTENDERS, Contender
from benchmarks.payloads import Language, Writing, request_body, request_bytes, text_of
from benchmarks.scenarios import SCENARIOS, Scenario, of_sizes, parse_size
from benchmarks.site import config_text, site_in, write_config
from gateway.dialects import openai_chat, split
from gateway.dialects.body import parse_body
from gateway.settings import load

_CASES = list(product(CONTENDERS, (*SCENARIOS, *of_sizes([1024, 102_400]))))


@pytest.mark.rows
@pytest.mark.parametrize(("contender", "scenario"), _CASES)
@pytest.mark.parametrize("language", ["ascii", "unicode"])
def test_a_body_has_the_size_asked_for_and_is_what_the_gateway_reads(
    contender: Contender, scenario: Scenario, language: Language
) -> None:
    body = request_body(contender.dialect, scenario, language)
    assert len(body) == scenario.body_bytes
    request = (split if contender.dialect == "split" else openai_chat).read(parse_body(body))
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
    for config in site.configs.values():
        settings = load(config, {})
        assert set(settings.models) == {scenario.model for scenario in SCENARIOS}
        assert settings.state_dir == config.parent / "state"
    assert "secret" not in config_text(1234, "secret", SCENARIOS)


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
