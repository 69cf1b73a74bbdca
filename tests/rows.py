"""How does a table of alike cases cost one test's overhead? A plugin of its own, which ``conftest.py`` loads.

``@pytest.mark.rows`` above ``parametrize`` runs the cases one after the other in one item (one for those of each mark),
all of them whatever becomes of the others, and each failure names its row. They share the item's fixtures, so it is for
tests that leave nothing behind in them; what has a method ``renew`` is asked to be as new before each row.
"""

import functools
import inspect
import itertools
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import pytest

# What `pytest.raises` fails with is no Exception.
FAILURES = (Exception, pytest.fail.Exception)


@dataclass(frozen=True, kw_only=True)
class Row:
    """A case: what it is called, its arguments, its marks."""

    name: str
    given: dict[str, Any]
    marks: tuple[pytest.Mark | pytest.MarkDecorator, ...] = ()

    @property
    def kind(self) -> str:
        return "-".join(["rows", *(mark.name for mark in self.marks)])


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "rows: the cases of parametrize run as one test")


@pytest.hookimpl(tryfirst=True)
def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Have pytest make one test of each table: its values come when the test runs."""
    definition = metafunc.definition
    if definition.get_closest_marker("rows") is None:
        return
    tables = _tables(definition)
    assert tables, f"{definition.nodeid} has no rows"
    definition.own_markers[:] = [marker for marker in definition.own_markers if marker not in tables]
    for marker in tables:
        names, kinds = _names(marker), {row.kind: row.marks for row in _rows(marker)}
        tests = [pytest.param(*[kind] * len(names), id=kind, marks=marks) for kind, marks in kinds.items()]
        metafunc.parametrize(names, tests)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if isinstance(item, pytest.Function) and item.get_closest_marker("rows"):
            given = item.callspec.params
            tables = [
                [row for row in _rows(marker) if row.kind == given[_names(marker)[0]]] for marker in _tables(item)
            ]
            item.obj = _of_all(item.obj, tables)


def _tables(node: pytest.Item) -> list[pytest.Mark]:
    return [marker for marker in node.own_markers if marker.name == "parametrize" and not marker.kwargs.get("indirect")]


def _names(marker: pytest.Mark) -> list[str]:
    names: str | Sequence[str] = marker.args[0]
    return [name.strip() for name in names.split(",")] if isinstance(names, str) else list(names)


def _rows(marker: pytest.Mark) -> list[Row]:
    names = _names(marker)
    values: list[Any] = list(marker.args[1])
    ids = marker.kwargs.get("ids") or [None] * len(values)
    told: list[Any] = [ids(value) for value in values] if callable(ids) else list(ids)
    assert len(told) == len(values), f"{len(told)} ids for {len(values)} rows"
    return [_row(names, value, name) for value, name in zip(values, told, strict=True)]


def _row(names: list[str], value: Any, told: str | None) -> Row:
    marks: tuple[pytest.Mark | pytest.MarkDecorator, ...] = ()
    if isinstance(value, type(pytest.param())):
        marks = tuple(value.marks)
        held, told = value.values, str(value.id or told or "") or None
    else:
        held = value if len(names) > 1 else (value,)
    given = dict(zip(names, held, strict=True))
    return Row(name=told or ", ".join(f"{one!r:.80}" for one in given.values()), given=given, marks=marks)


def _of_all(test: Callable[..., Any], tables: list[list[Row]]) -> Callable[..., Any]:
    """The test of all rows; of several tables, of each with each."""
    rows = [_joined(rows) for rows in itertools.product(*tables)]
    if inspect.iscoroutinefunction(test):

        @functools.wraps(test)
        async def each_awaited(**given: Any) -> None:
            failures: list[BaseException] = []
            for row in rows:
                try:
                    _renew(given)
                    await test(**given | row.given)
                except FAILURES as error:
                    failures.append(_named(error, row.name))
            _tell(failures)

        return each_awaited

    @functools.wraps(test)
    def each(**given: Any) -> None:
        failures: list[BaseException] = []
        for row in rows:
            try:
                _renew(given)
                test(**given | row.given)
            except FAILURES as error:
                failures.append(_named(error, row.name))
        _tell(failures)

    return each


def _joined(rows: Iterable[Row]) -> Row:
    whole: dict[str, Any] = {}
    names: list[str] = []
    for row in rows:
        names.append(row.name)
        whole |= row.given
    return Row(name="; ".join(names), given=whole)


def _renew(given: dict[str, Any]) -> None:
    for held in given.values():
        renew = getattr(held, "renew", None)
        if renew is not None:
            renew()


def _named(error: BaseException, name: str) -> BaseException:
    error.add_note(f"row: {name}")
    return error


def _tell(failures: list[BaseException]) -> None:
    if len(failures) == 1:
        raise failures[0]
    if failures:
        raise BaseExceptionGroup(f"{len(failures)} rows", failures)
