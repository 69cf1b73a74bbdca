"""With which settings does the gateway run?

The one door to the configuration: a file, or a built-in default with the embedded model.
"""

import hashlib
import os
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Final

from adapters.embedded.models import SPLIT, offers_split
from gateway.configuration.build import build, wrong_with_bind
from gateway.configuration.salvage import salvage
from gateway.configuration.schema import SHAPE
from gateway.configuration.secrets import Surroundings
from gateway.configuration.values import EmbeddedSettings, Server, Settings
from gateway.domain.identity import Key
from gateway.yamlfile.problems import Problem, refuse
from gateway.yamlfile.regular import read_regular
from gateway.yamlfile.report import Report
from gateway.yamlfile.source import MAX_BYTES, read_source
from gateway.yamlfile.validate import validate

__all__ = [
    "BUILT_IN",
    "EmbeddedSettings",
    "Key",
    "Server",
    "Settings",
    "load",
    "read_file",
    "read_snapshot",
    "with_bind",
]

BUILT_IN: Final = "built-in default"
_PLAIN: Final = "  local: {targets: [{provider: embedded}]}\n"
_SPLIT: Final = f"  local-split: {{targets: [{{provider: embedded, model: {SPLIT}, format: secalign}}]}}\n"


def load(path: Path | None, environ: Mapping[str, str], *, offline: bool = False, raw: bytes | None = None) -> Settings:
    """Read and check the configuration; ``None`` gives the built-in default.

    ``raw`` is what stood in the file when somebody else read it, and is read instead of what stands there now.
    ``offline`` checks only the form of references to credentials and reads none: such settings can call no model.

    Raises:
        ConfigError: all that is wrong with the file (``InvalidConfiguration.problems``), with lines and columns.
    """
    if path is None:
        file, raw, folder = BUILT_IN, built_in(with_split=offers_split()), Path()
    else:
        file, raw, folder = str(path), read_file(path) if raw is None else raw, path.parent
    source = read_source(file, raw)
    document, faults = validate(source, SHAPE)
    if document is None:
        document = salvage(source.value, [fault.loc for fault in faults])
    report = Report(source=source, faults=faults)
    if document is None:
        refuse(report.problems)
    surroundings = Surroundings(environ=environ, folder=folder, offline=offline)
    settings = build(document, report, surroundings)
    return replace(settings, digest=hashlib.sha256(raw).hexdigest(), mounted=tuple(surroundings.mounted))


def built_in(*, with_split: bool) -> bytes:
    """The built-in default, with the split model where its adapter is there."""
    return f"models:\n{_PLAIN}{_SPLIT if with_split else ''}".encode()


def with_bind(settings: Settings, host: str | None, port: int | None) -> Settings:
    """The same settings, listening elsewhere.

    Raises:
        ConfigError: the host is reachable from other machines, and callers are not asked who they are.
    """
    server = replace(
        settings.server,
        host=settings.server.host if host is None else host,
        port=settings.server.port if port is None else port,
    )
    wrong = wrong_with_bind(server.host, asks=settings.asks)
    if wrong is not None:
        refuse([Problem(file=settings.file, message=wrong)])
    return replace(settings, server=server)


def read_file(path: Path, *, again: bool = False) -> bytes:
    """What stands in the file; more than it may hold is cut off behind that, and refused by ``load``.

    ``again`` is for a process that serves already: at a start a pipe will do, which whoever starts it is to fill.

    Raises:
        ConfigError: it cannot be read.
    """
    try:
        if again:
            return read_regular(path, MAX_BYTES + 1)
        with path.open("rb") as file:
            return file.read(MAX_BYTES + 1)
    except OSError as error:
        message = f"cannot be read ({error.strerror}); name an existing file with --config"
        refuse([Problem(file=str(path), message=message)], cause=error)


def read_snapshot(descriptor: int | None) -> bytes | None:
    """What the supervisor read and checked, from a file that all its workers share; the descriptor is closed."""
    if descriptor is None:
        return None
    try:
        return os.pread(descriptor, MAX_BYTES + 1, 0)
    finally:
        os.close(descriptor)
