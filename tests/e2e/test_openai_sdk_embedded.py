"""The official SDK in front of the embedded model: a real answer, whole, streamed and as JSON."""

import json
from collections.abc import AsyncIterator, Iterator
from typing import Literal, Protocol

import httpx
import pytest
from openai import AsyncOpenAI, BadRequestError, OpenAI
from openai.types.chat import ChatCompletionMessageParam
from pydantic import BaseModel

pytestmark = [pytest.mark.embedded, pytest.mark.xdist_group("embedded")]


class Gateway(Protocol):
    @property
    def url(self) -> str: ...


QUESTION = "Name the city in the text."
MESSAGES: list[ChatCompletionMessageParam] = [{"role": "user", "content": QUESTION}]
MAIL = {"data": [{"id": "mail-17", "origin": "email", "text": "Our office in Oslo opens at nine."}]}


@pytest.fixture(scope="module")
def sdk(gateway: Gateway) -> Iterator[OpenAI]:
    http = httpx.Client(trust_env=False, timeout=60)
    with OpenAI(base_url=f"{gateway.url}/v1", api_key="unused", http_client=http) as client:
        yield client


@pytest.fixture
async def async_sdk(gateway: Gateway) -> AsyncIterator[AsyncOpenAI]:
    http = httpx.AsyncClient(trust_env=False, timeout=60)
    async with AsyncOpenAI(base_url=f"{gateway.url}/v1", api_key="unused", http_client=http) as client:
        yield client


def test_the_answer_is_right_and_says_how_the_data_was_kept_apart(sdk: OpenAI) -> None:
    raw = sdk.chat.completions.with_raw_response.create(
        model="local", messages=MESSAGES, temperature=0, max_tokens=20, extra_body={**MAIL, "min_isolation": "wrapped"}
    )
    assert raw.headers["x-splitgate-isolation"] == "wrapped"
    assert raw.headers["x-splitgate-format"] == "spotlight"
    completion = raw.parse()
    assert "Oslo" in (completion.choices[0].message.content or "")
    assert completion.choices[0].finish_reason in {"stop", "length"}
    assert completion.usage is not None
    assert completion.usage.completion_tokens > 0


def test_the_split_model_keeps_data_apart_natively(sdk: OpenAI) -> None:
    raw = sdk.chat.completions.with_raw_response.create(
        model="local-split",
        messages=MESSAGES,
        temperature=0,
        max_tokens=20,
        extra_body={**MAIL, "min_isolation": "native"},
    )
    assert raw.headers["x-splitgate-isolation"] == "native"
    assert raw.headers["x-splitgate-format"] == "secalign"
    assert "Oslo" in (raw.parse().choices[0].message.content or "")


def test_a_streamed_answer_is_the_same(sdk: OpenAI) -> None:
    *before, last = sdk.chat.completions.create(
        model="local",
        messages=MESSAGES,
        temperature=0,
        max_tokens=20,
        stream=True,
        stream_options={"include_usage": True},
        extra_body=MAIL,
    )
    text = "".join(choice.delta.content or "" for one in before for choice in one.choices)
    assert "Oslo" in text
    assert last.choices == []
    assert last.usage is not None
    assert last.usage.completion_tokens > 0


@pytest.mark.exhaustive
async def test_the_async_client_streams_too(async_sdk: AsyncOpenAI) -> None:
    async with async_sdk.chat.completions.stream(
        model="local", messages=MESSAGES, temperature=0, max_tokens=8, extra_body=MAIL
    ) as stream:
        seen = "".join([event.delta async for event in stream if event.type == "content.delta"])
    assert seen


class Place(BaseModel):
    city: Literal["Rome", "Oslo", "Paris"]


def test_an_answer_by_schema_is_parsed(sdk: OpenAI) -> None:
    # Room enough for the JSON, blanks that a small model may put into it included.
    completion = sdk.chat.completions.parse(
        model="local", messages=MESSAGES, temperature=0, max_tokens=60, response_format=Place, extra_body=MAIL
    )
    parsed = completion.choices[0].message.parsed
    assert parsed is not None
    assert parsed.city == "Oslo"
    assert json.loads(completion.choices[0].message.content or "") == {"city": "Oslo"}


def test_a_floor_above_the_embedded_models_reach_is_refused(sdk: OpenAI) -> None:
    with pytest.raises(BadRequestError) as caught:
        sdk.chat.completions.create(
            model="local",
            messages=MESSAGES,
            temperature=0,
            max_tokens=20,
            extra_body={**MAIL, "min_isolation": "channel"},
        )
    assert caught.value.code == "isolation_unreachable"


@pytest.mark.exhaustive
def test_an_answer_ends_where_it_is_told_to(sdk: OpenAI) -> None:
    completion = sdk.chat.completions.create(
        model="local", messages=MESSAGES, temperature=0, max_tokens=20, stop=["Oslo"], seed=7, n=2, extra_body=MAIL
    )
    assert [choice.index for choice in completion.choices] == [0, 1]
    assert all("Oslo" not in (choice.message.content or "") for choice in completion.choices)
    assert {choice.finish_reason for choice in completion.choices} == {"stop"}


def test_a_response_is_right_whole(sdk: OpenAI) -> None:
    whole = sdk.responses.create(model="local", input=QUESTION, temperature=0, max_output_tokens=20, extra_body=MAIL)
    assert "Oslo" in whole.output_text
    assert whole.usage is not None
    assert 0 < whole.usage.output_tokens <= 20


@pytest.mark.exhaustive
def test_a_response_is_right_streamed(sdk: OpenAI) -> None:
    with sdk.responses.stream(
        model="local", input=QUESTION, temperature=0, max_output_tokens=60, text_format=Place, extra_body=MAIL
    ) as stream:
        final = stream.get_final_response()
    assert final.output_parsed == Place(city="Oslo")
