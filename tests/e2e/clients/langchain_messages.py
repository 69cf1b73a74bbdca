"""LangChain's ``ChatAnthropic`` over the Messages API."""

import json
import sys

from langchain_anthropic import ChatAnthropic
from langchain_core.messages import HumanMessage, SystemMessage, ToolMessage
from langchain_core.tools import tool

# Made up, in the form of an access key: the gateway's policy blocks it.
KEY = "Use " + "AKIA" + "QX7ZK2M4N6P3R5T7"
PIXEL = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNkYPhfDwAChwGA60e6kgAAAABJRU5ErkJggg=="


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


def main(url: str) -> dict:
    def model(name: str) -> ChatAnthropic:
        return ChatAnthropic(base_url=url, api_key="unused", model=name, max_tokens=100)

    seen = {}
    ask = [SystemMessage("Answer briefly."), HumanMessage("Is it warmer in Oslo or in Rome?")]
    seen["text"] = text_of(model("envelope").invoke(ask))
    seen["stream"] = [piece for chunk in model("envelope").stream(ask) if (piece := text_of(chunk))]
    agent = model("envelope").bind_tools([get_weather])
    called = agent.invoke([HumanMessage("TOOLS: weather in Oslo?")])
    seen["calls"] = [[call["name"], call["args"]] for call in called.tool_calls]
    results = [ToolMessage(get_weather.invoke(call["args"]), tool_call_id=call["id"]) for call in called.tool_calls]
    seen["tools"] = text_of(agent.invoke([HumanMessage("TOOLS: weather in Oslo?"), called, *results]))
    streamed = None
    for chunk in agent.stream([HumanMessage("TOOLS: weather in Oslo?")]):
        streamed = chunk if streamed is None else streamed + chunk
    seen["streamed_calls"] = [[call["name"], call["args"]] for call in streamed.tool_calls]
    source = {"type": "base64", "media_type": "image/png", "data": PIXEL}
    image = [{"type": "text", "text": "What is this?"}, {"type": "image", "source": source}]
    seen["image"] = text_of(model("plain").invoke([HumanMessage(image)]))
    seen["error"] = failure(lambda: model("no-such-model").invoke(ask))
    seen["block"] = failure(lambda: model("envelope").invoke([HumanMessage(KEY)]))
    return seen


if __name__ == "__main__":
    print(json.dumps(main(sys.argv[1])))
