"""How do OpenAI's chat completions read and write?

``POST /v1/chat/completions`` as the official SDKs speak it, with the role ``input``, the content part ``data`` and the
fields ``data`` and ``min_isolation`` added. The dialect's parts are put together here and nothing else is done.
"""

from gateway.dialects._openai_chat_read import NAME, read
from gateway.dialects._openai_chat_write import StreamWriter, write, write_held
from gateway.dialects._openai_errors import error_body

__all__ = ["NAME", "StreamWriter", "error_body", "read", "write", "write_held"]
