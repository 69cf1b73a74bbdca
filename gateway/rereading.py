"""What has become of the configuration file while the gateway runs?

The supervisor asks on SIGHUP, and with ``server.watch`` when the file is another one or was written. The bytes that are
found good here are the very bytes that workers get: whatever stands in the file by then, and however often it changes,
all of them run the same. What a running supervisor cannot change is told by name.
"""

import os
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from gateway.domain.errors import ConfigError
from gateway.settings import Settings, load, read_file, with_bind
from gateway.supervisor.config import Change, SupervisorConfig
from gateway.yamlfile.problems import InvalidConfiguration, Problem, refuse


class Rereading:
    """Looks at the file at ``path``. ``host`` and ``port`` are those of the command line, if any were given there."""

    def __init__(
        self,
        path: Path,
        environ: Mapping[str, str],
        *,
        host: str | None,
        port: int | None,
        plan: Callable[[Settings, bytes], SupervisorConfig],
    ) -> None:
        self._path = path
        self._environ = environ
        self._host = host
        self._port = port
        self._plan = plan
        # Taken before the file is read: whatever comes after it is looked at once more.
        self._looked = self._seen = _mark(path)
        self._raw = read_file(path)
        # As the file has it: where the gateway listens may be said elsewhere.
        self._file = load(path, environ, raw=self._raw)
        self._first = self._file
        self.settings = with_bind(self._file, host, port)
        self._found: tuple[bytes, Settings] | None = None

    def first(self) -> SupervisorConfig:
        """What to start with."""
        return self._plan(self.settings, self._raw)

    @property
    def watched(self) -> bool:
        """Whether the configuration in force wants its file to be watched."""
        return self.settings.server.watch

    def stirred(self) -> bool:
        """Whether the file is another one than at the last look, and was the same when this was asked before.

        Who writes it in place may be half done; the second time in a row it is believed.
        """
        before, self._seen = self._seen, _mark(self._path)
        return before == self._seen != self._looked

    def look(self) -> Change:
        """Read and check what stands there now."""
        self._looked = _mark(self._path)
        try:
            raw = read_file(self._path, again=True)
            file = load(self._path, self._environ, raw=raw)
            config = self._plan(self._bound(file), raw)
        except ConfigError as error:
            return Change(said=(_refused(error),), usable=False)
        except Exception as error:  # noqa: BLE001 - whatever it is, those that serve must go on
            why = f"it cannot be checked ({type(error).__name__})"
            return Change(
                said=(f"the configuration is not taken up, everything goes on as it was: {why}",), usable=False
            )
        if raw == self._raw and _fixed(file) == _fixed(self._file):
            return Change()
        self._found = (raw, file)
        return Change(said=tuple(self._told(file)), config=config)

    def settle(self, *, taken: bool) -> None:
        """Remember what is in force."""
        if taken and self._found is not None:
            self._raw, self._file = self._found
            self.settings = self._bound(self._file)
        self._found = None

    def _bound(self, file: Settings) -> Settings:
        """The settings with the address that is really listened on: whoever may come there must be asked for a key."""
        if (file.server.tls is None) != (self._first.server.tls is None):
            message = "`server.tls` cannot be added or taken away in a running gateway; restart it"
            refuse([Problem(file=str(self._path), message=message)])
        return with_bind(file, self.settings.server.host, self.settings.server.port)

    def _told(self, file: Settings) -> Iterator[str]:
        yield f"the configuration has changed (sha256:{file.digest}): giving it to the workers one by one"
        waiting = [name for name, before, now in _of_the_supervisor(self._first, file) if before != now]
        if self._host is not None:
            waiting = [name for name in waiting if name != "server.host"]
        if self._port is not None:
            waiting = [name for name in waiting if name != "server.port"]
        if waiting:
            yield f"needs a restart, and stays as it was until then: {', '.join(waiting)}"
        yield from (f"WARNING {warning}" for warning in file.warnings)


def _mark(path: Path) -> tuple[str, int, int, int, int] | None:
    """What tells a file from another one and from what it was; links are followed. None where it cannot be told."""
    try:
        found = path.stat()
        return (os.path.realpath(path), found.st_dev, found.st_ino, found.st_size, found.st_ctime_ns)
    except OSError:
        return None


def _of_the_supervisor(before: Settings, now: Settings) -> Iterator[tuple[str, object, object]]:
    """What the supervisor itself was started with and cannot change."""
    yield "server.host", before.server.host, now.server.host
    yield "server.port", before.server.port, now.server.port
    metrics, others = before.telemetry.metrics, now.telemetry.metrics
    yield "telemetry.metrics.enabled", metrics.enabled, others.enabled
    yield "telemetry.metrics.host", metrics.host, others.host
    yield "telemetry.metrics.port", metrics.port, others.port


def _fixed(settings: Settings) -> tuple[object, ...]:
    """What no worker reads anew while it runs, though it stands in files of its own."""
    master = settings.audit.master_key
    keys = tuple([key.reveal() for key in settings.audit.signing_keys])
    cards = tuple([target.card for model in settings.models.values() for target in model.targets])
    return (keys, None if master is None else master.reveal(), cards)


def _refused(error: ConfigError) -> str:
    kept = "the configuration is not taken up, everything goes on as it was"
    if not isinstance(error, InvalidConfiguration):
        return f"{kept}: {error.message}"
    first, *others = error.problems
    more = f" (and {len(others)} more: `splitgate check` tells them all)" if others else ""
    return f"{kept}: {first.where}: {first.message}{more}"
