"""What stands in the gateway's logs when everything goes wrong? No prompt, no key, nothing that an upstream said."""

import hashlib
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

import httpx
import pytest

Json = dict[str, Any]


class Gateway(Protocol):
    @property
    def url(self) -> str: ...
    @property
    def log(self) -> Path: ...
    @property
    def process(self) -> "subprocess.Popen[str]": ...


class Staged(Protocol):
    url: str

    def always(self, body: Json | bytes, **details: Any) -> None: ...


RunGateway = Callable[..., Gateway]

CHAT = "/v1/chat/completions"
CLIENT_KEY = "planted-client-key"
UPSTREAM_KEY = "planted-upstream-key"
PROMPT = "planted-prompt"
SAID = "planted-answer"
CONFIG = """
keys: [{{name: app, sha256: {digest}}}]
models:
  good:
    targets:
      - provider: openai_compatible
        base_url: "{url}"
        model: m
        format: tool-envelope
        api_key: "env:KEY"
        breaker: {{failures: 0}}
  dead:
    targets: [{{provider: openai_compatible, base_url: "http://127.0.0.1:9", model: m, api_key: "file:key"}}]
"""


def body(model: str = "good", **fields: Any) -> Json:
    messages = [{"role": "user", "content": PROMPT}]
    return {"model": model, "messages": messages, "data": PROMPT, **fields}


def provoke(client: httpx.Client, upstream: Staged) -> set[int]:
    """Make requests that end in every way there is; the statuses they got."""
    statuses: set[int] = set()

    def post(content: bytes | Json, path: str = CHAT, **headers: str) -> None:
        raw = json.dumps(content).encode() if isinstance(content, dict) else content
        sent = {"content-type": "application/json", **{name.replace("_", "-"): v for name, v in headers.items()}}
        statuses.add(client.post(path, content=raw, headers=sent).status_code)

    message = {"role": "assistant", "content": SAID}
    upstream.always({"choices": [{"index": 0, "message": message, "finish_reason": "stop"}]})
    post(body())
    post({"model": "good", "instructions": PROMPT, "data": PROMPT}, "/v1/split")
    for wrong in ({"planted-prompt": 1}, {"temperature": PROMPT}, {"api_key": UPSTREAM_KEY}, {"model": PROMPT}):
        post({**body(), **wrong})
    post(b'{"model": "' + PROMPT.encode())
    post(PROMPT.encode() * 100, f"/v1/{PROMPT}?key={CLIENT_KEY}")
    post(body(), content_encoding="gzip")
    post(body(), authorization="Bearer planted-wrong-key")
    post(body(), cookie=PROMPT, x_custom=CLIENT_KEY)
    post(body("dead"))
    for status in (400, 401, 404, 429, 500):
        upstream.always({"error": {"message": f"{PROMPT} {UPSTREAM_KEY} {SAID}"}}, status=status)
        post(body())
        post(body(stream=True))
    for raw in (SAID.encode(), b'{"choices": "planted-answer"}'):
        upstream.always(raw)
        post(body())
    for raw in (
        b"data: planted-answer\n\n",
        b'data: {"choices": [{"index": 0, "delta": {"content": "planted-answer"}}]}\n\n',
    ):
        upstream.always(raw, content_type="text/event-stream")
        post(body(stream=True))
        upstream.always(raw, content_type="text/event-stream", cut=True)
        post(body(stream=True))
    return statuses


def test_no_log_holds_prompts_keys_or_credentials(run_gateway: RunGateway, first: Staged) -> None:
    digest = hashlib.sha256(CLIENT_KEY.encode()).hexdigest()
    config = CONFIG.format(digest=digest, url=first.url).replace("file:key", "env:KEY")
    gateway = run_gateway(config, KEY=UPSTREAM_KEY)
    with httpx.Client(
        base_url=gateway.url, headers={"authorization": f"Bearer {CLIENT_KEY}"}, trust_env=False
    ) as client:
        assert provoke(client, first) == {200, 400, 401, 404, 415, 429, 502}
    gateway.process.terminate()
    told, _ = gateway.process.communicate(timeout=30)
    logged = gateway.log.read_text()
    assert "planted" not in told
    assert "planted" not in logged
    assert digest not in logged


@pytest.mark.embedded
@pytest.mark.xdist_group("embedded")
def test_the_embedded_models_process_logs_no_prompt(gateway: Gateway) -> None:
    asked = {"model": "local", "instructions": "Say yes.", "data": "planted-prompt", "max_tokens": 1}
    assert httpx.post(f"{gateway.url}/v1/split", json=asked, timeout=60, trust_env=False).status_code == 200
    assert "planted" not in gateway.log.read_text()


def test_credentials_in_the_file_itself_or_nowhere_are_refused_and_not_repeated(tmp_path: Path) -> None:
    config = tmp_path / "splitgate.yaml"
    target = '{{provider: openai_compatible, base_url: "http://127.0.0.1:9", model: m, api_key: {}}}'
    keys = ('"planted-secret"', "env:NOWHERE_SET", "file:planted-missing")
    models = "".join(f"  m{number}: {{targets: [{target.format(key)}]}}\n" for number, key in enumerate(keys))
    config.write_text(f"models:\n{models}")
    command = [str(Path(sys.executable).with_name("splitgate")), "serve", "--port", "0", "--config", str(config)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode != 0
    for line in (2, 3, 4):
        assert f"splitgate.yaml:{line}" in done.stderr
    assert "planted-secret" not in done.stdout + done.stderr
