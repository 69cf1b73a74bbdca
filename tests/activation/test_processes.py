"""Several workers under a real supervisor: signals, files and grants reach all of them."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import pytest

PATIENCE_S = 30.0

# Each connection sends a word and gets this worker's state.
WORKER = """
import asyncio, json, os, pathlib, signal, socket, sys
from dataclasses import asdict
from gateway.activation.activate import Activation
from gateway.activation.assemble import Engine
from gateway.activation.break_glass import BreakGlass, shared_key
from gateway.activation.fan_out import ask_all_workers
from gateway.activation.hangup import reloading_on_hangup
from gateway.activation.last_good import LastGood
from gateway.activation.sources import Sources
from gateway.activation.state_folder import StateFolder
from gateway.configuration.values import PolicySettings
from gateway.domain.errors import GatewayError
from policies.engine.load import load_policy

site = pathlib.Path(sys.argv[1])
fd, ready = int(sys.argv[sys.argv.index("--fd") + 1]), int(sys.argv[sys.argv.index("--ready-fd") + 1])

async def close(scanner): pass

engine = Engine(load=lambda file, raw: load_policy(file, raw, lambda _: {}, {}),
                build=lambda policies: (None, {policy.name: {} for policy in policies}),
                run_tests=lambda policy, scanner, instances: [], close=close)

async def main():
    folder = StateFolder(site / "state" / "policies")
    glass = BreakGlass(folder, shared_key(os.environ))
    sources = Sources(PolicySettings(packs=("baseline",), paths=(site / "policies",), watch=False), site / "packs")
    over = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, over.set)

    async def answer(reader, writer):
        word = (await reader.readline()).decode().strip()
        asked = None
        if word == "reload":
            try: await activation.reload()
            except GatewayError: pass
            asked = ask_all_workers(os.environ)
        elif word == "grant": await glass.grant("a good enough reason", 5, "ops")
        elif word == "end": await glass.end("ops")
        state = activation.state()
        said = {"pid": os.getpid(), "asked": asked, "bypass": activation.bypass(), "revision": state.revision,
                "names": [p.name for p in state.policies], "error": state.last_error, "source": state.source}
        writer.write(json.dumps(said).encode() + b"\\n"); await writer.drain(); writer.close()

    async with Activation(sources, engine, last_good=LastGood(folder), break_glass=glass, watch=False) as activation:
        async with reloading_on_hangup(activation.reload):
            server = await asyncio.start_server(answer, sock=socket.socket(fileno=fd))
            os.write(ready, b"serving\\n"); os.close(ready)
            await over.wait()
            server.close()

asyncio.run(main())
"""

SUPERVISOR = """
import json, sys
from gateway.supervisor import Supervisor, SupervisorConfig
def ready(listening): print(listening.port, flush=True)
sys.exit(Supervisor(SupervisorConfig(host="127.0.0.1", port=0, workers=2, worker_command=json.loads(sys.argv[1])),
                    on_ready=ready).run())
"""


class Site(Protocol):
    policies: Path


@dataclass
class Gateway:
    """Two workers under a supervisor."""

    process: "subprocess.Popen[str]"
    port: int

    def ask(self, word: str = "state") -> dict[str, Any]:
        with socket.create_connection(("127.0.0.1", self.port), timeout=PATIENCE_S) as client:
            client.sendall(word.encode() + b"\n")
            return json.loads(client.makefile().readline())

    def until_all(self, holds: Callable[[dict[str, Any]], bool]) -> None:
        """Wait until both workers were seen, one after the other, to be so."""
        end, seen = time.monotonic() + PATIENCE_S, set[int]()
        while len(seen) < 2:
            assert time.monotonic() < end, "waited in vain"
            said = self.ask()
            if holds(said):
                seen.add(said["pid"])
            else:
                seen.clear()
                time.sleep(0.02)


@pytest.fixture
def gateway(site: Site, tmp_path: Path) -> Iterator[Gateway]:
    assert site.policies.parent == tmp_path
    command = json.dumps([sys.executable, "-c", WORKER, str(tmp_path)])
    process = subprocess.Popen(
        [sys.executable, "-c", SUPERVISOR, command], stdout=subprocess.PIPE, text=True, env={**os.environ}
    )
    assert process.stdout is not None
    try:
        yield Gateway(process, int(process.stdout.readline()))
        process.send_signal(signal.SIGTERM)
        assert process.wait(PATIENCE_S) == 0
    finally:
        process.kill()
        process.communicate()


@pytest.mark.exhaustive
def test_sighup_has_every_worker_reload_and_none_end(
    gateway: Gateway, site: Site, policy_text: Callable[..., str]
) -> None:
    gateway.until_all(lambda said: said["names"] == ["baseline", "mail"])
    (site.policies / "more.yaml").write_text(policy_text("more"))
    gateway.process.send_signal(signal.SIGHUP)
    gateway.until_all(lambda said: said["names"] == ["baseline", "mail", "more"])


@pytest.mark.exhaustive
def test_a_reload_that_one_worker_was_asked_for_reaches_all(
    gateway: Gateway, site: Site, policy_text: Callable[..., str]
) -> None:
    (site.policies / "more.yaml").write_text(policy_text("more"))
    said = gateway.ask("reload")
    assert (said["asked"], said["names"]) == (True, ["baseline", "mail", "more"])
    gateway.until_all(lambda state: state["revision"] == said["revision"])
    (site.policies / "more.yaml").write_text("no policy")
    assert gateway.ask("reload")["error"] is not None
    gateway.until_all(lambda state: state["error"] is not None and state["revision"] == said["revision"])


def test_a_worker_that_dies_while_the_files_are_bad_comes_back_with_what_was_in_force(
    gateway: Gateway, site: Site
) -> None:
    before = gateway.ask()
    (site.policies / "mail.yaml").write_text("no policy")
    os.kill(before["pid"], signal.SIGKILL)
    gateway.until_all(lambda said: said["pid"] != before["pid"] or said["source"] == "last_known_good")
    gateway.until_all(lambda said: said["revision"] == before["revision"])


@pytest.mark.exhaustive
def test_a_grant_holds_in_all_workers_even_new_ones_until_it_is_ended(gateway: Gateway) -> None:
    granted = gateway.ask("grant")
    assert granted["bypass"] == "a good enough reason"
    gateway.until_all(lambda said: said["bypass"] == "a good enough reason")
    os.kill(granted["pid"], signal.SIGKILL)
    gateway.until_all(lambda said: said["pid"] != granted["pid"] and said["bypass"] is not None)
    gateway.ask("end")
    gateway.until_all(lambda said: said["bypass"] is None)
