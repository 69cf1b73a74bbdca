import asyncio

from aiohttp.client_proto import ResponseHandler

from adapters.transport._aiohttp_connection import connection_like


async def test_aiohttps_own_connections_are_used_where_they_are_others_than_known() -> None:
    class Another(ResponseHandler):
        def __getattribute__(self, name: str) -> object:
            if name == "_buffer_paused":
                raise AttributeError(name)
            return super().__getattribute__(name)

    loop = asyncio.get_running_loop()
    assert connection_like(Another, loop) is Another
    assert connection_like(ResponseHandler, loop) is not ResponseHandler
