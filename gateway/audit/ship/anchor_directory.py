"""How is a checkpoint kept in a folder of another owner's?

One file each, made exclusively and never overwritten. One of which a crash left but the beginning is completed.
"""

from contextlib import suppress
from pathlib import Path

from gateway.audit.opening import read_whole
from gateway.audit.ship.anchor import Anchored, Forked
from gateway.audit.ship.blocking import Blocking
from gateway.audit.ship.failure import Disputed
from gateway.audit.ship.flushing import append, make_folders


class DirectoryAnchor:
    """Keeps checkpoints below ``root``, which must be there."""

    def __init__(self, root: Path, timeout_s: float) -> None:
        self._root = root
        self._blocking = Blocking(timeout_s)

    async def keep(self, what: Anchored) -> None:
        await self._blocking.do(lambda: self._keep(what))

    async def close(self) -> None:
        self._blocking.close()

    def _keep(self, what: Anchored) -> None:
        path = self._root.joinpath(*what.names)
        make_folders(self._root, path.parent)
        with suppress(Disputed):
            append(path, 0, what.note)
        if what.contradicts(read_whole(path)):
            raise Forked
