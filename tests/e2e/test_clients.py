"""Drop-in for clients that many use: LangChain, LlamaIndex and litellm change their base URL and nothing else."""

import json
import os
import re
import subprocess
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol, TypeAlias

import pytest

Json: TypeAlias = dict[str, Any]

PROGRAMS = Path(__file__).with_name("clients")
PYTHON = Path(__file__).parents[2] / ".venv-clients" / "bin" / "python"
WARMER = "Rome is warmer."
SEEN = "A dot."
WEATHER = "21 degrees."
VECTOR = [0.25, -0.5]
OSLO = ["get_weather", {"city": "Oslo"}]
POLICY = """apiVersion: splitgate/v1
kind: Policy
metadata: {name: clients}
spec:
  mode: enforce
  rules:
    - {id: no-keys, stage: instructions, severity: critical, when: det.secrets.found, action: block, message: Go.}
"""


class Gateway(Protocol):
    url: str


class Staged(Protocol):
    url: str
    bodies: list[Json]
    automatic: Callable[[Json], Any] | None


@dataclass(kw_only=True)
class Answer:
    """What the upstream says: as the fixture's own."""

    body: bytes
    status: int = 200
    content_type: str = "application/json"
    headers: dict[str, str] = field(default_factory=dict[str, str])
    cut: bool = False


def said(body: Json) -> tuple[Json, str]:
    """What a model would say to it, and how it would end."""
    told = json.dumps(body["messages"])
    if any(message["role"] == "tool" for message in body["messages"]):
        return {"role": "assistant", "content": WEATHER}, "stop"
    if "TOOLS" in told:
        function = {"name": "get_weather", "arguments": '{"city": "Oslo"}'}
        calls: list[Json] = [{"index": 0, "id": "call_1", "type": "function", "function": function}]
        return {"role": "assistant", "content": None, "tool_calls": calls}, "tool_calls"
    return {"role": "assistant", "content": SEEN if "image_url" in told else WARMER}, "stop"


def answer(body: Json) -> Answer:
    """The same in OpenAI's words: whole, or a word at a time."""
    if "input" in body:
        vectors: list[Json] = [{"object": "embedding", "index": i, "embedding": VECTOR} for i in range(2)]
        usage: Json = {"prompt_tokens": 2, "total_tokens": 2}
        return Answer(body=json.dumps({"object": "list", "data": vectors, "model": "m", "usage": usage}).encode())
    message, reason = said(body)
    common: Json = {"id": "c", "created": 1, "model": "m"}
    usage = {"prompt_tokens": 5, "completion_tokens": 3, "total_tokens": 8}
    if not body.get("stream"):
        choice: Json = {"index": 0, "message": message, "finish_reason": reason}
        whole: Json = {**common, "object": "chat.completion", "choices": [choice], "usage": usage}
        return Answer(body=json.dumps(whole).encode())
    words = re.findall(r"\S+ ?", message["content"] or "")
    deltas: list[Json] = [{"role": "assistant", "content": ""}, *({"content": word} for word in words)]
    deltas += [{"tool_calls": message["tool_calls"]}] if "tool_calls" in message else []
    choices: list[list[Json]] = [[{"index": 0, "delta": delta, "finish_reason": None}] for delta in deltas]
    choices += [[{"index": 0, "delta": {}, "finish_reason": reason}], []]
    chunks: list[Json] = [{**common, "object": "chat.completion.chunk", "choices": one} for one in choices]
    chunks[-1]["usage"] = usage
    events = [f"data: {json.dumps(chunk)}\n\n" for chunk in chunks]
    return Answer(body="".join([*events, "data: [DONE]\n\n"]).encode(), content_type="text/event-stream")


@pytest.fixture(scope="module")
def client_gateway(
    staged_pair: tuple[Staged, Staged], keep_gateway: Callable[..., Gateway], tmp_path_factory: pytest.TempPathFactory
) -> Gateway:
    """Models ``envelope``, ``plain`` and ``embedder``, under a policy that blocks keys in instructions."""
    policy = tmp_path_factory.mktemp("clients") / "policy.yaml"
    policy.write_text(POLICY)
    target = f'provider: openai_compatible, base_url: "{staged_pair[0].url}", model: m'
    return keep_gateway(
        f"""
policies: {{packs: [], paths: [{policy}], watch: false}}
models:
  envelope: {{targets: [{{{target}, format: tool-envelope}}]}}
  embedder: {{targets: [{{{target}, format: tool-envelope}}]}}
  plain: {{min_isolation: none, targets: [{{{target}, format: plain}}]}}
"""
    )


@pytest.fixture
def run(client_gateway: Gateway, first: Staged) -> Callable[..., Json]:
    """Runs a program against the gateway; what it saw."""

    def ran(program: str, *arguments: str) -> Json:
        first.automatic = answer
        command = [str(PYTHON), str(PROGRAMS / program), client_gateway.url, *arguments]
        environ = {"PATH": os.environ["PATH"], "HOME": os.environ.get("HOME", "/"), "NO_PROXY": "*"}
        done = subprocess.run(command, env=environ, capture_output=True, text=True, timeout=300, check=False)
        assert done.returncode == 0, done.stderr[-4000:]
        return json.loads(done.stdout.splitlines()[-1])

    return ran


@pytest.mark.exhaustive
@pytest.mark.parametrize(
    "command",
    [
        "langchain_chat.py",
        "langchain_chat.py responses",
        "langchain_messages.py",
        "llamaindex_chat.py",
        "llamaindex_chat.py responses",
        "llamaindex_chat.py messages",
        "litellm_client.py",
        "litellm_client.py messages",
    ],
)
def test_a_client_changes_its_base_url_and_nothing_else(run: Callable[..., Json], first: Staged, command: str) -> None:
    seen = run(*command.split())
    assert (seen["text"], "".join(seen["stream"]), seen["tools"], seen["image"]) == (WARMER, WARMER, WEATHER, SEEN)
    assert len(seen["stream"]) > 1
    assert seen["calls"] == [OSLO]
    assert seen.get("async", WARMER) == WARMER
    assert seen.get("streamed_calls", [OSLO]) == [OSLO]
    assert seen.get("embeddings", [VECTOR, VECTOR]) == [VECTOR, VECTOR]
    assert "NotFound" in seen["error"]["kind"]
    assert "BadRequest" in seen["block"]["kind"] or "InvalidRequest" in seen["block"]["kind"]
    assert "no-keys" in seen["block"]["told"]
    assert "AKIA" not in seen["block"]["told"]
    # A tool's result went up as data, whatever the client calls it.
    results = [message for body in first.bodies for message in body.get("messages", ()) if message["role"] == "tool"]
    assert results
    for result in results:
        assert json.loads(result["content"])["untrusted_data"]["content"] == "21 degrees in Oslo"
    assert not any("AKIA" in json.dumps(body) for body in first.bodies)
