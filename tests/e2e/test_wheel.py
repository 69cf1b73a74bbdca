"""Does what is shipped stand on its own? The wheel is built, unpacked far from the checkout, and run from there."""

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("gateway", "adapters", "policies")

# Finds modules in the unpacked wheel and then among installed packages, but never through the checkout's own hook.
RUN = """
import sys
sys.path[:] = [path for path in sys.path if path != {root!r}]
sys.path.insert(0, {unpacked!r})
sys.argv = {arguments!r}
{code}
"""


@pytest.fixture(scope="module")
def unpacked(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel's content, in a folder of its own."""
    folder = tmp_path_factory.mktemp("wheel")
    build = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(folder / "dist")]
    subprocess.run(build, cwd=ROOT, check=True, capture_output=True, timeout=60)
    (wheel,) = (folder / "dist").glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(folder / "unpacked")
    return folder / "unpacked"


def run(unpacked: Path, code: str, *arguments: str, cwd: Path) -> "subprocess.CompletedProcess[str]":
    script = RUN.format(root=str(ROOT), unpacked=str(unpacked), arguments=list(arguments), code=code)
    environ = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "COV"))}
    # -P: not even the working directory is looked at.
    command = [sys.executable, "-P", "-c", script]
    return subprocess.run(command, cwd=cwd, env=environ, capture_output=True, text=True, timeout=60, check=False)


def test_the_wheels_files_are_the_ones_that_run(unpacked: Path, tmp_path: Path) -> None:
    code = f"import importlib\nfor name in {PACKAGES}: print(importlib.import_module(name).__file__)"
    done = run(unpacked, code, cwd=tmp_path)
    assert done.stderr == ""
    assert done.stdout.split() == [str(unpacked / name / "__init__.py") for name in PACKAGES]


IMPORT_ALL = """
import gc, importlib, pkgutil
gc.disable()
def wanted(name):
    return not name.endswith("__main__") and ({trains} or not name.startswith("gateway.training."))
if not {trains}:
    sys.modules.update(dict.fromkeys(("peft", "torch", "transformers")))
for package in {packages}:
    for module in pkgutil.walk_packages([{unpacked!r} + "/" + package], package + "."):
        if wanted(module.name):
            assert importlib.import_module(module.name).__file__.startswith({unpacked!r}), module.name
held = [getattr(module, "__file__", None) or "" for module in sys.modules.values()]
assert not [file for file in held if file.startswith(tuple({root!r} + "/" + name for name in {packages}))]
"""


@pytest.mark.parametrize("trains", [False, pytest.param(True, marks=pytest.mark.exhaustive)])
def test_every_module_of_the_wheel_can_be_imported(unpacked: Path, tmp_path: Path, *, trains: bool) -> None:
    """Where what trains models is not installed, all but ``gateway.training``: loading it costs more than the rest."""
    code = IMPORT_ALL.format(trains=trains, packages=PACKAGES, unpacked=str(unpacked), root=str(ROOT))
    done = run(unpacked, code, cwd=tmp_path)
    assert done.stderr == ""
    assert done.returncode == 0


def test_data_files_are_in_the_wheel(unpacked: Path) -> None:
    for package in PACKAGES:
        there = files(ROOT / package)
        assert there == files(unpacked / package)
        assert there


def files(folder: Path) -> set[str]:
    return {
        str(path.relative_to(folder))
        for path in folder.rglob("*")
        if path.is_file() and path.suffix != ".pyc" and "__pycache__" not in path.parts
    }


def test_packs_and_schemas_are_found_as_package_data_from_outside_the_checkout(unpacked: Path, tmp_path: Path) -> None:
    code = """
import json
from importlib.resources import files
for folder in ("packs", "schema"):
    text = (files("policies") / folder / "README.md").read_text(encoding="utf-8")
    assert text.startswith(f"# policies/{folder}"), text
schema = files("gateway.configuration") / "splitgate.schema.json"
print(json.loads(schema.read_text(encoding="utf-8"))["title"], schema)
"""
    done = run(unpacked, code, cwd=tmp_path)
    assert done.stderr == ""
    assert done.stdout.split() == ["splitgate.yaml", str(unpacked / "gateway/configuration/splitgate.schema.json")]


def test_every_data_file_of_the_packages_is_one_that_git_keeps() -> None:
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z", *PACKAGES]
    try:
        listed = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True, timeout=60).stdout
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("this is no checkout of git's")
    data = {f"{package}/{name}" for package in PACKAGES for name in files(ROOT / package) if not name.endswith(".py")}
    assert {"policies/packs/README.md", "policies/schema/README.md"} <= data
    assert data <= set(listed.split("\0"))


def test_nothing_but_the_product_is_in_the_wheel(unpacked: Path) -> None:
    tops = {path.name for path in unpacked.iterdir()}
    assert {top for top in tops if not top.endswith(".dist-info")} == set(PACKAGES)
    (info,) = unpacked.glob("*.dist-info")
    assert "splitgate = gateway.cli.main:run" in (info / "entry_points.txt").read_text()
    assert (info / "licenses" / "LICENSE").read_bytes() == (ROOT / "LICENSE").read_bytes()


def test_the_command_works_outside_the_checkout(unpacked: Path, tmp_path: Path) -> None:
    config = tmp_path / "splitgate.yaml"
    target = '{provider: openai_compatible, base_url: "http://127.0.0.1:9/v1", model: m, format: tool-envelope}'
    config.write_text(f"models: {{one: {{targets: [{target}]}}, local: {{targets: [{{provider: embedded}}]}}}}\n")
    code = "from gateway.cli.main import run\nrun()"
    done = run(unpacked, code, "splitgate", "check", "--config", str(config), cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "OK" in done.stdout
    done = run(unpacked, code, "splitgate", "models", "--config", str(config), cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "tool-envelope" in done.stdout


@pytest.mark.parametrize("name", PACKAGES)
def test_the_checkouts_names_are_this_projects(name: str, tmp_path: Path) -> None:
    code = f"import {name}; print({name}.__file__)"
    done = subprocess.run(
        [sys.executable, "-P", "-c", code], cwd=tmp_path, capture_output=True, text=True, timeout=60, check=True
    )
    assert done.stdout.strip() == str(ROOT / name / "__init__.py")
