"""How is an answer of a model served, whole, held for an approver or as a stream?"""

from contextlib import aclosing
from typing import Final

from gateway.dialects.registry import Dialect, StreamWriter
from gateway.domain.exchange import Judged
from gateway.domain.operation import Operation
from gateway.pipeline.answer import Answered, Held, Streaming
from gateway.pipeline.handle import handle
from gateway.web.door import Asked, said
from gateway.web.verdicts import tell

JSON: Final = b"application/json"


class Generating:
    """``Serving`` for answers in one dialect."""

    operation = Operation.CHAT

    def __init__(self, dialect: Dialect) -> None:
        self._dialect = dialect
        self.name = dialect.NAME
        self.read = dialect.read
        self.error_body = dialect.error_body

    async def answer(self, asked: Asked) -> None:
        """Have the request answered, and write what comes of it."""
        trail, response = asked.trail, asked.response
        outcome = await handle(
            asked.request, asked.caller, trail.request_id, asked.services, trail=trail, tab=asked.tab, run=asked.run
        )
        match outcome:
            case Answered():
                asked.tell(outcome.handling)
                content = self._dialect.write(outcome.reply, outcome.handling)
                trail.told.whole(outcome.reply, outcome.handling)
                await trail.end(200)
                await response.whole(200, JSON, content, said(outcome.handling))
            case Held():
                asked.tell(outcome.handling)
                # Stock SDKs of a drop-in dialect know no other success.
                status = 202 if self.name == "split" else 200
                content = self._dialect.write_held(outcome.pending, outcome.handling)
                trail.told.whole(outcome.reply, outcome.handling, approval=outcome.pending.approval)
                await trail.end(status)
                headers = (*said(outcome.handling), (b"x-splitgate-approval", outcome.pending.approval.encode()))
                await response.whole(status, JSON, content, headers)
            case Streaming():
                usage = asked.request.options.include_usage
                await self._stream(outcome, self._dialect.StreamWriter(outcome.handling, include_usage=usage), asked)

    async def _stream(self, outcome: Streaming, writer: StreamWriter, asked: Asked) -> None:
        trail, response, handling = asked.trail, asked.response, outcome.handling
        trail.told.handling = handling
        decision, findings = handling.decision, handling.findings
        await response.start_stream(said(handling), writer.fail)
        try:
            async with aclosing(outcome.events) as events:
                async for together in events:
                    if isinstance(last := together[-1], Judged):
                        decision, findings = last.decision, (*findings, *last.findings)
                    trail.told.events(together)
                    if content := b"".join(map(writer.feed, together)):
                        await response.more(content)
        finally:
            # Also of a stream that broke off: what was found until then.
            tell(handling.request_id, asked.caller, decision=decision, findings=findings, policy=handling.policy)
        await trail.end(200)
        await response.end(writer.finish())
