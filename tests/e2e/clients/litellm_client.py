"""The ``litellm`` SDK as a client: ``openai/`` over chat completions, ``anthropic/`` with ``messages``."""

import asyncio
import json
import os
import sys

os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"

import litellm

# Made up, in the form of an access key: the gateway's policy blocks it.
KEY = "Use " + "AKIA" + "QX7ZK2M4N6P3R5T7"
IMAGE = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNkYPhfDwAChwGA60e6kgAAAABJRU5ErkJggg=="
PIXEL = f"data:image/png;base64,{IMAGE}"
WEATHER = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "description": "Weather of a city.",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
    },
}


def failure(call) -> dict:
    try:
        call()
    except Exception as error:  # noqa: BLE001 -- whatever it is, it is printed
        return {"kind": type(error).__name__, "told": str(error)}
    return {"kind": "nothing"}


def main(url: str, dialect: str) -> dict:
    vendor, base = ("anthropic", url) if dialect == "messages" else ("openai", f"{url}/v1")

    def arguments(name: str, messages: list, **more) -> dict:
        return {
            "model": f"{vendor}/{name}",
            "api_base": base,
            "api_key": "unused",
            "messages": messages,
            "num_retries": 0,
        } | more

    def ask(name: str, messages: list, **more):
        return litellm.completion(**arguments(name, messages, **more))

    question = [
        {"role": "system", "content": "Answer briefly."},
        {"role": "user", "content": "Is it warmer in Oslo or in Rome?"},
    ]
    seen = {}
    seen["text"] = ask("envelope", question).choices[0].message.content
    chunks = list(ask("envelope", question, stream=True))
    seen["stream"] = [piece for chunk in chunks if (piece := chunk.choices[0].delta.content)]
    seen["async"] = asyncio.run(litellm.acompletion(**arguments("envelope", question))).choices[0].message.content
    tools = [{"role": "user", "content": "TOOLS: weather in Oslo?"}]
    called = ask("envelope", tools, tools=[WEATHER]).choices[0].message
    seen["calls"] = [[call.function.name, json.loads(call.function.arguments)] for call in called.tool_calls]
    results = [{"role": "tool", "tool_call_id": call.id, "content": "21 degrees in Oslo"} for call in called.tool_calls]
    history = [*tools, called.model_dump(exclude_none=True), *results]
    seen["tools"] = ask("envelope", history, tools=[WEATHER]).choices[0].message.content
    streamed = litellm.stream_chunk_builder(list(ask("envelope", tools, tools=[WEATHER], stream=True)), messages=tools)
    seen["streamed_calls"] = [
        [call.function.name, json.loads(call.function.arguments)] for call in streamed.choices[0].message.tool_calls
    ]
    image = [{"type": "text", "text": "What is this?"}, {"type": "image_url", "image_url": {"url": PIXEL}}]
    seen["image"] = ask("plain", [{"role": "user", "content": image}]).choices[0].message.content
    seen["error"] = failure(lambda: ask("no-such-model", question))
    seen["block"] = failure(lambda: ask("envelope", [{"role": "user", "content": KEY}]))
    if dialect != "messages":
        vectors = litellm.embedding(model="openai/embedder", api_base=base, api_key="unused", input=["a", "b"])
        seen["embeddings"] = [one["embedding"] for one in vectors.data]
    return seen


if __name__ == "__main__":
    print(json.dumps(main(sys.argv[1], sys.argv[2] if len(sys.argv) > 2 else "chat")))
