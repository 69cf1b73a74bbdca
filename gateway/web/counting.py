"""How is it served how many tokens a request takes?

Such a request goes the way of one for an answer, laid out as that would be, so that the number fits what it would cost;
and so that whoever may not ask may not count either.
"""

from gateway.dialects.registry import CountingDialect
from gateway.domain.operation import Operation
from gateway.pipeline.handle import count
from gateway.web.door import Asked, said


class Counting:
    """``Serving`` for counts in one dialect."""

    operation = Operation.COUNT

    def __init__(self, dialect: CountingDialect) -> None:
        self._dialect = dialect
        self.name = dialect.NAME
        self.read = dialect.read_count
        self.error_body = dialect.error_body

    async def answer(self, asked: Asked) -> None:
        """Have the tokens counted, and write the number."""
        trail = asked.trail
        counted = await count(
            asked.request, asked.caller, trail.request_id, asked.services, trail=trail, tab=asked.tab, run=asked.run
        )
        asked.tell(counted.handling)
        content = self._dialect.write_count(counted.tokens)
        trail.told.count(counted.tokens, counted.handling)
        await trail.end(200)
        await asked.response.whole(200, b"application/json", content, said(counted.handling))
