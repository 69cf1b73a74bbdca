"""Does every call say where it may lead, and whom it believes there?

One that does not reaches public addresses alone, whatever was allowed, and believes the system's authorities.
"""

import ast
from collections.abc import Iterator
from pathlib import Path

import adapters
import gateway

# It asks over a Unix socket and nothing else.
_BY_SOCKET = "gateway/embedded_health.py"


def calls_of_clients() -> Iterator[tuple[str, set[str]]]:
    """Where ``UpstreamClient.request`` is called, and with which keywords."""
    for package in (adapters, gateway):
        (root,) = package.__path__
        for file in sorted(Path(root).rglob("*.py")):
            for node in ast.walk(ast.parse(file.read_text())):
                if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "request":
                    names = {keyword.arg or "" for keyword in node.keywords}
                    if {"target", "timeouts"} <= names:
                        yield f"{package.__name__}/{file.relative_to(root)}", names


def test_every_call_of_an_upstream_says_where_it_may_lead() -> None:
    found = list(calls_of_clients())
    assert {
        "adapters/providers/_openai.py",
        "adapters/providers/_rendering.py",
        "adapters/providers/anthropic.py",
        "gateway/detectors/external/_call.py",
        "gateway/target_health.py",
        _BY_SOCKET,
    } <= {one for one, _ in found}
    assert [where for where, names in found if "addresses" not in names and where != _BY_SOCKET] == []


def test_every_call_of_a_target_says_whom_it_believes_there() -> None:
    # A classifier's address is no target's: it has no authorities of its own.
    others = {_BY_SOCKET, "gateway/detectors/external/_call.py"}
    assert [where for where, names in calls_of_clients() if "tls" not in names and where not in others] == []
