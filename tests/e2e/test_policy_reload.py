"""How do edited policy files come into force in a running gateway, and what happens to those that cannot?"""

import contextlib
import json
import signal
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, TypeAlias

import httpx
import pytest

Json: TypeAlias = dict[str, Any]
Chunk: TypeAlias = Callable[..., Json]

PATIENCE_S = 30.0
SECRET = "AKIA" + "QX7ZK2M4N6P3R5T7"


class Process(Protocol):
    def send_signal(self, sig: int) -> None: ...
    def wait(self, timeout: float | None = None) -> int: ...


class Gateway(Protocol):
    @property
    def url(self) -> str: ...
    @property
    def process(self) -> Process: ...


class Upstream(Protocol):
    url: str
    raw: list[bytes]


class Exchange(Protocol):
    def open(self, content_type: str = "text/event-stream") -> None: ...
    def say(self, *chunks: Json) -> None: ...
    def write(self, raw: bytes) -> None: ...
    def end(self) -> None: ...


class Staged(Protocol):
    @property
    def url(self) -> str: ...
    def next(self) -> Exchange: ...


class Wire(Protocol):
    def request(self, path: str, body: bytes | None = None, *, method: str = "POST", **headers: str) -> None: ...
    def until(self, mark: bytes) -> bytes: ...
    def rest(self) -> bytes: ...


def policy(word: str, action: str = "block", tests: str = "") -> str:
    """Blocks data of the origin ``word``, and does ``action`` with credentials in the answer."""
    return f"""apiVersion: splitgate/v1
kind: Policy
metadata: {{name: edited}}
spec:
  mode: enforce
  rules:
    - {{id: no-{word}, stage: data, severity: critical, when: segment.origin == '{word}', action: block, message: no}}
    - {{id: no-keys, stage: output, severity: critical, when: det.secrets.found, action: {action}, message: no}}
{tests}"""


BROKEN = policy("mail").replace("segment.origin ==", "segment.orign ==")
FAILING = policy(
    "mail",
    tests="""  tests:
    - {name: mail passes, stage: data, segment: {origin: mail}, text: Hello, expect: allow}
""",
)


@dataclass(frozen=True, kw_only=True)
class Bench:
    """A gateway and its one policy file."""

    gateway: Gateway
    file: Path
    http: httpx.Client

    def ask(self, origin: str) -> httpx.Response:
        data = [{"id": "d", "origin": origin, "text": "Hello."}]
        return self.http.post("/v1/split", json={"model": "m", "instructions": "Sum up.", "data": data})

    def refused(self) -> set[str]:
        """Which origins are refused now."""
        return {origin for origin in ("mail", "web") if self.ask(origin).status_code == 400}

    def state(self) -> Json:
        return self.http.get("/admin/policies").json()

    def reload(self) -> httpx.Response:
        return self.http.post("/admin/policies/reload")

    def until(self, holds: Callable[[], bool]) -> None:
        end = time.monotonic() + PATIENCE_S
        while not holds():
            assert time.monotonic() < end, self.state()
            time.sleep(0.02)


def configuration(folder: Path, upstream: str, staged: str, *, watch: bool) -> str:
    target = 'provider: openai_compatible, base_url: "{}", model: m, format: tool-envelope'
    return (
        f"state_dir: {folder / 'kept'}\n"
        f"policies: {{packs: [], paths: [{folder / 'edited.yaml'}], watch: {str(watch).lower()}}}\nmodels:\n"
        f"  m: {{targets: [{{{target.format(upstream)}}}]}}\n"
        f"  staged: {{targets: [{{{target.format(staged)}}}]}}\n"
    )


Run: TypeAlias = Callable[..., Bench]


@pytest.fixture(scope="module")
def run(
    keep_gateway: Callable[..., Gateway], _upstream_server: Upstream, staged_pair: tuple[Staged, Staged]
) -> Iterator[Run]:
    """``run(folder, text, watch=…)`` writes the folder's policy file and runs a gateway on it, with its state there."""
    with contextlib.ExitStack() as opened:

        def begin(folder: Path, text: str, *, watch: bool) -> Bench:
            file = folder / "edited.yaml"
            file.write_text(text)
            gateway = keep_gateway(configuration(folder, _upstream_server.url, staged_pair[0].url, watch=watch))
            http = opened.enter_context(httpx.Client(base_url=gateway.url, timeout=30, trust_env=False))
            return Bench(gateway=gateway, file=file, http=http)

        yield begin


@pytest.fixture(scope="module")
def watched(run: Run, tmp_path_factory: pytest.TempPathFactory) -> Bench:
    """A gateway that follows its file, which was broken when it started."""
    return run(tmp_path_factory.mktemp("watched"), BROKEN, watch=True)


@pytest.fixture(scope="module")
def unwatched(run: Run, tmp_path_factory: pytest.TempPathFactory) -> Bench:
    return run(tmp_path_factory.mktemp("unwatched"), policy("mail"), watch=False)


@pytest.fixture
def still(unwatched: Bench, upstream: Upstream) -> Callable[[str], Bench]:
    """``still(text)`` puts a policy in force in a gateway that follows no file by itself, and that tests share."""
    del upstream

    def begin(text: str) -> Bench:
        unwatched.file.write_text(text)
        assert unwatched.reload().status_code == 200
        return unwatched

    return begin


def test_a_bad_first_load_serves_nobody_until_it_is_mended(watched: Bench, upstream: Upstream) -> None:
    bench = watched
    assert bench.http.get("/healthz").status_code == 200
    assert bench.http.get("/readyz").status_code == 503
    for path, body in (
        ("/v1/split", {"model": "m", "instructions": "x"}),
        ("/v1/chat/completions", {"model": "m", "messages": [{"role": "user", "content": "x"}]}),
        ("/v1/chat/completions", {"model": "m", "messages": [{"role": "user", "content": "x"}], "stream": True}),
    ):
        answer = bench.http.post(path, json=body)
        assert answer.status_code == 503
        assert "policies_not_loaded" in answer.text
    assert upstream.raw == []
    state = bench.state()
    assert (state["revision"], state["policies"], state["failures"]) == (None, [], 1)
    assert f"{bench.file}:7:" in state["last_error"]
    bench.file.write_text(policy("mail"))
    bench.until(lambda: bench.http.get("/readyz").status_code == 200)
    assert bench.refused() == {"mail"}


@pytest.mark.usefixtures("upstream")
def test_an_edited_file_comes_into_force_by_itself_and_a_broken_one_does_not(watched: Bench) -> None:
    bench = watched
    if bench.state()["revision"] is None:  # the test before this one mended it, unless it was left out
        bench.file.write_text(policy("mail"))
        bench.until(lambda: bench.state()["revision"] is not None)
    assert bench.refused() == {"mail"}
    before = bench.state()
    bench.file.write_text(policy("web"))
    bench.until(lambda: bench.refused() == {"web"})
    edited = bench.state()
    assert edited["revision"] != before["revision"]
    assert (edited["activations"], edited["last_error"]) == (before["activations"] + 1, None)
    assert edited["source"] == "files"
    bench.file.write_text(BROKEN)
    bench.until(lambda: bench.state()["last_error"] is not None)
    broken = bench.state()
    assert f"{bench.file}:7:" in broken["last_error"]
    assert "segment.origin" in broken["last_error"]
    assert (broken["revision"], broken["failures"]) == (edited["revision"], edited["failures"] + 1)
    assert bench.refused() == {"web"}
    bench.file.write_text(policy("mail"))
    bench.until(lambda: bench.refused() == {"mail"})
    assert (bench.state()["revision"], bench.state()["last_error"]) == (before["revision"], None)


def test_a_call_puts_files_in_force_and_says_why_it_does_not(still: Callable[[str], Bench]) -> None:
    bench = still(policy("mail"))
    # A call has all workers reload, the one that answers it among them, once more and a little later.
    time.sleep(0.5)
    bench.file.write_text(policy("web"))
    # Nobody asked yet; a file that is followed would be in force within this time.
    time.sleep(0.3)
    assert bench.refused() == {"mail"}
    answer = bench.reload()
    assert (answer.status_code, answer.json()["all_workers_asked"]) == (200, True)
    assert bench.refused() == {"web"}
    for text, line, told in ((BROKEN, 7, "segment.origin"), (FAILING, 10, "mail passes")):
        bench.file.write_text(text)
        refused = bench.reload()
        assert (refused.status_code, refused.json()["code"]) == (409, "policies_rejected")
        assert f"{bench.file}:{line}" in refused.json()["detail"]
        assert told in refused.json()["detail"]
        assert bench.refused() == {"web"}
    bench.file.write_text(policy("mail"))
    assert bench.reload().json()["last_error"] is None
    assert bench.refused() == {"mail"}


def test_a_stream_keeps_the_revision_under_which_it_began(
    still: Callable[[str], Bench], first: Staged, dial: Callable[[str], Wire], chunk: Chunk
) -> None:
    bench = still(policy("mail", action="redact"))
    old = bench.state()["revision"]
    body = json.dumps({"model": "staged", "instructions": "x", "stream": True}).encode()
    wire = dial(bench.gateway.url)
    wire.request("/v1/split", body, connection="close")
    exchange = first.next()
    exchange.open()
    exchange.say(chunk({"role": "assistant"}), chunk({"content": "Your key: "}))
    wire.until(b"event: start")
    bench.file.write_text(policy("mail", action="block"))
    new = bench.reload().json()["revision"]
    assert new != old
    exchange.say(chunk({"content": SECRET}), chunk({}, "stop"))
    exchange.write(b"data: [DONE]\n\n")
    exchange.end()
    raw = wire.rest().decode()
    done = json.loads(raw.split("event: done\ndata: ")[1].split("\n")[0])
    assert "[REDACTED:aws_access_key]" in raw
    assert (done["split"]["decision"], done["split"]["policy"]["revision"]) == ("redact", old)
    assert bench.ask("web").json()["split"]["policy"]["revision"] == new


def test_after_a_crash_the_copy_last_in_force_stands_in_for_broken_files(
    still: Callable[[str], Bench], run: Run
) -> None:
    """The last one here, since it ends the gateway that the others share."""
    crashed = still(policy("mail"))
    before = crashed.state()
    crashed.gateway.process.send_signal(signal.SIGKILL)
    crashed.gateway.process.wait(PATIENCE_S)
    bench = run(crashed.file.parent, BROKEN, watch=False)
    assert bench.http.get("/readyz").status_code == 200
    assert bench.refused() == {"mail"}
    state = bench.state()
    assert (state["source"], state["revision"]) == ("last_known_good", before["revision"])
    assert f"{bench.file}:7:" in state["last_error"]
    bench.file.write_text(policy("web"))
    assert bench.reload().status_code == 200
    assert (bench.state()["source"], bench.refused()) == ("files", {"web"})
