"""Is the chart's README what its values are?"""

import importlib.util
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import yaml

CHARTS = Path(__file__).parents[2] / "charts"
README = (CHARTS / "splitgate" / "README.md").read_text(encoding="utf-8")
VALUES = (CHARTS / "splitgate" / "values.yaml").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def readme() -> ModuleType:
    """The script that writes it: no package, so it is loaded by path."""
    spec = importlib.util.spec_from_file_location("chart_readme", CHARTS / "readme.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_readme_is_what_make_docs_writes(readme: ModuleType) -> None:
    assert readme.splice(README) == README


def test_a_value_that_changes_changes_the_readme(readme: ModuleType) -> None:
    assert readme.table(VALUES) in README
    assert readme.table(VALUES.replace("replicas: 2", "replicas: 4")) not in README


def test_every_default_is_described(readme: ModuleType) -> None:
    described = dict(readme.described(VALUES))

    def expect(values: object, path: tuple[str, ...]) -> None:
        if path in described:
            assert described[path].endswith((".", ";")), path
        else:
            assert isinstance(values, dict), f"{path} has no comment that begins with --"
            assert values, path
            for name, inner in values.items():  # pyright: ignore[reportUnknownVariableType]
                expect(inner, (*path, str(name)))  # pyright: ignore[reportUnknownArgumentType]

    expect(yaml.safe_load(VALUES), ())


def test_the_example_of_the_readme_is_rendered_once_a_key_is_filled_in(
    rendered: Callable[..., tuple[list[Any], str]], tmp_path: Path
) -> None:
    (example,) = [part.partition("```")[0] for part in README.split("```yaml\n")[1:]]
    file = tmp_path / "values.yaml"
    file.write_text(example)
    found, said = rendered(file)
    assert (found, "configuration.keys[0]" in said) == ([], True)
    file.write_text(example.replace("<64 hexadecimal digits>", "0" * 64))
    found, said = rendered(file)
    assert found, said
