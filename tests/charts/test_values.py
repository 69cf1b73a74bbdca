"""Do the values, their schema and the chart's README say the same, and does each value do something?"""

import copy
import hashlib
import json
import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeAlias

import pytest
import yaml

Json: TypeAlias = dict[str, Any]
Rendered: TypeAlias = Callable[..., tuple[list[Json], str]]

CHART = Path(__file__).parents[2] / "charts" / "splitgate"
SCHEMA: Json = json.loads((CHART / "values.schema.json").read_text())
DEFAULTS: Json = yaml.safe_load((CHART / "values.yaml").read_text())
FILES = sorted((CHART / "ci").glob("*.yaml"))

Path_: TypeAlias = tuple[str, ...]
PEER = {"$ref": "#/definitions/peer"}


def resolved(schema: Json) -> Json:
    name = schema.get("$ref", "").removeprefix("#/definitions/")
    return SCHEMA["definitions"][name] if name else schema


def leaves(schema: Json, at: Path_ = ()) -> Iterator[Path_]:
    """Every key that the schema knows; what stands in a list counts without its number, and peers as a whole."""
    if schema.get("items") == PEER:
        yield at
        return
    schema = resolved(schema)
    if "items" in schema and "properties" in resolved(schema["items"]):
        yield from leaves(schema["items"], at)
    elif "properties" in schema:
        for name, inner in schema["properties"].items():
            yield from leaves(inner, (*at, name))
    else:
        yield at


def closed(schema: Json, at: Path_ = ()) -> Iterator[Path_]:
    """Mappings of the schema that take any key."""
    schema = resolved(schema)
    if schema.get("type") == "object":
        if schema.get("additionalProperties") is not False:
            yield at
        for name, inner in schema.get("properties", {}).items():
            yield from closed(inner, (*at, name))
    if "items" in schema:
        yield from closed(schema["items"], at)


def given(values: Any, at: Path_ = ()) -> Iterator[Path_]:
    """Every key that a values file gives, in the same manner, down to what the schema lists."""
    if at in LEAVES:
        yield at
    elif isinstance(values, dict):
        for name, inner in values.items():  # pyright: ignore[reportUnknownVariableType]
            yield from given(inner, (*at, str(name)))  # pyright: ignore[reportUnknownArgumentType]
    elif isinstance(values, list):
        for inner in values:  # pyright: ignore[reportUnknownVariableType]
            yield from given(inner, at)


def lists(values: Any, at: Path_ = ()) -> Iterator[Path_]:
    if isinstance(values, list):
        yield at
    elif isinstance(values, dict):
        for name, inner in values.items():  # pyright: ignore[reportUnknownVariableType]
            yield from lists(inner, (*at, str(name)))  # pyright: ignore[reportUnknownArgumentType]


DEFAULTS_LISTS = set(lists(DEFAULTS))
LEAVES = set(leaves(SCHEMA))
# What the chart does not know: the gateway's configuration, what Kubernetes gives names to, what a parent chart says.
FREE = {
    "affinity", "configuration", "global", "ingress.annotations", "monitoring.dashboard.labels",
    "monitoring.rules.labels", "monitoring.serviceMonitor.labels", "nodeSelector", "podAnnotations", "podLabels",
    "resources.limits", "resources.requests", "service.annotations",
}  # fmt: skip


def test_the_schema_takes_no_key_that_it_does_not_know() -> None:
    free = {".".join(at) for at in closed(SCHEMA)}
    labels = {at for at in free if at.endswith("matchLabels")}
    assert free - labels == FREE


def test_every_value_has_a_default_and_every_default_is_a_value() -> None:
    shown = set(given(DEFAULTS))
    # What stands in lists has none.
    in_lists = {at for at in LEAVES if DEFAULTS_LISTS & {at[:end] for end in range(1, len(at) + 1)}}
    assert shown - in_lists == LEAVES - in_lists - {("global",)}


def test_every_value_stands_in_a_file_that_is_rendered_and_checked() -> None:
    shown = {at for file in FILES for at in given(yaml.safe_load(file.read_text()))}
    # The last is what a parent chart says to all of its charts.
    assert LEAVES - shown == {("global",)}


def test_every_manner_of_peer_stands_in_one_too() -> None:
    text = "".join(file.read_text() for file in FILES)
    named = {f"{name}:" for at in leaves(PEER) for name in at}
    assert named == {"ipBlock:", "cidr:", "except:", "podSelector:", "namespaceSelector:", "matchLabels:"}
    assert all(name in text for name in named)


def test_no_key_of_the_files_that_the_chart_carries_can_be_guessed() -> None:
    """Whoever copies one of them would let in everybody who guesses."""
    text = "".join(file.read_text() for file in FILES)
    digests = set(re.findall(r"sha256: ([0-9a-f]{64})", text))
    guesses = ["", *map(str, range(20_000)), *map(chr, range(128)), "hi", "key", "secret", "test", "password", "123456"]
    assert digests
    assert not digests & {hashlib.sha256(guess.encode()).hexdigest() for guess in guesses}


def without(values: Any, path: Path_) -> Any:
    """The values less one key, wherever in lists it stands."""
    if isinstance(values, list):
        return [without(one, path) for one in values]  # pyright: ignore[reportUnknownVariableType]
    if len(path) == 1:
        return {name: inner for name, inner in values.items() if name != path[0]}
    name, *rest = path
    return {**values, name: without(values[name], tuple(rest))} if name in values else values


@pytest.mark.exhaustive
@pytest.mark.parametrize("path", sorted(LEAVES - {("global",)}), ids=".".join)
def test_every_value_changes_what_is_rendered_or_whether(rendered: Rendered, path: Path_) -> None:
    changed = False
    for file in FILES:
        values = yaml.safe_load(file.read_text())
        if path not in set(given(values)):
            continue
        changed |= rendered(copy.deepcopy(values)) != rendered(without(values, path))
    assert changed


@pytest.mark.exhaustive
def test_another_chart_may_bring_it_along(rendered: Rendered, tmp_path: Path) -> None:
    parent = tmp_path / "platform"
    shutil.copytree(CHART, parent / "charts" / "splitgate")
    (parent / "Chart.yaml").write_text("{apiVersion: v2, name: platform, version: 1.0.0}\n")
    values = yaml.safe_load((CHART / "ci" / "deployment.yaml").read_text())
    found, said = rendered({"splitgate": values, "global": {"region": "eu"}}, chart=parent)
    assert found, said
