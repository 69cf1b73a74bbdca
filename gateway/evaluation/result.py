"""What came of one request of a measurement?

Either an answer, or that the gateway or the vendor's filter refused, or that the request could not be made at all: a
case that was never answered says nothing of the model, and is no safe answer.
"""

from gateway.domain.value import value


@value
class Result:
    """What came of the case ``case`` laid out by ``format``.

    ``refused`` is the code under which the gateway's policies or a vendor's filter refused: then there is no text.
    ``failed`` is the code of a request that was never answered, since the upstream does not take it: such a case is
    not counted. ``latency_s`` is from sending to the last byte, in seconds.
    """

    case: str
    format: str
    text: str = ""
    input_tokens: int | None = None
    output_tokens: int | None = None
    latency_s: float = 0.0
    finish: str | None = None
    isolation: str | None = None
    refused: str | None = None
    failed: str | None = None

    @property
    def key(self) -> tuple[str, str]:
        """What was asked."""
        return (self.case, self.format)
