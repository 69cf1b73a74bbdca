"""Two models of one process: what the second one's adapter changes, and what it leaves alone."""

import asyncio
import shutil
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Protocol

import aiohttp
import pytest

from adapters.embedded.models import PLAIN, SPLIT
from adapters.registry import probe_for
from adapters.transport.aiohttp_client import AiohttpClient
from gateway.domain.target import Target

pytestmark = [pytest.mark.embedded, pytest.mark.xdist_group("embedded")]
CHAT = "/v1/chat/completions"
QUESTIONS = ("Write a short story about a fox.", "Count to ten.")


class Model(Protocol):
    path: str
    log: Path


@pytest.fixture(scope="session")
def two_models(launch_model: Callable[..., Model], random_adapter: Path) -> Model:
    return launch_model("--adapter", str(random_adapter))


@asynccontextmanager
async def connected(model: Model) -> AsyncGenerator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession("http://x", connector=aiohttp.UnixConnector(model.path)) as session:
        yield session


@pytest.fixture
async def client(two_models: Model) -> AsyncIterator[aiohttp.ClientSession]:
    async with connected(two_models) as session:
        yield session


async def said(client: aiohttp.ClientSession, text: str, model: str = PLAIN) -> str:
    body = {"model": model, "messages": [{"role": "user", "content": text}], "temperature": 0, "max_tokens": 8}
    async with client.post(CHAT, json=body) as answer:
        assert answer.status == 200, await answer.text()
        return (await answer.json())["choices"][0]["message"]["content"]


async def test_the_plain_model_answers_as_without_the_adapter_and_the_split_one_does_not(
    client: aiohttp.ClientSession, model: Model
) -> None:
    async with connected(model) as alone:
        before = [await said(alone, question) for question in QUESTIONS]
    assert [await said(client, question) for question in QUESTIONS] == before
    # Each right behind the other model's answer to the same prompt, which is in the slot's cache.
    for question, answer in zip(QUESTIONS, before, strict=True):
        assert await said(client, question, SPLIT) != answer
        assert await said(client, question) == answer


async def test_requests_for_both_at_once_and_in_turn_leave_each_other_alone(client: aiohttp.ClientSession) -> None:
    asked = [(question, model) for question in QUESTIONS for model in (PLAIN, SPLIT)]
    # In turn: each finds the other's prompt in its slot, word for word.
    alone = [await said(client, *one) for one in asked]
    assert [await said(client, *one) for one in reversed(asked)] == alone[::-1]
    assert await asyncio.gather(*(said(client, *one) for one in asked)) == alone


async def test_texts_to_complete_get_the_adapter_too(client: aiohttp.ClientSession) -> None:
    async def completed(model: str) -> str:
        body = {"model": model, "prompt": "Once upon a time", "temperature": 0, "max_tokens": 8}
        async with client.post("/v1/completions", json=body) as answer:
            return (await answer.json())["choices"][0]["text"]

    assert await completed(PLAIN) != await completed(SPLIT)


async def test_vectors_are_the_plain_models_whatever_was_asked_before(client: aiohttp.ClientSession) -> None:
    async def vector() -> list[float]:
        async with client.post("/v1/embeddings", json={"model": PLAIN, "input": "The cat."}) as answer:
            return (await answer.json())["data"][0]["embedding"]

    before = await vector()
    await asyncio.gather(said(client, "Hello.", SPLIT), said(client, "Good morning.", SPLIT))
    assert await vector() == pytest.approx(before, abs=1e-6)


@pytest.mark.parametrize("scale", [0.0, 1.0])
@pytest.mark.parametrize("model", [PLAIN, SPLIT])
async def test_no_client_can_choose_the_adapter(client: aiohttp.ClientSession, model: str, scale: float) -> None:
    body = {"model": model, "messages": [{"role": "user", "content": "hi"}], "lora": [{"id": 0, "scale": scale}]}
    async with client.post(CHAT, json=body) as answer:
        assert (answer.status, (await answer.json())["error"]["code"]) == (400, "unsupported_field")
    async with client.post("/lora-adapters", json=body["lora"]) as answer:
        assert answer.status == 404


async def test_the_four_bit_weights_take_the_adapter_too(other_model: Model) -> None:
    async with connected(other_model) as client:
        assert await said(client, QUESTIONS[0]) != await said(client, QUESTIONS[0], SPLIT)


@pytest.fixture
def damaged(random_adapter: Path, tmp_path: Path) -> Path:
    path = tmp_path / random_adapter.name
    path.write_bytes(random_adapter.read_bytes()[:-1] + b"?")
    shutil.copy(random_adapter.with_suffix(".sha256"), tmp_path)
    return path


async def test_a_damaged_adapter_is_told_of_and_the_plain_model_serves(
    launch_model: Callable[..., Model], damaged: Path
) -> None:
    model = launch_model("--adapter", str(damaged))
    async with connected(model) as client:
        assert await said(client, "What is the capital of Egypt?") == "The capital of Egypt is Cairo."
        async with client.post(CHAT, json={"model": SPLIT, "messages": []}) as answer:
            error = (await answer.json())["error"]
    assert (answer.status, error["code"]) == (404, "model_not_found")
    assert "install Splitgate again" in error["message"]
    assert "does not match the digest beside it" in model.log.read_text()


@pytest.mark.parametrize(("asked", "served"), [("both", "passed"), ("none", "unavailable")])
async def test_the_render_probe_sees_the_roles_of_a_split_model_that_is_served(
    two_models: Model, model: Model, asked: str, served: str
) -> None:
    running = two_models if asked == "both" else model
    target = Target(
        id="t", provider="embedded", base_url="http://embedded.invalid/v1", model=SPLIT, format="secalign",
        family="smollm", socket=running.path,
    )  # fmt: skip
    client = AiohttpClient()
    outcome, reason = await probe_for(client)(target)
    await client.close()
    assert outcome == served, reason
