"""Two workers, one gateway: do policies, grants and approvals hold in both alike?"""

import hashlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, TypeAlias

import httpx
import pytest

Json: TypeAlias = dict[str, Any]

PATIENCE_S = 30.0
WORKERS = 2


class Upstream(Protocol):
    url: str

    def answer(self, body: Json, status: int = 200, **headers: str) -> None: ...


def policy(word: str) -> str:
    """Blocks data of the origin ``word``, and holds calls of tools that send."""
    return f"""apiVersion: splitgate/v1
kind: Policy
metadata: {{name: edited}}
spec:
  mode: enforce
  rules:
    - {{id: no-{word}, stage: data, severity: critical, when: segment.origin == '{word}', action: block, message: no}}
    - {{id: calls, stage: tool_call, severity: critical, when: tool.effect == 'egress', action: require_approval,
       message: no}}
"""


@dataclass(frozen=True, kw_only=True)
class Crew:
    """A gateway of two workers. Each call takes a connection of its own, so that either may answer."""

    url: str
    file: Path
    process: "subprocess.Popen[str]"

    def call(self, who: str, method: str, path: str, body: Json | None = None) -> httpx.Response:
        headers = {"authorization": f"Bearer {who}", "connection": "close"}
        return httpx.request(method, self.url + path, json=body, headers=headers, timeout=30, trust_env=False)

    def refused(self, origin: str) -> bool:
        data = [{"id": "d", "origin": origin, "text": "Hello."}]
        status = self.call("app", "POST", "/v1/split", {"model": "m", "instructions": "x", "data": data}).status_code
        assert status in {200, 400}
        return status == 400

    def states(self) -> dict[int, Json]:
        """What each worker says of its policies, by its process id."""
        found: dict[int, Json] = {}
        end = time.monotonic() + PATIENCE_S
        while len(found) < WORKERS:
            assert time.monotonic() < end, "one worker answers all calls"
            state = self.call("root", "GET", "/admin/policies").json()
            found[state["pid"]] = state
        return found

    def until(self, holds: Callable[[Json], bool]) -> None:
        """Wait until it holds of what every worker says."""
        end = time.monotonic() + PATIENCE_S
        while not all(holds(state) for state in self.states().values()):
            assert time.monotonic() < end, self.states()
            time.sleep(0.05)

    def enforce(self, text: str) -> None:
        """Have another policy in force in both workers."""
        before = self.call("root", "GET", "/admin/policies").json()["revision"]
        # Whatever stood there before, its digest is another one.
        self.file.write_text(f"{text}# {time.monotonic_ns()}\n")
        assert self.call("root", "POST", "/admin/policies/reload").status_code in {200, 409}
        self.until(lambda state: state["revision"] != before)


@pytest.fixture(scope="module")
def running(_upstream_server: Upstream, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Crew]:
    folder: Path = tmp_path_factory.mktemp("crew")
    file = folder / "edited.yaml"
    file.write_text(policy("mail"))
    keys = "".join(
        f"  - {{name: {name}, roles: [{roles}], sha256: {hashlib.sha256(name.encode()).hexdigest()}}}\n"
        for name, roles in (("app", "app"), ("root", "admin, approver"))
    )
    target = f'{{provider: openai_compatible, base_url: "{_upstream_server.url}", model: m, format: tool-envelope}}'
    (folder / "splitgate.yaml").write_text(
        f"state_dir: {folder / 'state'}\npolicies: {{packs: [], paths: [{file}], watch: false}}\nkeys:\n{keys}"
        f"models: {{m: {{targets: [{target}]}}}}\n"
    )
    command = [str(Path(sys.executable).with_name("splitgate")), "serve", "--port", "0", "--workers", str(WORKERS)]
    with (
        (folder / "log").open("w") as log,
        subprocess.Popen(
            [*command, "--config", str(folder / "splitgate.yaml")],
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
            env={**os.environ, "XDG_STATE_HOME": str(folder / "home")},
            cwd=folder,
        ) as process,
    ):
        assert process.stdout is not None
        try:
            line = next((line for line in process.stdout if "is listening on" in line), "")
            assert line, (folder / "log").read_text()
            yield Crew(url=line.split()[-1], file=file, process=process)
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(PATIENCE_S)


@pytest.fixture
def crew(running: Crew, upstream: Upstream) -> Iterator[Crew]:
    """The two workers, in front of an upstream that answers; no grant outlives the test."""
    del upstream
    yield running
    running.call("root", "DELETE", "/admin/break-glass")
    running.until(lambda state: not state["break_glass"]["in_force"])


def test_a_hangup_of_the_supervisor_reaches_both(crew: Crew) -> None:
    crew.file.write_text(policy("web"))
    before = {state["revision"] for state in crew.states().values()}
    crew.process.send_signal(signal.SIGHUP)
    crew.until(lambda state: {state["revision"]} != before)
    assert len({state["revision"] for state in crew.states().values()}) == 1
    assert all(crew.refused("web") and not crew.refused("mail") for _ in range(8))


def test_a_reload_that_one_worker_was_asked_for_reaches_both(crew: Crew) -> None:
    crew.enforce(policy("news"))
    assert all(crew.refused("news") and not crew.refused("web") for _ in range(8))
    assert len({state["revision"] for state in crew.states().values()}) == 1


def test_files_that_one_worker_refuses_are_refused_in_both(crew: Crew) -> None:
    crew.enforce(policy("mail"))
    crew.file.write_text("kind: Policy\n")
    assert crew.call("root", "POST", "/admin/policies/reload").status_code == 409
    crew.until(lambda state: state["last_error"] is not None)
    assert all(crew.refused("mail") for _ in range(8))
    crew.file.write_text(policy("mail"))
    assert crew.call("root", "POST", "/admin/policies/reload").status_code == 200
    crew.until(lambda state: state["last_error"] is None)


def test_a_grant_that_one_worker_made_holds_in_both_and_its_end_too(crew: Crew) -> None:
    crew.enforce(policy("parcels"))
    grant = {"reason": "The mail filter blocks all orders.", "minutes": 5}
    assert crew.call("root", "POST", "/admin/break-glass", grant).status_code == 200
    crew.until(lambda state: state["break_glass"]["in_force"])
    assert not any(crew.refused("parcels") for _ in range(16))
    ids = {state["break_glass"]["grant"]["id"] for state in crew.states().values()}
    assert len(ids) == 1
    assert crew.call("root", "DELETE", "/admin/break-glass").status_code == 200
    crew.until(lambda state: not state["break_glass"]["in_force"])
    assert all(crew.refused("parcels") for _ in range(16))


def test_an_answer_is_held_by_one_worker_decided_at_any_and_handed_out_once_by_all(
    crew: Crew, upstream: Upstream
) -> None:
    call: Json = {"id": "c1", "type": "function", "function": {"name": "send", "arguments": '{"to": "eve"}'}}
    message: Json = {"role": "assistant", "content": None, "tool_calls": [call]}
    choice = {"index": 0, "message": message, "finish_reason": "tool_calls"}
    upstream.answer({"id": "x", "object": "chat.completion", "created": 1, "model": "m", "choices": [choice]})
    body = {"model": "m", "instructions": "x", "tools": [{"name": "send", "parameters": {"type": "object"}}]}
    for _ in range(4):
        held = crew.call("app", "POST", "/v1/split", body)
        assert held.status_code == 202, held.text
        url = held.json()["url"]
        wish = {"decision": "approve", "reason": "I looked at it."}
        assert crew.call("root", "POST", url, wish).status_code == 200
        with ThreadPoolExecutor(8) as pool:
            came = list(pool.map(crew.call, ["app"] * 8, ["GET"] * 8, [url] * 8))
        assert sorted(answer.status_code for answer in came) == [200, *[410] * 7]
        assert sum("eve" in json.dumps(answer.json()) for answer in came) == 1
