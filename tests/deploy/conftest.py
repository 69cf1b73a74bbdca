"""What tests of the image share: the Dockerfile, read and carried out in a scratch folder that stands for /."""

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@dataclass(kw_only=True)
class Stage:
    """One stage: its instructions in order, as (word, the rest)."""

    base: str
    name: str
    steps: list[tuple[str, str]] = field(default_factory=list[tuple[str, str]])

    def all(self, word: str) -> list[str]:
        return [rest for one, rest in self.steps if one == word]


@pytest.fixture(scope="session")
def stages() -> dict[str, Stage]:
    """The Dockerfile's stages by name; what stands before the first is the stage ``""``."""
    text = re.sub(r"^\s*#.*\n", "", (ROOT / "Dockerfile").read_text(), flags=re.MULTILINE)
    found = {"": Stage(base="", name="")}
    at = found[""]
    for line in text.replace("\\\n", " ").splitlines():
        word, _, rest = line.strip().partition(" ")
        if word == "FROM":
            base, _, name = rest.partition(" AS ")
            at = found.setdefault(name, Stage(base=base, name=name))
        elif word:
            at.steps.append((word, rest.strip()))
    return found


@dataclass(frozen=True, kw_only=True)
class Built:
    """Where the stages lie: ``final`` is the image's /."""

    scratch: Path
    final: Path
    environ: Mapping[str, str]


class Builder:
    """Carries instructions out. The base image's own files are a few that matter to the scripts."""

    def __init__(self, scratch: Path, parts: str) -> None:
        self.scratch = scratch
        # Environments name their own path: every stage is made at the same place and moved away when it is done.
        self.root = scratch / "root"
        self.parts = parts
        self.environ: dict[str, str] = {}

    def stage(self, stage: Stage) -> None:
        self._base(stage.base)
        self.environ = {}
        for word, rest in stage.steps:
            match word:
                case "COPY":
                    self._copy(rest)
                case "RUN":
                    self._run(rest)
                case "ENV":
                    self.environ |= dict(part.split("=", 1) for part in rest.split())
                case _:
                    pass

    def put_away(self, name: str) -> None:
        self.root.rename(self.scratch / name)

    def _base(self, base: str) -> None:
        self.root.mkdir()
        if base == "scratch":
            return
        for folder in ("etc", "usr/bin", "usr/sbin", "var/lib/dpkg", "usr/local/lib/python3.11/site-packages/pip"):
            (self.root / folder).mkdir(parents=True)
        for file in ("usr/bin/apt-get", "usr/bin/dpkg", "usr/bin/su", "usr/local/lib/python3.11/site-packages/pip/x"):
            (self.root / file).touch()
        (self.root / "usr/bin/su").chmod(0o4755)
        (self.root / "etc/passwd").write_text("root:x:0:0:root:/root:/bin/bash\n")
        (self.root / "etc/group").write_text("root:x:0:\n")

    def _copy(self, rest: str) -> None:
        *options, target = rest.split()
        origin = ROOT
        if options[0].startswith("--from="):
            origin = self.scratch / options.pop(0).removeprefix("--from=")
        for name in options:
            source, to = origin / name.strip("/"), self.root / target.strip("/")
            if source.is_dir():
                shutil.copytree(source, to, symlinks=True, ignore=shutil.ignore_patterns("__pycache__"))
            else:
                to.mkdir(parents=True, exist_ok=True)
                shutil.copy(source, to)

    def _run(self, rest: str) -> None:
        places = {"/": f"{self.root}/"}
        while rest.startswith("--mount="):
            mount, _, rest = rest.partition(" ")
            told = dict(part.split("=", 1) for part in mount.removeprefix("--mount=").split(","))
            places[f"{told['target']}/"] = f"{ROOT / told['source']}/"
        shell, script = json.loads(rest)
        assert shell == "/bin/sh"
        place = max((one for one in places if script.startswith(one)), key=len)
        command = [shell, places[place] + script.removeprefix(place)]
        environ = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "COV"))}
        environ |= {"ROOT": str(self.root), "PARTS": self.parts}
        environ["PATH"] = f"{Path(sys.executable).parent}:{environ['PATH']}"
        done = subprocess.run(command, env=environ, capture_output=True, text=True, timeout=1200, check=False)
        assert done.returncode == 0, done.stdout + done.stderr


@pytest.fixture(scope="session")
def build(stages: dict[str, Stage]) -> Iterator[Callable[[str], Built]]:
    """``build("litellm ner")``: every RUN of the Dockerfile, stage after stage."""
    made: list[Path] = []

    def run(parts: str) -> Built:
        # Another user is to run what is made, so it cannot lie in pytest's own folders.
        scratch = Path(tempfile.mkdtemp(prefix="splitgate-image-", dir="/tmp"))
        scratch.chmod(0o755)
        made.append(scratch)
        builder = Builder(scratch, parts)
        for name in ("build", "sbom", "final"):
            builder.stage(stages[name])
            if name != "final":
                builder.put_away(name)
        return Built(scratch=scratch, final=builder.root, environ=builder.environ)

    yield run
    for scratch in made:
        for folder in [path for path in scratch.rglob("*") if path.is_dir() and not path.is_symlink()]:
            folder.chmod(0o755)
        shutil.rmtree(scratch, ignore_errors=True)


@pytest.fixture
def builder(tmp_path: Path) -> Builder:
    """To carry single instructions out."""
    return Builder(tmp_path, "")
