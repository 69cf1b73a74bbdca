import json
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from gateway.litellm_process import litellm_process
from gateway.settings import Settings, load

CONFIG = """
models:
  m:
    targets:
      - {provider: litellm, model: gemini/g, api_key: env:KEY, id: one, extra_params: [top_k]}
      - {provider: openai_compatible, base_url: "http://127.0.0.1:9/v1", model: m, api_key: env:OTHER}
  n:
    targets:
      - id: two
        provider: litellm
        model: cohere_chat/c
        base_url: "http://127.0.0.1:9"
        format: cohere-documents
"""
ENVIRON = {"KEY": "planted-key", "OTHER": "planted-other", "PATH": "/bin", "LANG": "C", "HTTPS_PROXY": "http://planted"}


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    (tmp_path / "splitgate.yaml").write_text(CONFIG)
    return load(tmp_path / "splitgate.yaml", ENVIRON)


def test_it_is_told_what_its_targets_need_and_nothing_of_others(settings: Settings) -> None:
    process = litellm_process(settings, ENVIRON)
    assert process is not None
    assert json.loads(process.told or b"") == [
        {
            "id": "one", "model": "gemini/g", "embeddings": "gemini/g", "address": None,
            "private": False, "networks": [], "credentials": {"api_key": "planted-key"}, "fields": ["top_k"],
        },
        {
            "id": "two", "model": "cohere_chat/c", "embeddings": "cohere_chat/c", "address": "http://127.0.0.1:9",
            "private": False, "networks": ["127.0.0.1/32"],
            "credentials": {}, "fields": ["documents"],
        },
    ]  # fmt: skip
    assert process.variable == "SPLITGATE_LITELLM_SOCKET"


def test_neither_its_variables_nor_its_command_hold_what_it_is_told(settings: Settings) -> None:
    process = litellm_process(settings, ENVIRON)
    assert process is not None
    assert process.environ is not None
    seen: Mapping[str, str] = process.environ
    assert (seen["PATH"], seen["LANG"], seen["LITELLM_LOCAL_MODEL_COST_MAP"]) == ("/bin", "C", "True")
    assert not {name for name in seen if "PROXY" in name or name in {"KEY", "OTHER"}}
    assert "planted" not in str(process.environ) + str(process.command) + repr(process)


def test_it_is_told_anew_when_a_file_with_a_credential_has_changed(tmp_path: Path) -> None:
    (tmp_path / "key").write_text("planted-1")
    (tmp_path / "splitgate.yaml").write_text(CONFIG.replace("env:KEY", "file:key"))
    process = litellm_process(load(tmp_path / "splitgate.yaml", ENVIRON), ENVIRON)
    assert process is not None
    assert process.again is not None
    assert [process.again(), process.again()] == [None, None]
    (tmp_path / "key").write_text("planted-2")
    told = [process.again() for _ in range(3)]
    assert [one is None for one in told] == [True, False, True]
    one, two = json.loads(told[1] or b"")
    assert (one["credentials"], two["credentials"]) == ({"api_key": "planted-2"}, {})


def test_without_credentials_in_files_there_is_no_more_to_tell(settings: Settings) -> None:
    process = litellm_process(settings, ENVIRON)
    assert process is not None
    assert process.again is None


def test_without_such_targets_there_is_no_such_process() -> None:
    assert litellm_process(load(None, {}), {}) is None


def test_a_worker_with_such_targets_imports_no_litellm(settings: Settings, tmp_path: Path) -> None:
    code = """
import asyncio, pathlib, sys
import gateway.working
from gateway.compose import running_app
from gateway.settings import load
settings = load(pathlib.Path(sys.argv[1]), {"KEY": "k", "OTHER": "o"})
async def run():
    async with running_app(settings, None, "/nowhere"): pass
asyncio.run(run())
print("litellm" in sys.modules, "boto3" in sys.modules, "adapters.providers.litellm" in sys.modules)
"""
    command = [sys.executable, "-c", code, settings.file]
    done = subprocess.run(
        command, capture_output=True, text=True, check=True, env={"PATH": "/bin", "XDG_STATE_HOME": str(tmp_path)}
    )
    assert done.stdout.split() == ["False", "False", "True"]
