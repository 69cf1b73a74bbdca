"""LangChain's ``ChatOpenAI`` over chat completions, or with ``responses`` over the Responses API."""

import asyncio
import json
import sys

from langchain_core.messages import HumanMessage, SystemMessage, ToolMessage
from langchain_core.tools import tool
from langchain_openai import ChatOpenAI

# Made up, in the form of an access key: the gateway's policy blocks it.
KEY = "Use " + "AKIA" + "QX7ZK2M4N6P3R5T7"
IMAGE = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNkYPhfDwAChwGA60e6kgAAAABJRU5ErkJggg=="
PIXEL = f"data:image/png;base64,{IMAGE}"


@tool
def get_weather(city: str) -> str:
    """Weather of a city."""
    return f"21 degrees in {city}"


def text_of(message) -> str:
    return message.text if isinstance(message.text, str) else message.text()


def failure(call) -> dict:
    try:
        call()
    except Exception as error:  # noqa: BLE001 -- whatever it is, it is printed
        return {"kind": type(error).__name__, "told": str(error)}
    return {"kind": "nothing"}


def main(url: str, responses: bool) -> dict:
    def model(name: str, **more) -> ChatOpenAI:
        return ChatOpenAI(base_url=f"{url}/v1", api_key="unused", model=name, use_responses_api=responses, **more)

    seen = {}
    ask = [SystemMessage("Answer briefly."), HumanMessage("Is it warmer in Oslo or in Rome?")]
    seen["text"] = text_of(model("envelope").invoke(ask))
    seen["stream"] = [piece for chunk in model("envelope").stream(ask) if (piece := text_of(chunk))]

    async def asynchronous() -> str:
        return "".join([text_of(chunk) async for chunk in model("envelope").astream(ask)])

    seen["async"] = asyncio.run(asynchronous())
    agent = model("envelope").bind_tools([get_weather])
    called = agent.invoke([HumanMessage("TOOLS: weather in Oslo?")])
    seen["calls"] = [[call["name"], call["args"]] for call in called.tool_calls]
    results = [ToolMessage(get_weather.invoke(call["args"]), tool_call_id=call["id"]) for call in called.tool_calls]
    seen["tools"] = text_of(agent.invoke([HumanMessage("TOOLS: weather in Oslo?"), called, *results]))
    streamed = None
    for chunk in agent.stream([HumanMessage("TOOLS: weather in Oslo?")]):
        streamed = chunk if streamed is None else streamed + chunk
    seen["streamed_calls"] = [[call["name"], call["args"]] for call in streamed.tool_calls]
    image = [{"type": "text", "text": "What is this?"}, {"type": "image_url", "image_url": {"url": PIXEL}}]
    seen["image"] = text_of(model("plain").invoke([HumanMessage(image)]))
    seen["error"] = failure(lambda: model("no-such-model").invoke(ask))
    seen["block"] = failure(lambda: model("envelope").invoke([HumanMessage(KEY)]))
    return seen


if __name__ == "__main__":
    print(json.dumps(main(sys.argv[1], "responses" in sys.argv[2:])))
