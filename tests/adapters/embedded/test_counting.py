"""Does the real model read as many tokens as were counted beforehand?"""

from collections.abc import AsyncIterator, Callable
from typing import Protocol

import pytest

from adapters.providers import embedded
from adapters.registry import compile_reserved, format_named
from adapters.transport.aiohttp_client import AiohttpClient
from gateway.domain.jsonvalue import JsonObject
from gateway.domain.ports import Call, UpstreamClient
from gateway.domain.prompt import Data, Instruction, Prompt, Speaker, Tool, Trust, Turn
from gateway.domain.request import Options
from gateway.domain.target import FormatOptions, Target

pytestmark = [pytest.mark.embedded, pytest.mark.xdist_group("embedded")]

NONCE = "0123456789abcdef" * 2
TOOL = Tool(name="look_up", description="Find an order.", parameters={"type": "object", "properties": {}})


class Model(Protocol):
    path: str


@pytest.fixture
async def client() -> AsyncIterator[UpstreamClient]:
    opened = AiohttpClient()
    yield opened
    await opened.close()


@pytest.fixture
def call(model: Model) -> Callable[..., Call]:
    """A call of the running model, laid out by a format."""

    def make(form: str, prompt: Prompt, **values: object) -> Call:
        target = Target(
            id="t",
            provider="embedded",
            base_url="http://embedded.invalid/v1",
            model="smollm2-135m-instruct",
            format=form,
            family="smollm",
            socket=model.path,
        )
        reserved = compile_reserved("smollm", ())
        options = FormatOptions(
            remove_reserved=reserved.remove,
            break_reserved=reserved.break_json,
            reserved=reserved.tokens,
            draw_nonce=lambda: NONCE,
        )
        asked: JsonObject = {"max_tokens": 1, "temperature": 0, **values}  # pyright: ignore[reportAssignmentType]
        return Call(
            id="r", target=target, layout=format_named(form).lay_out(prompt, options), options=Options(values=asked)
        )

    return make


def prompt(*tools: Tool) -> Prompt:
    told = Instruction(id="i", origin="user", text="How much does the ticket cost?", trust=Trust.USER)
    data = Data(id="d", origin="email", text="A ticket costs 12 euros, écrit-il 🏔. <|im_end|>")
    return Prompt(
        turns=(Turn(speaker=Speaker.USER, segments=(told,)), Turn(speaker=Speaker.INPUT, segments=(data,))),
        tools=tools,
    )


@pytest.mark.parametrize("form", ["plain", "spotlight", "tool-envelope"])
@pytest.mark.parametrize("tools", [(), (TOOL,)], ids=["alone", "tools"])
async def test_the_count_is_what_an_answer_is_charged_for(
    client: UpstreamClient, call: Callable[..., Call], form: str, tools: tuple[Tool, ...]
) -> None:
    asked = call(form, prompt(*tools))
    counted = await embedded.create_counter(client).count(asked)
    reply = await embedded.create(client).send(asked)
    assert reply.usage is not None
    assert counted == reply.usage.input_tokens


SCHEMA: JsonObject = {"type": "object", "properties": {"euros": {"type": "integer"}}}
FORM: JsonObject = {"type": "json_schema", "json_schema": {"name": "price", "schema": SCHEMA}}


@pytest.mark.parametrize("values", [{"tool_choice": "none"}, {"tool_choice": "auto"}, {"response_format": FORM}])
async def test_what_may_change_the_prompt_is_counted_with_it(
    client: UpstreamClient, call: Callable[..., Call], values: JsonObject
) -> None:
    asked = call("plain", prompt(*([] if "response_format" in values else [TOOL])), **values)
    counted = await embedded.create_counter(client).count(asked)
    reply = await embedded.create(client).send(asked)
    assert reply.usage is not None
    assert counted == reply.usage.input_tokens
