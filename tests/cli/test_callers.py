from collections.abc import Callable
from pathlib import Path

import pytest

from gateway.cli.callers import all_keys, caller_named
from gateway.cli.told import CommandFailed
from gateway.domain.errors import ConfigError
from gateway.domain.identity import ANONYMOUS
from gateway.settings import Settings, load

A, B = "ab" * 32, "cd" * 32


@pytest.fixture
def settings() -> Callable[[], Settings]:
    """Those of a configuration with the key ``fixed`` and a key file."""
    Path("splitgate.yaml").write_text(
        f"keys_file: keys.jsonl\nkeys: [{{name: fixed, sha256: {A}}}]\n"
        "models: {m: {targets: [{provider: embedded}]}}\n"
    )
    return lambda: load(Path("splitgate.yaml"), {})


def test_a_key_is_found_by_name_wherever_it_stands(settings: Callable[[], Settings]) -> None:
    assert [key.caller.key for key in all_keys(settings())] == ["fixed"]
    Path("keys.jsonl").write_text(f'{{"name": "written", "sha256": "{B}", "tenant": "t"}}')
    assert caller_named(settings(), "fixed").tenant == "default"
    assert caller_named(settings(), "written").tenant == "t"
    assert caller_named(settings(), None) is ANONYMOUS
    with pytest.raises(CommandFailed, match="there are: fixed, written"):
        caller_named(settings(), "nobody")


def test_a_broken_key_file_is_told(settings: Callable[[], Settings]) -> None:
    Path("keys.jsonl").write_text("broken")
    with pytest.raises(ConfigError):
        all_keys(settings())
