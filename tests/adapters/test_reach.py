import socket
import subprocess
import sys
from collections.abc import Iterator

import pytest

from adapters.reach import check
from gateway.domain.address import PUBLIC_ONLY, Addresses, OutOfReach

INSIDE = Addresses(networks=("10.2.0.0/16",))


@pytest.fixture
def inet() -> Iterator[socket.socket]:
    with socket.socket(socket.AF_INET) as one:
        yield one


@pytest.mark.parametrize(
    ("address", "allowed"),
    [
        (("8.8.8.8", 443), PUBLIC_ONLY),
        (("2606:4700::1111", 443, 0, 0), PUBLIC_ONLY),
        (("10.2.3.4", 443), INSIDE),
        (("127.0.0.1", 443), Addresses(private=True)),
    ],
)
def test_what_an_entry_allows_is_reached(inet: socket.socket, address: object, allowed: Addresses) -> None:
    check(inet, address, allowed)


@pytest.mark.parametrize(
    ("address", "allowed"),
    [
        (("127.0.0.1", 443), PUBLIC_ONLY),
        (("10.3.3.4", 443), INSIDE),
        (("169.254.169.254", 80), Addresses(private=True)),
        (("::ffff:10.3.3.4", 443, 0, 0), INSIDE),
        (("fe80::1%eth0", 443, 0, 0), Addresses(private=True)),
        # The system would look these up where nobody sees it.
        (("localhost", 443), Addresses(private=True)),
        (("", 443), Addresses(private=True)),
        ((), Addresses(private=True)),
        ("/run/planted.sock", Addresses(private=True)),
    ],
)
def test_nothing_else_is(inet: socket.socket, address: object, allowed: Addresses) -> None:
    with pytest.raises(OutOfReach) as caught:
        check(inet, address, allowed)
    assert "planted" not in str(caught.value)


def test_no_socket_of_another_family_is() -> None:
    with socket.socket(socket.AF_UNIX) as one, pytest.raises(OutOfReach):
        check(one, ("8.8.8.8", 443), PUBLIC_ONLY)


# In a process of its own: the guard cannot be taken down again.
TRIED = """
import asyncio, socket
from adapters.litellm.gate import Passage, passing, reach
from adapters.reach import guard
from gateway.domain.address import Addresses

listener = socket.create_server(("127.0.0.1", 0))
port = listener.getsockname()[1]
guard(reach)

async def connect():
    try:
        _, writer = await asyncio.open_connection("localhost", port, family=socket.AF_INET)
    except OSError as error:
        return type(error).__name__
    writer.close()
    return "reached"

async def child():
    return await asyncio.create_task(connect())

def blocking():
    try:
        socket.create_connection(("127.0.0.1", port)).close()
    except OSError as error:
        return type(error).__name__
    return "reached"

async def main():
    print(await child(), await asyncio.to_thread(blocking))
    with passing(Passage(check=lambda body: None, addresses=Addresses(networks=("127.0.0.1/32",)))):
        print(await child(), await asyncio.to_thread(blocking))
    with passing(Passage(check=lambda body: None)):
        print(await child(), await asyncio.to_thread(blocking))

asyncio.run(main())
"""


def test_the_guard_sees_every_connection_and_knows_for_which_call_it_is_made() -> None:
    ran = subprocess.run([sys.executable, "-c", TRIED], capture_output=True, text=True, check=True, timeout=60)
    assert ran.stdout.splitlines() == ["OutOfReach OutOfReach", "reached reached", "OutOfReach OutOfReach"]
