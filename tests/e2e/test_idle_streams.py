"""Many streams at once in which nothing happens for long: each has its own, all end whole, and memory is bounded."""

import asyncio
import json
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import urlsplit

import pytest

Json = dict[str, Any]


class Gateway(Protocol):
    @property
    def url(self) -> str: ...
    @property
    def process(self) -> Any: ...


# What a stream may take of a worker's memory, the client's and the upstream's connection in it.
MOST_BYTES = 100_000
PATIENCE_S = 120.0
HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
BODY = json.dumps(
    {"model": "m", "messages": [{"role": "user", "content": "Summarise."}], "data": "d", "stream": True}
).encode()


def event(delta: Json, finish: str | None = None) -> bytes:
    choice = {"index": 0, "delta": delta, "finish_reason": finish}
    told = {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "m", "choices": [choice]}
    return b"data: " + json.dumps(told).encode() + b"\n\n"


def coded(*pieces: bytes) -> bytes:
    return b"".join(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in pieces)


class Upstream:
    """Begins every stream, and ends all of them when it is told to."""

    def __init__(self) -> None:
        self.begun = 0
        self.go_on = asyncio.Event()
        self.port = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).lower()
        await reader.readexactly(int(head.partition(b"content-length: ")[2].partition(b"\r\n")[0]))
        number = self.begun = self.begun + 1
        writer.write(HEAD + coded(event({"role": "assistant", "content": f"begin-{number} "})))
        await self.go_on.wait()
        last = event({"content": f"end-{number}"}), event({}, "stop"), b"data: [DONE]\n\n"
        writer.write(coded(*last) + b"0\r\n\r\n")
        await writer.drain()
        writer.close()


@asynccontextmanager
async def upstream() -> AsyncGenerator[Upstream]:
    made = Upstream()
    server = await asyncio.start_server(made.serve, "127.0.0.1", 0, backlog=4096)
    made.port = server.sockets[0].getsockname()[1]
    yield made
    server.close()


async def ask(url: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    where = urlsplit(url)
    reader, writer = await asyncio.open_connection(where.hostname, where.port)
    head = "POST /v1/chat/completions HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: application/json\r\n"
    writer.write(f"{head}content-length: {len(BODY)}\r\nconnection: close\r\n\r\n".encode() + BODY)
    await asyncio.wait_for(reader.readuntil(b"begin-"), PATIENCE_S)
    return reader, writer


def memory_of(gateway: Gateway) -> int:
    """Resident bytes of the one worker."""
    pid = gateway.process.pid
    (worker,) = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    status = Path(f"/proc/{worker}/status").read_text()
    return 1024 * int(status.partition("VmRSS:")[2].split()[0])


async def ended(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
    """Whether it came to its end, and was one stream from beginning to end."""
    told = await asyncio.wait_for(reader.read(), PATIENCE_S)
    writer.close()
    number = told.partition(b" ")[0]
    return b"end-" + number + b'"' in told and told.endswith(b"data: [DONE]\n\n\r\n0\r\n\r\n")


async def hold(run_gateway: Callable[..., Gateway], count: int) -> None:
    async with upstream() as model:
        target = f'provider: openai_compatible, base_url: "http://127.0.0.1:{model.port}/v1", model: m'
        gateway = await asyncio.to_thread(
            run_gateway,
            f"audit: {{deadline_s: 20}}\nmodels: {{m: {{targets: [{{{target}, format: tool-envelope}}]}}}}\n",
        )
        # The first ones fill what is made once.
        streams = [await ask(gateway.url) for _ in range(20)]
        before = memory_of(gateway)
        for _ in range(0, count, 50):
            streams += await asyncio.gather(*(ask(gateway.url) for _ in range(50)))
        each = (memory_of(gateway) - before) / count
        print(f"\n{count} idle streams: {each / 1024:.1f} KiB each, {memory_of(gateway) / 2**20:.0f} MiB in all")  # noqa: T201
        assert model.begun == len(streams)
        assert each < MOST_BYTES
        model.go_on.set()
        assert all(await asyncio.gather(*(ended(*stream) for stream in streams)))


async def test_a_hundred_idle_streams_take_little_memory_and_end_whole(run_gateway: Callable[..., Gateway]) -> None:
    await hold(run_gateway, 100)


@pytest.mark.exhaustive
@pytest.mark.timeout(600)
async def test_two_thousand_idle_streams_take_little_memory_and_end_whole(run_gateway: Callable[..., Gateway]) -> None:
    await hold(run_gateway, 2000)
