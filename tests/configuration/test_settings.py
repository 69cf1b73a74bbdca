from collections.abc import Callable
from pathlib import Path

import pytest

from adapters.embedded.models import offers_split
from gateway.domain.errors import ConfigError
from gateway.domain.isolation import Isolation
from gateway.settings import BUILT_IN, EmbeddedSettings, Server, Settings, built_in, load, with_bind

SettingsOf = Callable[..., Settings]
ROOT = Path(__file__).parents[2]
ANYWHERE = "0.0.0.0"  # noqa: S104 - what is to be refused


def test_without_a_file_the_embedded_model_is_served_on_loopback() -> None:
    settings = load(None, {})
    assert settings.file == BUILT_IN
    assert settings.server == Server(
        host="127.0.0.1",
        port=8400,
        max_body_bytes=4_194_304,
        compressed_bodies=False,
        record_recent=0,
        record_recent_bytes=16_777_216,
        allowed_hosts=(),
    )
    assert (settings.keys, settings.transport, settings.embedded) == (
        (),
        "aiohttp",
        EmbeddedSettings(start="first_use"),
    )
    model = settings.models["local"]
    assert (model.name, model.min_isolation) == ("local", Isolation.WRAPPED)
    assert [target.provider for target in model.targets] == ["embedded"]
    assert settings.warnings == ()


def test_the_split_model_is_offered_where_its_adapter_is(settings_of: SettingsOf) -> None:
    assert list(load(None, {}).models) == (["local", "local-split"] if offers_split() else ["local"])
    assert list(settings_of(built_in(with_split=False).decode()).models) == ["local"]
    local, split = settings_of(built_in(with_split=True).decode()).models.values()
    assert (local.name, split.name) == ("local", "local-split")
    (target,) = split.targets
    assert (target.provider, target.model, target.format) == ("embedded", "smollm2-135m-split", "secalign")


def test_the_example_file_says_the_same_as_no_file() -> None:
    example, without = load(ROOT / "splitgate.yaml", {}), load(None, {})
    assert (example.models, example.server) == (without.models, without.server)


def test_the_commented_examples_of_the_file_can_be_used(tmp_path: Path) -> None:
    text = (ROOT / "splitgate.yaml").read_text(encoding="utf-8")
    lines = [line.replace("# ", "", 1) if _is_example(line) else line for line in text.split("\n")]
    path = tmp_path / "splitgate.yaml"
    path.write_text("\n".join(lines).replace("<64 hexadecimal digits>", "ab" * 32), encoding="utf-8")
    (tmp_path / "big-model.key").write_text("sk-1", encoding="utf-8")
    settings = load(path, {"VLLM_KEY": "x", "BIG_MODEL_KEY": "y"})
    assert set(settings.models) == {"local", "local-split", "support", "assistant"}
    assert len(settings.keys) == 1


def _is_example(line: str) -> bool:
    """A comment that reads as YAML when its mark is taken away."""
    comment = line.strip().removeprefix("# ")
    return line.strip().startswith("#") and (
        comment.startswith(("-", " ")) or comment.split(" ")[0] in {"keys:", "record_recent:", "support:", "assistant:"}
    )


def test_every_setting_of_the_server_is_read(settings_of: SettingsOf) -> None:
    settings = settings_of(
        "server: {host: '::1', port: 0, max_body_bytes: 2048, transport: httpx, record_recent: 3, "
        "record_recent_bytes: 4096, compressed_bodies: true, allowed_hosts: [Gate.Example], "
        "embedded: {start: at_start}}\n"
        "models: {m: {targets: [{provider: embedded}]}}\n"
    )
    assert settings.server == Server(
        host="::1",
        port=0,
        max_body_bytes=2048,
        compressed_bodies=True,
        record_recent=3,
        record_recent_bytes=4096,
        allowed_hosts=("gate.example",),
    )
    assert (settings.transport, settings.embedded.start) == ("httpx", "at_start")


def test_a_missing_file_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"cannot be read .* name an existing file") as caught:
        load(tmp_path / "nope.yaml", {})
    assert caught.value.line is None


def test_the_error_names_every_problem_and_stands_at_the_first(tmp_path: Path) -> None:
    path = tmp_path / "f.yaml"
    path.write_text("models: {m: {targets: []}}\nserver: {prot: 1}\n", encoding="utf-8")
    with pytest.raises(ConfigError) as caught:
        load(path, {})
    assert (caught.value.file, caught.value.line, caught.value.column) == (str(path), 1, 23)
    assert str(caught.value).split("\n") == [
        f"{path}:1:23: `models.m.targets` must not be empty",
        f"{path}:2:10: there is no key `prot` here; did you mean `port`?",
    ]


def test_a_relative_key_file_counts_from_the_configuration_files_folder(
    settings_of: SettingsOf, tmp_path: Path
) -> None:
    (tmp_path / "a.key").write_text("sk-1\n", encoding="utf-8")
    target = "{provider: openai_compatible, base_url: 'https://h/v1', model: m, api_key: file:a.key}"
    (found,) = settings_of(f"models: {{m: {{targets: [{target}]}}}}").models["m"].targets
    assert found.api_key is not None
    assert found.api_key.reveal() == "sk-1"
    assert "sk-1" not in repr(found)


def test_offline_a_reference_need_lead_nowhere_and_what_stands_for_it_reveals_nothing(tmp_path: Path) -> None:
    path = tmp_path / "f.yaml"
    target = "{provider: openai_compatible, base_url: 'https://h/v1', model: m, api_key: env:NOPE}"
    path.write_text(f"models: {{m: {{targets: [{target}]}}}}", encoding="utf-8")
    with pytest.raises(ConfigError, match="set NOPE"):
        load(path, {})
    (found,) = load(path, {}, offline=True).models["m"].targets
    assert found.api_key is not None
    with pytest.raises(RuntimeError, match="was not read"):
        found.api_key.reveal()


@pytest.mark.parametrize(
    ("host", "port", "bound"), [(None, None, ("127.0.0.1", 8400)), ("localhost", 1, ("localhost", 1))]
)
def test_the_address_can_be_overridden(host: str | None, port: int | None, bound: tuple[str, int]) -> None:
    server = with_bind(load(None, {}), host, port).server
    assert (server.host, server.port) == bound


def test_an_override_cannot_open_a_gateway_without_keys(settings_of: SettingsOf) -> None:
    with pytest.raises(ConfigError, match="loopback only"):
        with_bind(load(None, {}), ANYWHERE, None)
    keyed = settings_of(
        f"keys: [{{name: a, sha256: {'ab' * 32}}}]\nmodels: {{m: {{targets: [{{provider: embedded}}]}}}}"
    )
    assert with_bind(keyed, ANYWHERE, None).server.host == ANYWHERE
