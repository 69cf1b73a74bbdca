"""Which worker runs which test, and how often is garbage looked for? A plugin of its own, which ``conftest.py`` loads.

The rule: whoever starts a process starts it once. A file is run by one worker, since its fixtures cost more than its
tests, and so are the files that share one of the session's gateways.
"""

import gc
from collections.abc import Collection
from pathlib import Path
from typing import Any

import pytest
from xdist.scheduler import LoadGroupScheduling  # pyright: ignore[reportMissingTypeStubs]
from xdist.workermanage import WorkerController  # pyright: ignore[reportMissingTypeStubs]

# The session's gateways, and the group of those that use them. The first has the embedded model behind it.
_SHARED = {"gateway": "embedded", "staged_gateway": "staged", "keyed_gateway": "staged"}


def pytest_configure() -> None:
    """Collecting makes a million objects that stay: looking through them time and again is a third of what it takes."""
    gc.disable()


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Group what one worker is to run; tests that wait for gateways come first, so that none of them is left alone."""
    shared: dict[Path, str] = {}
    for item in items:
        names: Collection[str] = getattr(item, "fixturenames", ())
        for name, group in _SHARED.items():
            # A file may have one of its own by that name.
            if name in names and not hasattr(getattr(item, "module", None), name):
                shared.setdefault(item.path, group)
    for item in items:
        if item.get_closest_marker("xdist_group") is None:
            group = shared.get(item.path, f"{item.path.parent.name}.{item.path.stem}")
            item.add_marker(pytest.mark.xdist_group(group))
    if config.getoption("loadgroup", default=False):
        for item in items:
            _tell_group(item)
    items.sort(key=lambda item: item.path.parent.name != "e2e")


def _tell_group(item: pytest.Item) -> None:
    """Have the item named with its group, which is all that xdist's scheduler gets to know of it.

    xdist 3.8 means to do so itself, but writes where pytest 9.2 no longer reads (pytest-xdist's issue 1386).
    """
    marker = item.get_closest_marker("xdist_group")
    assert marker is not None
    named = item._id  # pyright: ignore[reportPrivateUsage]
    item._id = type(named).parse(f"{named}@{marker.args[0]}")  # pyright: ignore[reportPrivateUsage]


def pytest_collection_finish() -> None:
    """What is there by now need not be looked at again."""
    gc.freeze()
    gc.enable()


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> LoadGroupScheduling | None:
    return _Groups(config, log) if config.getoption("dist") == "loadgroup" else None


class _Groups(LoadGroupScheduling):
    """Counts what a worker has left in the groups that it has not done: xdist counts through all it ever had."""

    def _split_scope(self, nodeid: str) -> str:
        group = super()._split_scope(nodeid)
        assert group != nodeid, f"xdist is not told which group {nodeid} is of: its workers share no gateway this way"
        return group

    def mark_test_complete(self, node: WorkerController, item_index: int, duration: float = 0) -> None:
        super().mark_test_complete(node, item_index, duration)
        given = self.assigned_work[node]
        scope = self._split_scope(self.registered_collections[node][item_index])
        if all(given[scope].values()):
            del given[scope]
