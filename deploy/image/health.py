"""Does the gateway answer as it should? The image's health check, and the test pod of the chart.

``health.py [URL=STATUS…]`` asks each URL and is content if each answers with its status. Without any it asks whether
the gateway in the same container lives: ``SPLITGATE_HEALTH`` says where, if not at the usual port. Nothing of an answer
but its status is looked at, and no redirect or proxy followed.
"""

import http.client
import os
import sys
from collections.abc import Mapping, Sequence
from typing import Final
from urllib.parse import urlsplit

_USUAL: Final = "http://127.0.0.1:9464/healthz=200"
_WAIT_S: Final = 4.0


def wrong_with(asked: str) -> str | None:
    """What is wrong, if anything; ``asked`` is ``http://HOST[:PORT]/PATH=STATUS``."""
    url, _, status = asked.rpartition("=")
    parts = urlsplit(url)
    if parts.scheme != "http" or not parts.hostname or not status.isdecimal():
        return f"{asked} is not http://HOST[:PORT]/PATH=STATUS"
    connection = http.client.HTTPConnection(parts.hostname, parts.port, timeout=_WAIT_S)
    try:
        connection.request("GET", parts.path or "/")
        found = connection.getresponse().status
    except (OSError, http.client.HTTPException) as error:
        return f"{url} does not answer ({type(error).__name__})"
    finally:
        connection.close()
    return None if found == int(status) else f"{url} answers {found} and not {status}"


def main(arguments: Sequence[str], environ: Mapping[str, str]) -> int:
    """0 if all answered as they should; otherwise 1, and what is wrong on stderr."""
    asked = arguments or [environ.get("SPLITGATE_HEALTH") or _USUAL]
    wrong = [told for one in asked if (told := wrong_with(one)) is not None]
    sys.stderr.write("".join(f"{told}\n" for told in wrong))
    return int(bool(wrong))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:], os.environ))
