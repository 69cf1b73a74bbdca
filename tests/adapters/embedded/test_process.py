"""The real model in its real process."""

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Protocol

import aiohttp
import pytest

pytestmark = [pytest.mark.embedded, pytest.mark.xdist_group("embedded")]
CHAT = "/v1/chat/completions"


class Model(Protocol):
    process: "subprocess.Popen[bytes]"
    path: str
    log: Path


def body(text: str, **more: object) -> dict[str, object]:
    return {"messages": [{"role": "user", "content": text}], "temperature": 0, "max_tokens": 16, **more}


@pytest.fixture
async def client(model: Model) -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession("http://x", connector=aiohttp.UnixConnector(model.path)) as session:
        yield session


async def test_it_answers_and_counts(client: aiohttp.ClientSession) -> None:
    async with client.post(CHAT, json=body("What is the capital of Egypt?")) as answer:
        said = await answer.json()
    assert said["choices"][0]["message"]["content"] == "The capital of Egypt is Cairo."
    assert said["choices"][0]["finish_reason"] == "stop"
    assert (said["model"], said["usage"]["completion_tokens"]) == ("smollm2-135m-instruct", 8)


async def test_the_same_greedy_request_has_the_same_answer_alone_repeated_and_in_company(
    client: aiohttp.ClientSession,
) -> None:
    async def ask(text: str) -> str:
        async with client.post(CHAT, json=body(text)) as answer:
            return (await answer.json())["choices"][0]["message"]["content"]

    questions = [f"What is the capital of {country}?" for country in ("Germany", "Egypt", "Japan")]
    alone = [await ask(question) for question in questions]
    assert await asyncio.gather(*(ask(question) for question in questions)) == alone


async def test_what_forgets_reads_each_prompt_from_its_start(model: Model, other_model: Model) -> None:
    async def reused(session: aiohttp.ClientSession) -> int:
        async with session.post(CHAT, json=body("The code of the safe is 7719.", max_tokens=1)) as answer:
            usage = (await answer.json())["usage"]
        return usage["prompt_tokens_details"]["cached_tokens"]

    found: list[list[int]] = []
    for one in (model, other_model):
        async with aiohttp.ClientSession("http://x", connector=aiohttp.UnixConnector(one.path)) as session:
            found.append([await reused(session) for _ in range(2)])
    # Who guesses what another one sent would see by this how much of it was right.
    (first, again), forgotten = found
    assert again > first
    assert forgotten == [0, 0]


async def test_a_stream_holds_the_same_text_and_ends_with_done(client: aiohttp.ClientSession) -> None:
    asked = body("What is the capital of Egypt?", stream=True, stream_options={"include_usage": True})
    async with client.post(CHAT, json=asked) as answer:
        lines = [line async for line in answer.content if line.strip()]
    assert lines[-1] == b"data: [DONE]\n"
    events = [json.loads(line.removeprefix(b"data: ")) for line in lines[:-1]]
    deltas = [choice["delta"].get("content") or "" for event in events for choice in event["choices"]]
    assert "".join(deltas) == "The capital of Egypt is Cairo."
    assert events[-1]["usage"]["completion_tokens"] == 8


async def test_a_json_schema_binds_the_answer(client: aiohttp.ClientSession) -> None:
    schema = {"type": "object", "properties": {"positive": {"type": "boolean"}}, "required": ["positive"]}
    form = {"type": "json_schema", "json_schema": {"name": "mood", "schema": schema}}
    async with client.post(CHAT, json=body("Was it good?", max_tokens=40, response_format=form)) as answer:
        said = json.loads((await answer.json())["choices"][0]["message"]["content"])
    assert isinstance(said["positive"], bool)


async def test_a_prompt_that_is_too_long_is_a_400(client: aiohttp.ClientSession) -> None:
    async with client.post(CHAT, json=body("word " * 5000)) as answer:
        assert (answer.status, (await answer.json())["error"]["type"]) == (400, "exceed_context_size_error")


async def test_plain_completions_work(client: aiohttp.ClientSession) -> None:
    async with client.post("/v1/completions", json={"prompt": "The capital of France is", "max_tokens": 3}) as answer:
        assert answer.status == 200


async def vectors(client: aiohttp.ClientSession, *texts: str) -> list[list[float]]:
    async with client.post("/v1/embeddings", json={"input": texts}) as answer:
        assert answer.status == 200, await answer.text()
        told = (await answer.json())["data"]
    assert [one["index"] for one in told] == list(range(len(texts)))
    return [one["embedding"] for one in told]


def likeness(one: list[float], other: list[float]) -> float:
    return sum(a * b for a, b in zip(one, other, strict=True))


async def test_vectors_of_texts_that_mean_much_the_same_lie_together(client: aiohttp.ClientSession) -> None:
    cat, kitten, stocks = await vectors(
        client, "The cat sat on the mat.", "A kitten is lying on the rug.", "Stock prices fell sharply on Monday."
    )
    assert {len(cat), len(kitten), len(stocks)} == {576}
    assert likeness(cat, cat) == pytest.approx(1, abs=1e-3)
    assert likeness(cat, kitten) > likeness(cat, stocks)
    assert likeness(cat, kitten) > likeness(kitten, stocks)


async def test_answers_and_vectors_are_the_same_beside_each_other_as_alone(client: aiohttp.ClientSession) -> None:
    async def ask() -> str:
        async with client.post(CHAT, json=body("What is the capital of Egypt?")) as answer:
            return (await answer.json())["choices"][0]["message"]["content"]

    (alone,) = await vectors(client, "The cat sat on the mat.")
    said, (beside,), other = await asyncio.gather(ask(), vectors(client, "The cat sat on the mat."), ask())
    assert said == other == "The capital of Egypt is Cairo."
    assert beside == pytest.approx(alone, abs=1e-3)


@pytest.mark.exhaustive
async def test_a_text_longer_than_a_batch_has_a_vector(client: aiohttp.ClientSession) -> None:
    assert len((await vectors(client, "word " * 600))[0]) == 576


async def test_a_text_that_is_too_long_for_a_vector_is_a_400(client: aiohttp.ClientSession) -> None:
    async with client.post("/v1/embeddings", json={"input": "word " * 5000}) as answer:
        assert (answer.status, (await answer.json())["error"]["type"]) == (400, "exceed_context_size_error")


async def test_it_names_its_model_and_says_that_it_is_well(client: aiohttp.ClientSession) -> None:
    async with client.get("/v1/models") as answer:
        assert (await answer.json())["data"][0]["id"] == "smollm2-135m-instruct"
    async with client.get("/health") as answer:
        assert answer.status == 200


@pytest.mark.parametrize("stream", [False, True])
async def test_generation_stops_when_the_client_goes_away(
    client: aiohttp.ClientSession, model: Model, *, stream: bool
) -> None:
    endless = body("Write a long story.", max_tokens=3000, ignore_eos=True, stream=stream)

    async def talk() -> None:
        async with client.post(CHAT, json=endless) as answer:
            await answer.read()

    talks = [asyncio.create_task(talk()) for _ in range(2)]
    await asyncio.sleep(0.3)
    for task in talks:
        task.cancel()
    # llama.cpp looks once a second whether the reader of a whole answer is still there. What nobody stopped would go on
    # for far longer than this.
    async with asyncio.timeout(15):
        while await works(model.process.pid):
            pass
    assert all(task.cancelled() for task in talks)


async def works(pid: int) -> bool:
    before = cpu_seconds(pid)
    await asyncio.sleep(0.3)
    return cpu_seconds(pid) - before > 0.1


def tcp_sockets(pid: int) -> set[str]:
    own = {str(entry.readlink())[8:-1] for entry in Path(f"/proc/{pid}/fd").iterdir()}
    tables = [Path(f"/proc/{pid}/net/{family}").read_text().splitlines()[1:] for family in ("tcp", "tcp6")]
    return own & {line.split()[9] for table in tables for line in table}


def cpu_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def engine_of(model: Model) -> aiohttp.ClientSession:
    """The engine's own socket, behind the front."""
    path = next(Path(model.path).parent.glob("engine-*"))
    return aiohttp.ClientSession("http://x", connector=aiohttp.UnixConnector(str(path)))


def form(schema: dict[str, object]) -> dict[str, object]:
    return {"type": "json_schema", "json_schema": {"name": "a", "schema": schema}}


ENDLESS: dict[str, object] = {"type": "string", "pattern": "^((((a{0,999}){0,999}){0,999}){0,999})$"}


async def test_a_pattern_that_would_stop_the_engine_is_refused_and_the_next_request_answered(
    client: aiohttp.ClientSession,
) -> None:
    async with client.post(CHAT, json=body("hi", response_format=form(ENDLESS))) as answer:
        assert (answer.status, (await answer.json())["error"]["code"]) == (400, "schema_unsupported")
    async with client.post(CHAT, json=body("What is the capital of Egypt?")) as answer:
        assert (await answer.json())["choices"][0]["message"]["content"] == "The capital of Egypt is Cairo."


async def test_more_choices_than_it_has_slots_are_refused_naming_n(client: aiohttp.ClientSession) -> None:
    async with client.post(CHAT, json=body("hi", n=3)) as answer:
        error = (await answer.json())["error"]
        assert (answer.status, error["code"], error["param"]) == (400, "n_too_large", "n")
    async with client.post(CHAT, json=body("hi", n=2, max_tokens=2)) as answer:
        assert len((await answer.json())["choices"]) == 2


async def test_the_largest_schema_let_through_is_answered_soon(client: aiohttp.ClientSession) -> None:
    choices = [f"{'x' * 60}{number}" for number in range(200)]
    schema = form({"type": "object", "properties": {"a": {"enum": choices}}, "required": ["a"]})
    begin = time.monotonic()
    async with client.post(CHAT, json=body("hi", response_format=schema)) as answer:
        assert answer.status == 200
    assert time.monotonic() - begin < 20


@pytest.mark.parametrize("name", ["NUL", "marker", "bias", "stop"])
async def test_odd_requests_are_answered(client: aiohttp.ClientSession, name: str) -> None:
    odd = {
        "NUL": body("a\0b", max_tokens=2),
        "marker": body("<__media__> <image>", max_tokens=2),
        "bias": body("hi", logit_bias={str(token): -1 for token in range(300)}, max_tokens=2),
        "stop": body("hi", stop=["x" * 1024] * 16, max_tokens=2),
    }
    async with client.post(CHAT, json=odd[name]) as answer:
        assert answer.status == 200


async def test_no_text_of_a_schema_is_written_anywhere(client: aiohttp.ClientSession, model: Model) -> None:
    planted = "PLANTED"
    schemas: list[dict[str, object]] = [
        {"type": "string", "pattern": f"{planted}(?=x)"},
        {"type": "string", "format": planted, "description": planted, "default": planted},
        {"type": "object", "properties": {planted: {"enum": [f"{planted}-value"]}}, "required": [planted, "absent"]},
        {"type": planted},
        {"$ref": f"#/$defs/{planted}"},
    ]
    for schema in schemas:
        async with client.post(CHAT, json=body("hi", max_tokens=4, response_format=form(schema))) as answer:
            assert answer.status in {200, 400}
    # Past the front, to the engine itself, which would print these.
    async with engine_of(model) as engine:
        for schema in schemas:
            async with engine.post(CHAT, json=body("hi", max_tokens=4, response_format=form(schema))) as answer:
                assert answer.status in {200, 400, 500}
    assert planted not in model.log.read_text()


async def test_it_writes_nothing_and_listens_on_no_port(client: aiohttp.ClientSession, model: Model) -> None:
    async with client.post(CHAT, json=body("A secret: 4711", max_tokens=4)) as answer:
        assert answer.status == 200
    assert model.log.read_bytes() == b""
    assert tcp_sockets(model.process.pid) == set()


def test_sigterm_ends_it_promptly_in_the_middle_of_an_answer(launch_model: Callable[..., Model]) -> None:
    model = launch_model("--slots", "1", "--context", "1024")
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(30)
        client.connect(model.path)
        payload = json.dumps(body("Write a long story.", max_tokens=900, ignore_eos=True, stream=True)).encode()
        client.sendall(
            b"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%b" % (len(payload), payload)
        )
        assert client.recv(64).startswith(b"HTTP/1.1 200")
        begin = time.monotonic()
        model.process.send_signal(signal.SIGTERM)
        assert model.process.wait(10) == 0
    assert time.monotonic() - begin < 2
    assert [entry.name for entry in Path(model.path).parent.glob("engine-*")] == []
    assert model.log.read_bytes() == b""


@pytest.mark.exhaustive
async def test_a_stuck_engine_ends_the_process_with_a_word_and_without_the_socket(
    launch_model: Callable[..., Model],
) -> None:
    model = launch_model("--slots", "1", "--context", "512", "--patience", "1.5")
    async with aiohttp.ClientSession("http://x", connector=aiohttp.UnixConnector(model.path)) as client:
        async with client.post(CHAT, json=body("hi", max_tokens=2)) as answer:
            assert answer.status == 200
        async with engine_of(model) as engine:
            stuck = asyncio.create_task(engine.post(CHAT, json=body("hi", response_format=form(ENDLESS))))
            begin = time.monotonic()
            while model.process.poll() is None:
                assert time.monotonic() - begin < 20
                await asyncio.sleep(0.05)
            await asyncio.gather(stuck, return_exceptions=True)
    assert model.process.returncode == 3
    assert (
        model.log.read_text() == "splitgate: the embedded model is stuck and ends; the next request starts it again\n"
    )
    assert list(Path(model.path).parent.glob("engine-*")) == []


def test_weights_that_are_no_model_end_it_with_a_message(launch_model: Callable[..., Model], tmp_path: Path) -> None:
    broken = tmp_path / "broken.gguf"
    broken.write_bytes(b"no model")
    model = launch_model("--weights", str(broken))
    assert model.process.wait(20) == 1
    assert f"the embedded model cannot be loaded from {broken}" in model.log.read_text()
    assert "Traceback" not in model.log.read_text()


def test_it_ends_when_its_parent_has_ended(tmp_path: Path) -> None:
    parent = """
import socket, subprocess, sys, time
listener = socket.socket(socket.AF_UNIX); listener.bind(sys.argv[1]); listener.listen()
command = [sys.executable, "-m", "adapters.embedded", "--fd", str(listener.fileno()), "--context", "256"]
child = subprocess.Popen(command, pass_fds=[listener.fileno()], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
print(child.pid, flush=True)
with socket.socket(socket.AF_UNIX) as client:
    client.connect(sys.argv[1]); client.sendall(b"GET /health HTTP/1.1\\r\\nHost: x\\r\\n\\r\\n"); client.recv(1)
"""
    command = [sys.executable, "-c", parent, str(tmp_path / "e.sock")]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
    child = Path(f"/proc/{int(done.stdout)}")
    end = time.monotonic() + 10
    while child.exists():
        assert time.monotonic() < end
        time.sleep(0.05)
