"""Does every call say where it may lead, and whom it believes there?

One that does not reaches public addresses alone, whatever was allowed, and believes the system's authorities.
"""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import adapters
import gateway

# It asks over a Unix socket and nothing else.
_BY_SOCKET = "gateway/embedded_health.py"


@pytest.fixture(scope="module")
def calls() -> list[tuple[str, set[str]]]:
    """Where ``UpstreamClient.request`` is called, and with which keywords."""
    return list(_calls())


def _calls() -> Iterator[tuple[str, set[str]]]:
    for package in (adapters, gateway):
        (root,) = package.__path__
        for file in sorted(Path(root).rglob("*.py")):
            for node in ast.walk(ast.parse(file.read_text())):
                if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "request":
                    names = {keyword.arg or "" for keyword in node.keywords}
                    if {"target", "timeouts"} <= names:
                        yield f"{package.__name__}/{file.relative_to(root)}", names


def test_every_call_of_an_upstream_says_where_it_may_lead(calls: list[tuple[str, set[str]]]) -> None:
    assert {
        "adapters/providers/_openai.py",
        "adapters/providers/_rendering.py",
        "adapters/providers/anthropic.py",
        "gateway/detectors/external/_call.py",
        "gateway/target_health.py",
        _BY_SOCKET,
    } <= {one for one, _ in calls}
    assert [where for where, names in calls if "addresses" not in names and where != _BY_SOCKET] == []


def test_every_call_of_a_target_says_whom_it_believes_there(calls: list[tuple[str, set[str]]]) -> None:
    # A classifier's address is no target's: it has no authorities of its own.
    others = {_BY_SOCKET, "gateway/detectors/external/_call.py"}
    assert [where for where, names in calls if "tls" not in names and where not in others] == []
