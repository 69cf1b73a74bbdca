"""How does OpenAI's responses API read and write?

``POST /v1/responses`` as the official SDKs speak it, without a memory: a request holds the whole conversation. The role
``input``, the content part ``data`` and the fields ``data``, ``min_isolation`` and ``subject`` are added. The dialect's
parts are put together here and nothing else is done.
"""

from gateway.dialects._openai_errors import responses_error_body as error_body
from gateway.dialects._openai_responses_read import NAME, read
from gateway.dialects._openai_responses_stream import StreamWriter
from gateway.dialects._openai_responses_write import write, write_held

__all__ = ["NAME", "StreamWriter", "error_body", "read", "write", "write_held"]
