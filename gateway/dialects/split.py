"""How does Splitgate's own API read and write?

``POST /v1/split``: instructions and data in fields of their own, no roles and no history. The dialect's parts are put
together here and nothing else is done.
"""

from gateway.dialects._split_read import NAME, read
from gateway.dialects._split_write import StreamWriter, error_body, write, write_held

__all__ = ["NAME", "StreamWriter", "error_body", "read", "write", "write_held"]
