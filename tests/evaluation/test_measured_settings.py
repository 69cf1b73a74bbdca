import json
from pathlib import Path

import pytest

from adapters.registry import provider_entry
from gateway.domain.isolation import Isolation
from gateway.evaluation.measured_settings import formats_of, measured, target_of
from gateway.evaluation.stopped import CannotMeasure
from gateway.settings import Settings, load

OPENAI = 'provider: openai_compatible, base_url: "https://a.example/v1"'
CONFIG = f"""
server: {{host: 127.0.0.1, max_concurrent: 3, record_recent: 5}}
keys: [{{name: app, id: 1a2b3c4d, sha256: "{"0" * 64}"}}]
limits:
  rules: [{{name: all, per: [gateway], requests: [1 per minute]}}]
  prices: {{m: {{input: 2, output: 4}}}}
models:
  m:
    min_isolation: channel
    templates: ["Read this: {{{{page: data}}}}"]
    retries: 3
    targets:
      - {{id: first, {OPENAI}, model: meta-secalign-8b, format: secalign, trained: true, render_probe: "off"}}
      - {{id: second, {OPENAI}, model: m, format: spotlight, format_options: {{mode: delimit}}, health: {{path: /h}}}}
"""


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    file = tmp_path / "splitgate.yaml"
    file.write_text(CONFIG)
    return load(file, {})


def test_what_is_measured_is_the_first_target_or_the_one_that_is_named(settings: Settings) -> None:
    assert target_of(settings, "m").id == "first"
    assert target_of(settings, "m", "second").id == "second"
    with pytest.raises(CannotMeasure, match="no model is called `n`; there are m"):
        target_of(settings, "n")
    with pytest.raises(CannotMeasure, match="no target of `m` is called `third`; there are first, second"):
        target_of(settings, "m", "third")


def test_all_formats_are_those_that_the_targets_provider_speaks(settings: Settings) -> None:
    target = target_of(settings, "m")
    every = formats_of(target, ("all",))
    assert {"plain", "secalign", "spotlight", "struq", "tool-envelope"} <= set(every)
    assert "anthropic-blocks" not in every
    assert all(provider_entry(target.provider).speaks(name) for name in every)
    assert formats_of(target, ()) == ("secalign",)
    assert formats_of(target, ("plain", "spotlight", "plain")) == ("plain", "spotlight")


@pytest.mark.parametrize(
    ("name", "told"),
    [("anthropic-blocks", "does not speak what `anthropic-blocks` lays out"), ("plane", "no format is called `plane`")],
)
def test_a_format_that_cannot_be_sent_is_refused(settings: Settings, name: str, told: str) -> None:
    with pytest.raises(CannotMeasure, match=rf"{told}.*first can be measured with .*plain"):
        formats_of(target_of(settings, "m"), ("plain", name))


def test_nothing_stands_between_whoever_measures_and_the_model(settings: Settings, tmp_path: Path) -> None:
    made = measured(settings, target_of(settings, "m"), ("plain", "secalign"), tmp_path, policies=False)
    assert not made.asks
    assert (made.limits.rules, made.redis, made.server.record_recent, made.server.tls) == ((), None, 0, None)
    assert not made.audit.enabled
    assert not made.telemetry.metrics.enabled
    assert (made.telemetry.traces.endpoint, made.state_dir) == (None, tmp_path)
    assert list(made.models) == ["plain", "secalign"]
    for name, model in made.models.items():
        (target,) = model.targets
        assert (model.min_isolation, model.templates, model.persistence.retries) == (Isolation.NONE, (), 0)
        assert (target.id, target.format, target.health) == (f"first:{name}", name, None)
        assert target.breaker.failures == 0


def test_a_format_of_the_file_keeps_its_settings_and_another_gets_its_own(settings: Settings, tmp_path: Path) -> None:
    def target(name: str, wanted: str) -> tuple[str, object]:
        made = measured(settings, target_of(settings, "m", wanted), (name,), tmp_path, policies=False)
        found = made.models[name].targets[0]
        return json.dumps(dict(found.format_options)), (found.ceiling, found.assumed, found.needs_probe)

    assert target("spotlight", "second")[0] == '{"mode": "delimit"}'
    assert target("plain", "second") == ("{}", (Isolation.NONE, False, False))
    # What the file says of training it says of its own format.
    assert target("secalign", "first")[1] == (Isolation.NATIVE, True, False)
    assert target("struq", "first")[1] == (Isolation.WRAPPED, False, False)
    assert target("secalign", "second")[1] == (Isolation.WRAPPED, False, False)


def test_policies_are_off_unless_they_are_measured(settings: Settings, tmp_path: Path) -> None:
    target = target_of(settings, "m")
    off = measured(settings, target, ("plain",), tmp_path, policies=False).policies
    assert (off.packs, len(off.paths)) == ((), 1)
    on = measured(settings, target, ("plain",), tmp_path, policies=True).policies
    assert (on.packs, on.watch) == (settings.policies.packs, False)
