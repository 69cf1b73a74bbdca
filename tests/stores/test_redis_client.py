"""How a real server is reached: users, TLS, clusters, and files that change meanwhile."""

import asyncio
import os
import re
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from redis.exceptions import NoPermissionError, RedisError

from gateway.configuration.secrets import Surroundings, resolve
from gateway.domain.quota import Bucket, InProgress, Measure, Portion, Sliding
from gateway.domain.target import Secret
from gateway.stores._redis_failure import reason_of
from gateway.stores._redis_message import Change, Message, Place, Wish, answers_of
from gateway.stores.redis_client import RedisAddress, RedisClient, TlsFiles

NOTHING = Wish(holder="h", wanted=())
# What docs/redis.md says that the user needs.
ACL = (
    "reset on >planted-password resetchannels ~{gate}:* -@all +evalsha +eval +time +hget +hmget +hset +hdel +pexpire "
    "+zadd +zrem +zcount +zremrangebyscore"
)
REFUSED = "it refuses the user or the password, or the user may not do what is needed"
IN_A_CLUSTER = "+cluster|slots +command"

Proxy = Callable[..., AbstractAsyncContextManager[Any]]


@asynccontextmanager
async def _connected(port: int, host: str = "127.0.0.1", **more: Any) -> AsyncGenerator[RedisClient]:
    client = RedisClient(RedisAddress(host=host, port=port, **more))
    try:
        yield client
    finally:
        await client.close()


async def _works(client: RedisClient) -> bool:
    """Whether the script runs and writes."""
    message = Message("gate", lease_s=30.0)
    message.take(NOTHING)
    async with asyncio.timeout(10):
        return len(answers_of(await client.run(message.keys or ["{gate}:k"], message.argument), 1)) == 1


async def _reason(client: RedisClient) -> str:
    return await _reason_of(_works(client))


async def _reason_of(call: Awaitable[object]) -> str:
    with pytest.raises(Exception) as caught:  # noqa: PT011  which one is redis-py's business
        await call
    assert isinstance(caught.value, Exception)
    return reason_of(caught.value)


async def test_the_script_is_sent_once_and_again_when_it_was_forgotten(redis: Any) -> None:
    redis.say("SCRIPT", "FLUSH")
    redis.say("CONFIG", "RESETSTAT")
    async with _connected(redis.port) as client:
        for _ in range(3):
            assert await _works(client)
        redis.say("SCRIPT", "FLUSH")
        assert await _works(client)
    stats = redis.say("INFO", "commandstats")
    assert "cmdstat_evalsha:calls=4" in stats
    assert "cmdstat_eval:calls=2" in stats


async def test_nothing_but_the_password_and_the_script_is_ever_said(start_redis: Callable[..., Any]) -> None:
    server = start_redis()
    server.say("ACL", "SETUSER", "gate", *ACL.split(), "+select")
    server.say("CONFIG", "RESETSTAT")
    async with _connected(server.port, username="gate", password=lambda: Secret("planted-password"), db=2) as client:
        assert await _works(client)
    said = re.findall(r"cmdstat_([a-z|]+):", server.say("INFO", "commandstats"))
    assert sorted(said) == ["auth", "config|resetstat", "eval", "evalsha", "quit", "select", "time"]


async def test_a_user_who_may_do_no_more_than_is_written_is_enough(redis: Any) -> None:
    assert "+OK" in redis.say("ACL", "SETUSER", "gate", *ACL.split())
    try:
        async with _connected(redis.port, username="gate", password=lambda: Secret("planted-password")) as client:
            assert await _works(client)
            await _write_everything(client)
            with pytest.raises(NoPermissionError):
                await client.run(["elsewhere"], b"{}")
    finally:
        redis.say("ACL", "DELUSER", "gate")


async def _write_everything(client: RedisClient) -> None:
    """Have the script run each command that it knows."""
    minute = Bucket(rule="m", subject="s", measure=Measure.TOKENS, window=Sliding(seconds=60), limit=9)
    places = Bucket(rule="c", subject="s", measure=Measure.CONCURRENT, window=InProgress(), limit=9)
    message = Message("gate", lease_s=30.0)
    message.change([Change(bucket=minute, period=2**50, amount=1)])
    message.free([Place(bucket=places, holder="gone", amount=1)])
    message.keep([Place(bucket=places, holder="kept", amount=1)], only_known=True)
    message.take(Wish(holder="h", wanted=(Portion(bucket=minute, amount=1), Portion(bucket=places, amount=1))))
    await client.run(message.keys, message.argument)


@pytest.mark.parametrize("left_out", ACL.split()[6:])
async def test_each_word_of_the_acl_is_needed(redis: Any, left_out: str) -> None:
    words = [word for word in ACL.split() if word != left_out]
    redis.say("SCRIPT", "FLUSH")
    redis.say("ACL", "SETUSER", "gate", *words)
    try:
        async with _connected(redis.port, username="gate", password=lambda: Secret("planted-password")) as client:
            assert await _reason_of(_write_everything(client)) == REFUSED
    finally:
        redis.say("ACL", "DELUSER", "gate")


@pytest.mark.parametrize(
    "password",
    [lambda: Secret("wrong"), None, lambda: resolve("file:none", Surroundings(environ={}, folder=Path("/")))],
    ids=["wrong", "none", "missing"],
)
async def test_who_is_not_let_in_is_told_why_and_leaves_no_connection_behind(
    start_redis: Callable[..., Any], password: Callable[[], Secret] | None
) -> None:
    server = start_redis(requirepass="planted-password")
    async with _connected(server.port, password=password) as client:
        for _ in range(3):
            assert await _reason(client) == REFUSED


async def test_a_password_that_changes_is_read_with_the_next_connection(
    start_redis: Callable[..., Any], between: Proxy, tmp_path: Path
) -> None:
    server = start_redis(requirepass="one")
    file = tmp_path / "password"
    file.write_text("one")
    async with (
        between(server.port) as way,
        _connected(way.port, password=lambda: Secret(file.read_text())) as client,
    ):
        assert await _works(client)
        await _set_password(server.port, "one", "two")
        assert await _works(client), "a connection that was let in stays"
        file.write_text("two")
        way.cut()
        await asyncio.sleep(0.05)
        assert await _works(client)
        file.write_text("three")
        way.cut()
        await asyncio.sleep(0.05)
        assert await _reason(client) == REFUSED


async def _set_password(port: int, old: str, new: str) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(f"AUTH {old}\r\nCONFIG SET requirepass {new}\r\nQUIT\r\n".encode())
    assert (await reader.read()).count(b"+OK") == 3
    writer.close()
    await writer.wait_closed()


async def test_tls_with_a_certificate_of_ones_own(redis: Any, between: Proxy, certificates: Any) -> None:
    files = TlsFiles(ca=certificates.ca, cert=certificates.client)
    async with between(redis.port, certificates.server_context(asks=True)) as way:
        for host in ("localhost", "127.0.0.1"):
            async with _connected(way.port, host, tls=files) as client:
                assert await _works(client)


@pytest.mark.parametrize("what", ["another authority", "no certificate", "a certificate of another authority"])
async def test_tls_that_cannot_be_trusted_is_none(
    redis: Any, between: Proxy, certificates: Any, other_certificates: Any, what: str
) -> None:
    files = {
        "another authority": TlsFiles(ca=other_certificates.ca, cert=certificates.client),
        "no certificate": TlsFiles(ca=certificates.ca),
        "a certificate of another authority": TlsFiles(ca=certificates.ca, cert=other_certificates.client),
    }[what]
    async with (
        between(redis.port, certificates.server_context(asks=True)) as way,
        _connected(way.port, "localhost", tls=files) as client,
    ):
        assert await _reason(client)


async def test_a_host_of_another_name_is_not_trusted(redis: Any, between: Proxy, certificates: Any) -> None:
    files = TlsFiles(ca=certificates.ca)
    async with (
        between(redis.port, certificates.server_context()) as way,
        _connected(way.port, "127.0.0.2", tls=files) as client,
    ):
        reason = await _reason(client)
    assert "certificates" in reason or "no connection" in reason


async def test_certificates_that_change_are_read_with_the_next_connection(
    redis: Any, between: Proxy, certificates: Any, other_certificates: Any, tmp_path: Path
) -> None:
    ca, cert = tmp_path / "ca.pem", tmp_path / "cert.pem"
    ca.write_bytes(other_certificates.ca.read_bytes())
    cert.write_bytes(other_certificates.client.read_bytes())
    async with (
        between(redis.port, certificates.server_context(asks=True)) as way,
        _connected(way.port, "localhost", tls=TlsFiles(ca=ca, cert=cert)) as client,
    ):
        assert "certificates" in await _reason(client)
        for file, new in ((ca, certificates.ca), (cert, certificates.client)):
            draft = tmp_path / "draft"
            draft.write_bytes(new.read_bytes())
            os.replace(draft, file)  # noqa: PTH105
        assert await _works(client)


@pytest.mark.parametrize("tls", [False, True])
async def test_a_cluster_is_spoken_to_as_one(
    redis_cluster: Any, between: Proxy, certificates: Any, *, tls: bool
) -> None:
    redis_cluster.say("ACL", "SETUSER", "gate", *ACL.split(), *IN_A_CLUSTER.split())
    async with between(redis_cluster.port, certificates.server_context(asks=True) if tls else None) as way:
        redis_cluster.say("CONFIG", "SET", "cluster-announce-port", str(way.port))
        redis_cluster.say("CONFIG", "SET", "cluster-announce-ip", "127.0.0.1")
        async with _connected(
            way.port,
            "localhost",
            cluster=True,
            username="gate",
            password=lambda: Secret("planted-password"),
            tls=TlsFiles(ca=certificates.ca, cert=certificates.client) if tls else None,
        ) as client:
            assert await _works(client)
            await _write_everything(client)
            redis_cluster.say("SCRIPT", "FLUSH")
            assert await _works(client)
            way.cut()
            assert await _reason(client)
            assert await _works(client), "it finds the cluster again by itself"


@pytest.mark.parametrize("left_out", IN_A_CLUSTER.split())
async def test_in_a_cluster_two_words_more_are_needed(redis_cluster: Any, left_out: str) -> None:
    words = [word for word in (*ACL.split(), *IN_A_CLUSTER.split()) if word != left_out]
    redis_cluster.say("ACL", "SETUSER", "gate", *words)
    password = Secret("planted-password")
    async with _connected(redis_cluster.port, cluster=True, username="gate", password=lambda: password) as client:
        assert await _reason(client)


async def test_a_cluster_cannot_send_anybody_to_where_no_redis_is(redis_cluster: Any) -> None:
    redis_cluster.say("CONFIG", "SET", "cluster-announce-ip", "169.254.169.254")
    async with _connected(redis_cluster.port, cluster=True) as client:
        assert "an address that no Redis has" in await _reason(client)


async def test_a_server_that_is_no_cluster_is_told_of(redis: Any) -> None:
    async with _connected(redis.port, cluster=True) as client:
        assert "no cluster" in await _reason(client)


@pytest.mark.rows
@pytest.mark.parametrize("host", ["169.254.169.254", "0.0.0.0", "127.1"])  # noqa: S104
async def test_no_connection_is_made_to_where_no_redis_is(host: str) -> None:
    async with _connected(6379, host) as client:
        assert "an address that no Redis has" in await _reason(client)


async def test_a_call_that_is_given_up_leaves_no_connection_that_another_one_would_take(
    redis: Any, between: Proxy
) -> None:
    async with between(redis.port) as way, _connected(way.port) as client:
        assert await _works(client)
        way.fault, way.delay_s = "delay", 0.1
        for _ in range(5):
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.01):
                    await _works(client)
        way.fault = "none"
        assert await _works(client)
        # The one that was given up before its password came, too.
        for wait_s in (0.0, 0.0005, 0.001, 0.002, 0.004):
            way.cut()
            with suppress(TimeoutError, RedisError):
                async with asyncio.timeout(wait_s):
                    await _works(client)
            assert await _works(client)


@pytest.mark.parametrize("cluster", [False, True])
async def test_a_text_that_is_longer_than_any_of_a_redis_is_not_waited_for(cluster: bool) -> None:
    sent: list[bytes] = []

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        sent.append(await reader.read(1))
        with suppress(OSError):
            writer.write(b"$%d\r\n" % 10**12)
            # Whoever waited for it would keep all of this.
            while True:
                writer.write(b"x" * 2**16)
                await writer.drain()

    async with (
        await asyncio.start_server(answer, "127.0.0.1", 0) as server,
        _connected(server.sockets[0].getsockname()[1], cluster=cluster) as client,
        asyncio.timeout(10),
    ):
        reason = await _reason_of(client.run(["{k}"], b"{}"))
    assert sent
    assert reason in ("what it answers is not its protocol", "it is no cluster, or not all of the cluster is there")
