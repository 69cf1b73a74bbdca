"""What docs/keys.md shows is what is read."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from gateway.access.key_file import KeyFile
from gateway.settings import Settings, load

PAGE = (Path(__file__).parents[2] / "docs" / "keys.md").read_text(encoding="utf-8")
MODELS = "models: {support-a: {targets: [{provider: embedded}]}}\n"


def blocks(kind: str) -> list[str]:
    """The page's examples, with digests for the ellipses in them."""
    numbers = iter(range(1, 100))
    found = re.findall(rf"```{kind}\n(.*?)```", PAGE, re.DOTALL)
    return [re.sub("…", lambda _: f"{next(numbers):064x}", one) for one in found]


@pytest.fixture
def example(tmp_path: Path) -> Callable[[str], Settings]:
    def read(text: str) -> Settings:
        path = tmp_path / "splitgate.yaml"
        path.write_text(text + MODELS)
        return load(path, {})

    return read


def test_each_configuration_on_the_page_can_be_used(example: Callable[[str], Settings]) -> None:
    made = [example(text) for text in blocks("yaml")]
    assert [settings.asks for settings in made] == [True] * 3
    (keys_file, rotated, issuer) = made
    assert keys_file.keys_file is not None
    assert [key.caller.secret for key in rotated.keys] == ["sg-1a2b3c4d", "sg-5e6f7a8b"]
    assert issuer.oidc[0].claims.roles == "realm_access.roles"


def test_each_line_of_a_key_file_on_the_page_can_be_used(example: Callable[[str], Settings]) -> None:
    settings = example("keys_file: keys.jsonl\n")
    assert settings.keys_file is not None
    (text,) = blocks("json")
    (key,) = KeyFile(settings.keys_file, settings).parse(text.encode()).keys
    assert (key.caller.key, key.caller.models) == ("shop-web", {"support-a"})
