"""LlamaIndex's ``OpenAI``; with ``responses`` its ``OpenAIResponses``, with ``messages`` its ``Anthropic``."""

import asyncio
import json
import sys

from llama_index.core.base.llms.types import ChatMessage, ImageBlock, LLMMetadata, MessageRole, TextBlock
from llama_index.core.tools import FunctionTool
from llama_index.llms.anthropic import Anthropic
from llama_index.llms.openai import OpenAI, OpenAIResponses

# Made up, in the form of an access key: the gateway's policy blocks it.
KEY = "Use " + "AKIA" + "QX7ZK2M4N6P3R5T7"
PIXEL = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNkYPhfDwAChwGA60e6kgAAAABJRU5ErkJggg=="


def get_weather(city: str) -> str:
    """Weather of a city."""
    return f"21 degrees in {city}"


class Anyone:
    """These clients know which models there are: those that are asked for here are none of them."""

    @property
    def metadata(self):
        return LLMMetadata(
            context_window=8192,
            num_output=100,
            is_chat_model=True,
            is_function_calling_model=True,
            model_name=self.model,
        )


class AnyOpenAI(Anyone, OpenAI):
    pass


class AnyResponses(Anyone, OpenAIResponses):
    pass


class AnyAnthropic(Anyone, Anthropic):
    pass


def failure(call) -> dict:
    try:
        call()
    except Exception as error:  # noqa: BLE001 -- whatever it is, it is printed
        return {"kind": type(error).__name__, "told": str(error)}
    return {"kind": "nothing"}


def main(url: str, dialect: str) -> dict:
    def model(name: str):
        match dialect:
            case "messages":
                return AnyAnthropic(model=name, base_url=url, api_key="unused", max_tokens=100)
            case "responses":
                return AnyResponses(model=name, api_base=f"{url}/v1", api_key="unused")
            case _:
                return AnyOpenAI(model=name, api_base=f"{url}/v1", api_key="unused")

    def user(text: str) -> ChatMessage:
        return ChatMessage(role=MessageRole.USER, content=text)

    seen = {}
    ask = [ChatMessage(role=MessageRole.SYSTEM, content="Answer briefly."), user("Is it warmer in Oslo or in Rome?")]
    seen["text"] = model("envelope").chat(ask).message.content
    seen["stream"] = [chunk.delta for chunk in model("envelope").stream_chat(ask) if chunk.delta]
    seen["async"] = asyncio.run(model("envelope").achat(ask)).message.content
    weather = FunctionTool.from_defaults(get_weather)
    called = model("envelope").chat_with_tools([weather], user_msg="TOOLS: weather in Oslo?")
    calls = model("envelope").get_tool_calls_from_response(called)
    seen["calls"] = [[call.tool_name, call.tool_kwargs] for call in calls]
    history = [user("TOOLS: weather in Oslo?"), called.message]
    history += [
        ChatMessage(
            role=MessageRole.TOOL,
            content=get_weather(**call.tool_kwargs),
            additional_kwargs={"tool_call_id": call.tool_id},
        )
        for call in calls
    ]
    seen["tools"] = model("envelope").chat_with_tools([weather], chat_history=history).message.content
    blocks = [TextBlock(text="What is this?"), ImageBlock(image=PIXEL, image_mimetype="image/png")]
    seen["image"] = model("plain").chat([ChatMessage(role=MessageRole.USER, blocks=blocks)]).message.content
    seen["error"] = failure(lambda: model("no-such-model").chat(ask))
    seen["block"] = failure(lambda: model("envelope").chat([user(KEY)]))
    return seen


if __name__ == "__main__":
    print(json.dumps(main(sys.argv[1], sys.argv[2] if len(sys.argv) > 2 else "chat")))
