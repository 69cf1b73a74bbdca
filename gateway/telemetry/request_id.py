"""Which request does a log line belong to?"""

from contextvars import ContextVar
from typing import Final

# Set where a request begins, and inherited by its tasks and threads.
request_of: Final[ContextVar[str | None]] = ContextVar("request_of", default=None)
