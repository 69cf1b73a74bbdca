import asyncio

import pytest

from benchmarks.answer import Answer
from benchmarks.payloads import ENDING_REQUEST
from benchmarks.upstream import ScriptedModel


async def _asked(model: str, filling: int = 0, piece: int = 1 << 20) -> tuple[int, int]:
    """Status, and how many tokens were answered, by a request that is sent ``piece`` bytes at a time."""
    streaming: set[ScriptedModel] = set()
    server = await asyncio.get_running_loop().create_server(lambda: ScriptedModel(streaming), "127.0.0.1", 0)
    reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
    body = b'{"model":"%b","text":"%b"}' % (model.encode(), b"." * filling)
    request = b"POST / HTTP/1.1\r\ncontent-length: %d\r\n\r\n%b" % (len(body), body)
    for at in range(0, len(request), piece):
        writer.write(request[at : at + piece])
        await writer.drain()
        await asyncio.sleep(0)
    answer, tokens = Answer(), 0
    while not answer.complete:
        tokens += len(answer.feed(await reader.read(65_536)))
    writer.close()
    server.close()
    return answer.status, tokens


@pytest.mark.rows
@pytest.mark.parametrize(("model", "tokens"), [("whole", 1), ("call", 1), ("stream-3-0", 3), ("call-4-1", 4)])
def test_the_models_name_says_what_is_answered(model: str, tokens: int) -> None:
    assert asyncio.run(_asked(model)) == (200, tokens)


@pytest.mark.parametrize("piece", [7, 1000])
def test_a_request_may_come_in_pieces(piece: int) -> None:
    assert asyncio.run(_asked("whole", filling=3000, piece=piece)) == (200, 1)


@pytest.mark.parametrize("model", ["another", "stream"])
def test_other_names_are_refused(model: str) -> None:
    assert asyncio.run(_asked(model)) == (400, 0)


def test_streams_can_be_ended_wherever_they_are() -> None:
    async def ended() -> tuple[int, bool]:
        streaming: set[ScriptedModel] = set()
        server = await asyncio.get_running_loop().create_server(lambda: ScriptedModel(streaming), "127.0.0.1", 0)
        address = server.sockets[0].getsockname()
        reader, writer = await asyncio.open_connection(*address)
        writer.write(b'POST / HTTP/1.1\r\ncontent-length: 28\r\n\r\n{"model":"stream-100-10000"}')
        answer, tokens = Answer(), 0
        while not tokens:
            tokens += len(answer.feed(await reader.read(65_536)))
        _, other = await asyncio.open_connection(*address)
        other.write(ENDING_REQUEST)
        while not answer.complete:
            tokens += len(answer.feed(await reader.read(65_536)))
        for one in (writer, other):
            one.close()
        server.close()
        return tokens, bool(streaming)

    assert asyncio.run(ended()) == (1, False)
