"""How are vectors served?"""

from gateway.dialects.registry import EmbeddingDialect
from gateway.domain.operation import Operation
from gateway.pipeline.handle import embed
from gateway.pipeline.run import runner_for
from gateway.web.door import Asked, said

# Bytes that a number of a vector takes, more or less, when it is written.
_NUMBER = 8


class Embedding:
    """``Serving`` for vectors in one dialect."""

    operation = Operation.EMBED

    def __init__(self, dialect: EmbeddingDialect) -> None:
        self._dialect = dialect
        self.name = dialect.NAME
        self.read = dialect.read
        self.error_body = dialect.error_body

    async def answer(self, asked: Asked) -> None:
        """Have the vectors made, and write them."""
        trail = asked.trail
        embedded = await embed(
            asked.request, asked.caller, trail.request_id, asked.services, trail=trail, tab=asked.tab, run=asked.run
        )
        made, handling = embedded.embeddings, embedded.handling
        asked.tell(handling)
        # A short text may well have a long vector: what was read says little of how much is to be written.
        run = runner_for(len(made.vectors) * made.dimensions * _NUMBER)
        content = await run(self._dialect.write, made, handling)
        trail.told.embeddings(made, handling)
        await trail.end(200)
        await asked.response.whole(200, b"application/json", content, said(handling))
