"""Does the gateway answer as it should? The image's health check, and the test pod of the chart.

``health.py [URL=STATUS…]`` asks each URL and is content if each answers with its status; a name that leads to many
addresses, as that of a headless Service does, is asked at all of them. Without any URL it asks whether the gateway in
the same container lives: ``SPLITGATE_HEALTH`` says where, if not at the usual port. Nothing of an answer but its status
is looked at, and no redirect or proxy followed.
"""

import http.client
import os
import socket
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Final
from urllib.parse import SplitResult, urlsplit

_USUAL: Final = "http://127.0.0.1:9464/healthz=200"
_WAIT_S: Final = 4.0


def addresses(host: str, port: int) -> list[str]:
    """Every address of ``host``, each once.

    Raises:
        OSError: there is none.
    """
    return sorted({str(found[4][0]) for found in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)})


def itself(host: str, _: int) -> list[str]:
    """The name as it is: one address of it will do."""
    return [host]


def wrong_with(asked: str, whom: Callable[[str, int], list[str]]) -> str | None:
    """What is wrong, if anything; ``asked`` is ``http://HOST[:PORT]/PATH=STATUS``, and ``whom`` says who is asked."""
    url, _, status = asked.rpartition("=")
    parts = urlsplit(url)
    if parts.scheme != "http" or not parts.hostname or not status.isdecimal():
        return f"{asked} is not http://HOST[:PORT]/PATH=STATUS"
    port = parts.port or http.client.HTTP_PORT
    try:
        found = {_status(host, port, parts) for host in whom(parts.hostname, port)} - {int(status)}
    except (OSError, http.client.HTTPException) as error:
        return f"{url} does not answer ({type(error).__name__})"
    return f"{url} answers {min(found)} and not {status}" if found else None


def _status(host: str, port: int, parts: SplitResult) -> int:
    connection = http.client.HTTPConnection(host, port, timeout=_WAIT_S)
    try:
        connection.request("GET", parts.path or "/", headers={"host": parts.netloc})
        return connection.getresponse().status
    finally:
        connection.close()


def main(arguments: Sequence[str], environ: Mapping[str, str]) -> int:
    """0 if all answered as they should; otherwise 1, and what is wrong on stderr."""
    asked, whom = arguments or [environ.get("SPLITGATE_HEALTH") or _USUAL], addresses if arguments else itself
    wrong = [told for one in asked if (told := wrong_with(one, whom)) is not None]
    sys.stderr.write("".join(f"{told}\n" for told in wrong))
    return int(bool(wrong))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:], os.environ))
