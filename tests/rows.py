"""How does a table of alike cases cost one test's overhead? A plugin of its own, which ``conftest.py`` loads.

``@pytest.mark.rows`` reads as ``parametrize`` does: arguments, values, ``ids``, and ``pytest.param`` for a row's own id.
Its rows run one after the other in one item, all of them whatever becomes of the others, and each failure names its row.
They share the item's fixtures, so it is for tests that leave nothing behind in them.
"""

import functools
import inspect
import itertools
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import pytest

# What a case is called, and its arguments.
Row = tuple[str, dict[str, Any]]
# What `pytest.raises` fails with is no Exception.
FAILURES = (Exception, pytest.fail.Exception)


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "rows(names, values, ids): like parametrize, with all rows in one test")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Have pytest take the names for arguments: their values come when the test runs."""
    for marker in metafunc.definition.iter_markers("rows"):
        names = _names(marker)
        metafunc.parametrize(names, [pytest.param(*[None] * len(names), id="rows")])


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if isinstance(item, pytest.Function) and item.get_closest_marker("rows"):
            tables = [_rows(marker) for marker in item.iter_markers("rows")]
            assert all(tables), f"{item.nodeid} has no rows"
            item.obj = _of_all(item.obj, tables)


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
    if isinstance(value, type(pytest.param())):
        assert not value.marks, "a row has no marks of its own: give what is marked a test of its own"
        held, told = value.values, str(value.id or told)
    else:
        held = value if len(names) > 1 else (value,)
    row = dict(zip(names, held, strict=True))
    return str(told) if told is not None else ", ".join(f"{one!r:.80}" for one in row.values()), row


def _of_all(test: Callable[..., Any], tables: list[list[Row]]) -> Callable[..., Any]:
    """The test of all rows; of several tables, of each with each."""
    rows = [_joined(rows) for rows in itertools.product(*tables)]
    if inspect.iscoroutinefunction(test):

        @functools.wraps(test)
        async def each_awaited(**given: Any) -> None:
            failures: list[BaseException] = []
            for name, row in rows:
                try:
                    await test(**given | row)
                except FAILURES as error:
                    failures.append(_named(error, name))
            _tell(failures)

        return each_awaited

    @functools.wraps(test)
    def each(**given: Any) -> None:
        failures: list[BaseException] = []
        for name, row in rows:
            try:
                test(**given | row)
            except FAILURES as error:
                failures.append(_named(error, name))
        _tell(failures)

    return each


def _joined(rows: Iterable[Row]) -> Row:
    whole: dict[str, Any] = {}
    names: list[str] = []
    for name, row in rows:
        names.append(name)
        whole |= row
    return "; ".join(names), whole


def _named(error: BaseException, name: str) -> BaseException:
    error.add_note(f"row: {name}")
    return error


def _tell(failures: list[BaseException]) -> None:
    if len(failures) == 1:
        raise failures[0]
    if failures:
        raise BaseExceptionGroup(f"{len(failures)} rows", failures)
