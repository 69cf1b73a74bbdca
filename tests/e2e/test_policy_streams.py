"""What of a streamed answer gets out while policy looks at it, and when?"""

import contextlib
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Protocol, TypeAlias

import httpx
import pytest

Json: TypeAlias = dict[str, Any]
Chunk: TypeAlias = Callable[..., Json]

SECRET = "AKIA" + "QX7ZK2M4N6P3R5T7"
REDACTED = "[REDACTED:aws_access_key]"
WINDOW = 512
BEFORE = "All is well here. " * 100
AFTER = " And so it goes on." * 100

POLICIES = {
    "window-redact": (f"{{mode: window, window_chars: {WINDOW}}}", "redact"),
    "window-block": (f"{{mode: window, window_chars: {WINDOW}}}", "block"),
    "hold-redact": ("{mode: hold}", "redact"),
    "hold-block": ("{mode: hold}", "block"),
    "impatient": ("{mode: hold, max_hold_ms: 500}", "block"),
}


class Gateway(Protocol):
    @property
    def url(self) -> str: ...


class Exchange(Protocol):
    def open(self, content_type: str = "text/event-stream") -> None: ...
    def say(self, *chunks: Json) -> None: ...
    def write(self, raw: bytes) -> None: ...
    def end(self) -> None: ...
    def caller_left(self) -> bool: ...


class Staged(Protocol):
    @property
    def url(self) -> str: ...
    def next(self) -> Exchange: ...


class Upstream(Protocol):
    url: str
    bodies: list[Json]

    def answer(self, body: Json, status: int = 200, **headers: str) -> None: ...
    def stream(self, *chunks: Json, done: bool = True, broken: bool = False, pause_s: float = 0.0) -> None: ...


class Wire(Protocol):
    def request(self, path: str, body: bytes | None = None, *, method: str = "POST", **headers: str) -> None: ...
    def until(self, mark: bytes) -> bytes: ...
    def rest(self) -> bytes: ...


Dial: TypeAlias = Callable[[str], Wire]


def policy(name: str, streaming: str, action: str) -> str:
    rules = "".join(
        f"    - {{id: no-keys-{stage}, stage: {stage}, severity: critical, when: det.secrets.found, "
        f"action: {action}, message: no}}\n"
        for stage in ("output", "tool_call")
    )
    head = f"apiVersion: splitgate/v1\nkind: Policy\nmetadata: {{name: {name}}}\n"
    return f"{head}spec:\n  mode: enforce\n  match: {{models: [{name}, staged-{name}]}}\n  streaming: {streaming}\n  rules:\n{rules}"  # noqa: E501


@pytest.fixture(scope="module")
def policed(
    keep_gateway: Callable[..., Gateway],
    _upstream_server: Upstream,
    staged_pair: tuple[Staged, Staged],
    tmp_path_factory: pytest.TempPathFactory,
) -> Gateway:
    """Models named as the policies are scripted; ``staged-…`` of each is played by the test."""
    folder: Path = tmp_path_factory.mktemp("policies")
    models = ""
    for name, (streaming, action) in POLICIES.items():
        (folder / f"{name}.yaml").write_text(policy(name, streaming, action))
        for model, url in ((name, _upstream_server.url), (f"staged-{name}", staged_pair[0].url)):
            target = f'{{provider: openai_compatible, base_url: "{url}", model: m, format: tool-envelope}}'
            models += f"  {model}: {{targets: [{target}]}}\n"
    return keep_gateway(f"policies: {{packs: [], paths: [{folder}], watch: false}}\nmodels:\n{models}")


@pytest.fixture(scope="module")
def client(policed: Gateway) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=policed.url, timeout=30, trust_env=False) as opened:
        yield opened


def asked(model: str, **more: Any) -> Json:
    return {"model": model, "messages": [{"role": "user", "content": "Hello"}], "stream": True, **more}


def ask(dial: Dial, policed: Gateway, model: str) -> Wire:
    wire = dial(policed.url)
    wire.request("/v1/chat/completions", json.dumps(asked(model)).encode(), connection="close")
    return wire


def told(raw: str) -> tuple[str, list[str]]:
    """The text that a client puts together, and the reasons for which the stream ended."""
    text: list[str] = []
    reasons: list[str] = []
    for line in raw.splitlines():
        if line.startswith("data: {"):
            for choice in json.loads(line.removeprefix("data: "))["choices"]:
                text.append(choice["delta"].get("content") or "")
                reasons += [choice["finish_reason"]] if choice["finish_reason"] else []
    return "".join(text), reasons


def chunks(chunk: Chunk, *texts: str) -> list[Json]:
    return [chunk({"role": "assistant"}), *(chunk({"content": text}) for text in texts if text), chunk({}, "stop")]


@pytest.mark.rows
@pytest.mark.parametrize("at", range(len(SECRET) + 1))
@pytest.mark.parametrize("model", ["window-redact", "window-block", "hold-redact", "hold-block"])
def test_a_secret_cut_anywhere_leaks_no_character(
    client: httpx.Client, upstream: Upstream, chunk: Chunk, model: str, at: int
) -> None:
    upstream.stream(*chunks(chunk, BEFORE, SECRET[:at], SECRET[at:], AFTER))
    text, reasons = told(client.post("/v1/chat/completions", json=asked(model)).text)
    if model.endswith("redact"):
        assert (text, reasons) == (f"{BEFORE}{REDACTED}{AFTER}", ["stop"])
    else:
        assert BEFORE.startswith(text)
        assert reasons == ["content_filter"]
        assert (len(text) >= len(BEFORE) - WINDOW) == model.startswith("window")


@pytest.mark.rows
@pytest.mark.parametrize("model", ["window-redact", "window-block", "hold-redact", "hold-block"])
def test_what_is_no_secret_passes_whole_however_it_is_cut(
    client: httpx.Client, upstream: Upstream, chunk: Chunk, model: str
) -> None:
    whole = f"{BEFORE}{SECRET[:-1]}{AFTER}"
    upstream.stream(*chunks(chunk, *whole))
    assert told(client.post("/v1/chat/completions", json=asked(model)).text) == (whole, ["stop"])


@pytest.mark.parametrize("model", ["window-redact", "window-block"])
def test_single_characters_leak_none_either(client: httpx.Client, upstream: Upstream, chunk: Chunk, model: str) -> None:
    upstream.stream(*chunks(chunk, *f"{BEFORE}{SECRET}{AFTER}"))
    text, _ = told(client.post("/v1/chat/completions", json=asked(model)).text)
    assert "AKIA" not in text
    assert text.startswith(BEFORE[: len(BEFORE) - WINDOW])


def test_a_window_lets_early_text_go_before_the_answer_ends(
    dial: Dial, policed: Gateway, first: Staged, chunk: Chunk
) -> None:
    wire = ask(dial, policed, "staged-window-redact")
    exchange = first.next()
    exchange.open()
    exchange.say(chunk({"role": "assistant"}), chunk({"content": "START " + BEFORE}))
    # The test would wait in vain here if it were held: the upstream says nothing more until this has come.
    assert b"All is well here." in wire.until(b"START ")
    exchange.say(chunk({"content": SECRET}), chunk({}, "stop"))
    exchange.write(b"data: [DONE]\n\n")
    exchange.end()
    rest = wire.rest().decode()
    assert REDACTED in rest
    assert SECRET not in rest


def test_hold_lets_nothing_go_before_the_answer_ends(dial: Dial, policed: Gateway, first: Staged, chunk: Chunk) -> None:
    wire = ask(dial, policed, "staged-hold-redact")
    exchange = first.next()
    exchange.open()
    exchange.say(chunk({"role": "assistant"}), chunk({"content": "START " + BEFORE}), chunk({"content": "now "}))
    head = wire.until(b'"role":"assistant"')
    assert b"START" not in head
    exchange.say(chunk({"content": "END"}), chunk({}, "stop"))
    exchange.write(b"data: [DONE]\n\n")
    exchange.end()
    text, reasons = told(wire.rest().decode())
    assert (text, reasons) == (f"START {BEFORE}now END", ["stop"])


def test_a_block_in_mid_stream_ends_the_upstreams_call(
    dial: Dial, policed: Gateway, first: Staged, chunk: Chunk
) -> None:
    wire = ask(dial, policed, "staged-window-block")
    exchange = first.next()
    exchange.open()
    exchange.say(chunk({"role": "assistant"}), chunk({"content": f"{BEFORE}{SECRET}"}))
    with contextlib.suppress(ConnectionError):
        exchange.say(chunk({"content": AFTER}))
    assert exchange.caller_left()
    raw = wire.rest().decode()
    text, reasons = told(raw)
    assert BEFORE.startswith(text)
    assert reasons == ["content_filter"]
    assert "data: [DONE]" in raw


def test_what_is_held_too_long_is_blocked_and_the_upstreams_call_ends(
    dial: Dial, policed: Gateway, first: Staged, chunk: Chunk
) -> None:
    wire = ask(dial, policed, "staged-impatient")
    exchange = first.next()
    exchange.open()
    exchange.say(chunk({"role": "assistant"}), chunk({"content": "All is well, and then"}))
    assert exchange.caller_left()
    raw = wire.rest().decode()
    assert told(raw) == ("", ["content_filter"])
    assert "data: [DONE]" in raw


def test_the_native_stream_says_that_it_was_held_too_long(
    dial: Dial, policed: Gateway, first: Staged, chunk: Chunk
) -> None:
    wire = dial(policed.url)
    body = {"model": "staged-impatient", "instructions": "Hello", "stream": True}
    wire.request("/v1/split", json.dumps(body).encode(), connection="close")
    exchange = first.next()
    exchange.open()
    exchange.say(chunk({"role": "assistant"}), chunk({"content": "All is well, and then"}))
    assert exchange.caller_left()
    raw = wire.rest().decode()
    done = json.loads(raw.split("event: done\ndata: ")[1].split("\n")[0])
    assert (done["finish_reason"], done["split"]["decision"]) == ("content_filter", "block")
    assert [found["rule"] for found in done["split"]["findings"]] == ["max_hold_ms"]


def test_an_answer_that_ends_in_time_is_released(client: httpx.Client, upstream: Upstream, chunk: Chunk) -> None:
    upstream.stream(*chunks(chunk, "All ", "is well."))
    assert told(client.post("/v1/chat/completions", json=asked("impatient")).text) == ("All is well.", ["stop"])


@pytest.mark.parametrize("stream", [False, True])
def test_logprobs_are_refused_where_a_rule_takes_something_out(
    client: httpx.Client, upstream: Upstream, chunk: Chunk, stream: bool
) -> None:
    body = asked("window-redact", logprobs=True) | {"stream": stream}
    answer = client.post("/v1/chat/completions", json=body)
    assert answer.status_code == 400
    assert answer.json()["error"]["param"] == "logprobs"
    assert upstream.bodies == []
    if stream:
        upstream.stream(*chunks(chunk, "fine"))
    assert client.post("/v1/chat/completions", json={**body, "model": "window-block"}).status_code == 200
    assert client.post("/v1/chat/completions", json={**body, "logprobs": False}).status_code == 200
