"""Which policy files does a person mean?

A bare name of a shipped pack is the pack; anything else is a path. Nothing named: the files of the configuration.
"""

import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from gateway.activation.sources import PolicyFile, Sources
from gateway.cli.requests import read_bytes
from gateway.cli.told import WRONG, CommandFailed, say
from gateway.cli.where import config_path
from gateway.configuration.packs import PACKS, POLICY, shipped
from gateway.settings import load

# A policy has them even where it is broken otherwise.
_KEYS: Final = (b"apiVersion", b"spec")
_SUFFIXES: Final = frozenset({".yaml", ".yml"})


def policy_files(names: Sequence[str], config: Path | None) -> tuple[PolicyFile, ...]:
    """The files as they are now; none stands there twice.

    Raises:
        CommandFailed: a name is none of a pack, a file or a folder with policies, or a file cannot be read.
        ConfigError: nothing is named, and the configuration's files cannot be read.
    """
    if not names:
        return Sources(load(config_path(config), os.environ, offline=True).policies).read()
    paths = dict.fromkeys(path for name in names for path in _paths(name))
    return tuple(PolicyFile(file=_shown(path), raw=read_bytes(path)) for path in paths)


def _paths(name: str) -> Iterator[Path]:
    packs = shipped()
    path = Path(name)
    if name in packs:
        yield PACKS / name / POLICY
    elif path.is_dir():
        inside = [one for one in _yaml_below(path) if _looks_like_a_policy(one)]
        if not inside:
            raise CommandFailed(f"{name} holds no policy file (*.yaml or *.yml); name another folder", code=WRONG)
        yield from inside
    elif name == "-" or path.exists():
        yield path
    else:
        message = f"there is no file, folder or shipped pack {name}; the packs are {', '.join(packs)}"
        raise CommandFailed(message, code=WRONG)


def _yaml_below(folder: Path) -> list[Path]:
    found = (one.relative_to(folder) for one in folder.rglob("*") if one.suffix in _SUFFIXES and one.is_file())
    return sorted(folder / one for one in found if not any(part.startswith(".") for part in one.parts))


def _looks_like_a_policy(path: Path) -> bool:
    """Whether it has any of a policy's own keys; other YAML in a folder is left out, and that is said."""
    if any(key in read_bytes(path) for key in _KEYS):
        return True
    say(f"note: {path} is no policy and was left out")
    return False


def _shown(path: Path) -> str:
    return "<stdin>" if str(path) == "-" else str(path)
