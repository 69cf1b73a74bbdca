"""How does Anthropic's Messages API read and write?

``POST /v1/messages`` as the official SDKs speak it, with the role ``input``, the content block ``data`` and the fields
``data``, ``min_isolation`` and ``subject`` added; and what ``POST /v1/messages/count_tokens`` asks and answers. The
dialect's parts are put together here and nothing else is done.
"""

from gateway.dialects._anthropic_messages_read import NAME, read, read_count
from gateway.dialects._anthropic_messages_stream import StreamWriter
from gateway.dialects._anthropic_messages_write import error_body, write, write_count, write_held

__all__ = ["NAME", "StreamWriter", "error_body", "read", "read_count", "write", "write_count", "write_held"]
