"""Anthropic's official SDK in front of the embedded model: a real answer, whole, streamed and as JSON."""

from collections.abc import AsyncIterator, Iterator
from typing import Any, Literal, Protocol, TypeAlias

import httpx2
import pytest
from anthropic import Anthropic, AsyncAnthropic, BadRequestError
from pydantic import BaseModel

pytestmark = [pytest.mark.embedded, pytest.mark.xdist_group("embedded")]

Json = dict[str, Any]
# The SDK's overloads cannot be chosen by arguments that stand in a dict.
Sdk: TypeAlias = Any


class Gateway(Protocol):
    @property
    def url(self) -> str: ...


MAIL: Json = {
    "type": "document",
    "title": "Opening hours",
    "source": {"type": "text", "media_type": "text/plain", "data": "Our office in Oslo opens at nine."},
}
ASKED: Json = {
    "model": "local",
    "max_tokens": 20,
    "messages": [{"role": "user", "content": [{"type": "text", "text": "Name the city in the text."}, MAIL]}],
}
COLD: Json = {"temperature": 0}


@pytest.fixture(scope="module")
def sdk(gateway: Gateway) -> Iterator[Sdk]:
    http = httpx2.Client(trust_env=False, timeout=60)
    with Anthropic(base_url=gateway.url, api_key="unused", http_client=http) as client:
        yield client


@pytest.fixture
async def async_sdk(gateway: Gateway) -> AsyncIterator[Sdk]:
    http = httpx2.AsyncClient(trust_env=False, timeout=60)
    async with AsyncAnthropic(base_url=gateway.url, api_key="unused", http_client=http) as client:
        yield client


def test_the_answer_is_right_and_says_how_the_data_was_kept_apart(sdk: Sdk) -> None:
    raw = sdk.messages.with_raw_response.create(**ASKED, extra_body={**COLD, "min_isolation": "wrapped"})
    assert raw.headers["x-splitgate-isolation"] == "wrapped"
    assert raw.headers["x-splitgate-format"] == "spotlight"
    message = raw.parse()
    assert "Oslo" in message.content[0].text
    assert message.stop_reason in {"end_turn", "max_tokens"}
    assert message.usage.output_tokens > 0


def test_a_streamed_answer_is_the_same(sdk: Sdk) -> None:
    with sdk.messages.stream(**ASKED, extra_body=COLD) as stream:
        text = "".join(stream.text_stream)
        final = stream.get_final_message()
    assert "Oslo" in text
    assert final.usage.input_tokens > 0
    assert final.usage.output_tokens > 0


@pytest.mark.exhaustive
async def test_the_async_client_streams_too(async_sdk: Sdk) -> None:
    async with async_sdk.messages.stream(**{**ASKED, "max_tokens": 8}, extra_body=COLD) as stream:
        assert "".join([text async for text in stream.text_stream])


class Place(BaseModel):
    city: Literal["Rome", "Oslo", "Paris"]


@pytest.mark.exhaustive
def test_an_answer_by_schema_is_parsed(sdk: Sdk) -> None:
    # Room enough for the JSON, blanks that a small model may put into it included.
    message = sdk.messages.parse(**{**ASKED, "max_tokens": 60}, output_format=Place, extra_body=COLD)
    assert message.parsed_output == Place(city="Oslo")


@pytest.mark.exhaustive
def test_an_answer_ends_where_it_is_told_to(sdk: Sdk) -> None:
    message = sdk.messages.create(**ASKED, stop_sequences=["Oslo"], extra_body=COLD)
    assert "Oslo" not in "".join([block.text for block in message.content])
    assert message.stop_reason in {"end_turn", "stop_sequence"}


def test_a_floor_above_the_embedded_models_reach_is_refused(sdk: Sdk) -> None:
    with pytest.raises(BadRequestError, match="isolation"):
        sdk.messages.create(**ASKED, extra_body={"min_isolation": "channel"})
