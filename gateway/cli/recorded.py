"""Where do recorded requests come from?

From a file with one JSON body a line, or from a running gateway that keeps its last ones.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import httpx
import orjson

from gateway.cli.requests import read_body, read_bytes, read_request
from gateway.cli.told import NO, UNREACHABLE, WRONG, CommandFailed
from gateway.configuration.secrets import Surroundings, resolve
from gateway.domain.errors import RequestError
from gateway.domain.jsonvalue import JsonObject
from gateway.domain.request import ClientRequest

TIMEOUT_S: Final = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Recorded:
    """One record: the request, or why it cannot be read."""

    where: str
    request: ClientRequest | None
    problem: str | None = None


def from_file(path: Path, *, dialect: str) -> Iterator[Recorded]:
    """One record for each line that is not blank.

    Raises:
        CommandFailed: there is no such file.
    """
    for number, line in enumerate(read_bytes(path).split(b"\n"), start=1):
        if line.strip():
            try:
                yield Recorded(where=f"line {number}", request=read_request(line.strip(), dialect=dialect))
            except RequestError as error:
                yield Recorded(where=f"line {number}", request=None, problem=error.message)


def from_gateway(url: str, *, key: str | None, dialect: str, surroundings: Surroundings) -> Iterator[Recorded]:
    """The last requests of a running gateway, oldest first.

    Raises:
        CommandFailed: it cannot be reached, or does not tell.
    """
    for number, record in enumerate(_ask(url, key, surroundings), start=1):
        body, named = record.get("body"), record.get("dialect")
        where = f"request {number}"
        try:
            if not isinstance(body, dict):
                yield Recorded(where=where, request=None, problem="the record holds no body")
                continue
            asked = named if dialect == "auto" and isinstance(named, str) else dialect
            yield Recorded(where=where, request=read_body(body, dialect=asked))
        except RequestError as error:
            yield Recorded(where=where, request=None, problem=error.message)


def _ask(url: str, key: str | None, surroundings: Surroundings) -> list[JsonObject]:
    headers: dict[str, str] = {}
    if key is not None:
        try:
            headers["authorization"] = f"Bearer {resolve(key, surroundings).reveal()}"
        except ValueError as error:
            raise CommandFailed(f"--api-key: {error}", code=WRONG) from error
    try:
        with httpx.Client(timeout=TIMEOUT_S, trust_env=False) as client:
            response = client.get(f"{url.rstrip('/')}/admin/recent", headers=headers)
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        message = f"no gateway answers at {url} ({type(error).__name__}); is it running, and is the address right?"
        raise CommandFailed(message, code=UNREACHABLE) from error
    match response.status_code:
        case 200:
            return _records(response.content)
        case 401:
            message = "the gateway asks for a key that it knows; put one into SPLITGATE_KEY, or name it with --api-key"
            raise CommandFailed(message, code=NO)
        case 403 | 404:
            message = "the gateway shows no requests; in its file, server.record_recent must be set, and the key "
            raise CommandFailed(message + "must have the role `admin`", code=NO)
        case status:
            raise CommandFailed(f"the gateway answered with status {status}; see its log", code=UNREACHABLE)


def _records(raw: bytes) -> list[JsonObject]:
    """The ``requests`` of the gateway's answer."""
    try:
        answer: JsonObject = orjson.loads(raw)
        records = answer["requests"]
    except (ValueError, KeyError, TypeError) as error:
        raise CommandFailed("what answers there is no Splitgate gateway; check --url", code=UNREACHABLE) from error
    return [record for record in records if isinstance(record, dict)] if isinstance(records, list) else []
