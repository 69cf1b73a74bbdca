"""Which keys may the configuration say of the Redis that many gateways count in, and of what type?

Checks that need more than one field, or the world outside the file, are in ``redis.py``.
"""

from typing import Annotated, Literal, TypeAlias

from pydantic import Field

from gateway.configuration.section import Name, Section

_File: TypeAlias = Annotated[str, Field(min_length=1, max_length=4096)]


class RedisSection(Section):
    """Where many gateways count together. See `docs/redis.md`."""

    url: str = Field(
        min_length=1,
        max_length=2048,
        description="`redis://HOST:PORT/DB`, or `rediss://` for TLS; no credentials, query or fragment in it. In a "
        "cluster: any of its nodes, or the name that stands for them.",
    )
    cluster: bool = Field(default=False, description="Whether it is a Redis Cluster, which has no databases.")
    username: Annotated[str, Field(min_length=1, max_length=256)] | None = Field(
        default=None, description="The ACL user. None: the default one."
    )
    password: str | None = Field(
        default=None,
        description="As `env:NAME` or `file:PATH`. A file is read anew for each connection, so that it may change.",
    )
    ca_file: _File | None = Field(
        default=None,
        description="Certificates (PEM) to trust for it alone. None: those that the system trusts. This and the next "
        "two are read anew when they have changed; relative paths count from the configuration file's folder.",
    )
    cert_file: _File | None = Field(
        default=None, description="The certificate (PEM) that the gateway shows, for servers that ask for one."
    )
    key_file: _File | None = Field(
        default=None, description="The key (PEM) of `cert_file`, where it does not stand in the same file."
    )
    prefix: Name = Field(
        default="splitgate", description="What all keys begin with, in braces. Gateways that count together share it."
    )
    timeout_ms: Annotated[int, Field(ge=1, le=1000)] = Field(
        default=20, description="How long a request waits for it. The first that waits in vain speaks for all."
    )
    replicas: Annotated[int, Field(ge=1, le=100_000)] = Field(
        default=1,
        description="How many gateways count together. While Redis is away each worker has its share of every limit: "
        "one of `replicas` times the number of workers.",
    )
    on_failure: Literal["local", "close"] = Field(
        default="local",
        description="While it is away: `local` goes on with that share; `close` answers 503 `limits_unavailable` to "
        "whatever has a limit.",
    )
