"""How is a checkpoint kept in a bucket of an S3-compatible store?

Each is an object that is never overwritten; where there is one of its name the two are compared. A bucket whose objects
are locked needs nobody's trust.
"""

from gateway.audit.ship.anchor import Anchored, Forked
from gateway.audit.ship.s3_store import Bucket, S3Store


class S3Anchor:
    """Keeps checkpoints in a bucket."""

    def __init__(self, bucket: Bucket) -> None:
        self._store = S3Store(bucket)

    async def keep(self, what: Anchored) -> None:
        kept = await self._store.put("/".join(what.names), what.note, "text/plain; charset=utf-8")
        if kept is not None and what.contradicts(kept):
            raise Forked

    async def close(self) -> None:
        await self._store.close()
