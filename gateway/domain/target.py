"""Where can a model be reached, and what exactly would be sent there?"""

import ssl
from collections.abc import Callable, Mapping
from dataclasses import field
from enum import StrEnum
from typing import Literal, Never

from gateway.domain.address import PUBLIC_ONLY, Addresses
from gateway.domain.card import Card
from gateway.domain.isolation import NO_DATA, NO_INSTRUCTION, Isolation
from gateway.domain.jsonvalue import JsonObject, JsonValue
from gateway.domain.value import value


class Secret:
    """A credential that no representation shows. ``reveal`` is called where the header is made, and nowhere else."""

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def reveal(self) -> str:
        """The credential itself."""
        return self._value

    def __repr__(self) -> str:
        return "Secret(…)"

    def __reduce__(self) -> Never:
        raise TypeError("a secret is never pickled")


class Tls:
    """Whom to believe at the other end of a connection, and what to show there.

    ``context`` is asked for each call: it is another one once the files behind it have changed.
    """

    __slots__ = ("_context",)

    def __init__(self, context: ssl.SSLContext) -> None:
        self._context = context

    @property
    def context(self) -> ssl.SSLContext:
        """What connections are made with from now on."""
        return self._context


@value
class Timeouts:
    """Limits in seconds: connect and TLS, request sent to response headers, between two chunks, the whole exchange."""

    connect: float = 5.0
    first_byte: float = 600.0
    idle: float = 60.0
    total: float = 600.0


@value
class BreakerLimits:
    """When a target that fails is left alone, and for how long.

    ``failures`` in a row open its breaker, 0 for never. Then it is left alone for ``cooldown_s`` seconds, for twice as
    long after each trial that fails, and for ``longest_s`` at most. One that asks for it (``Retry-After``) is left
    alone for ``longest_rest_s`` at most, 0 for not at all.
    """

    failures: int = 5
    cooldown_s: float = 2.0
    longest_s: float = 60.0
    longest_rest_s: float = 300.0


@value
class HealthCheck:
    """Where a target is asked whether it is well: a path on its host, without credentials. Times are in seconds.

    ``failures`` answers in a row that say no, or do not come, open its breaker.
    """

    path: str
    interval_s: float = 10.0
    timeout_s: float = 2.0
    failures: int = 2


@value
class Translated:
    """What the litellm process is told of a target, and nobody else.

    ``model`` is litellm's name for it in chats, ``embeddings`` that for embeddings, ``address`` the vendor's if it is
    not the usual one. ``credentials`` also hold what is no secret but says on whose account: regions, projects.
    """

    model: str
    embeddings: str
    address: str | None
    credentials: Mapping[str, Secret]


@value
class Target:
    """One way to reach a model.

    ``base_url`` has no trailing slash; ``socket`` is the path of a Unix socket to connect to instead of the URL's host,
    ``addresses`` says where a connection may lead to that the URL asks for.
    ``family`` names the reserved tokens to remove, ``reserved_tokens`` adds to them, ``ceiling`` is the best isolation
    that the target can be credited with. ``extra_params`` are request fields passed on though the gateway does not know
    them. With ``needs_probe`` native isolation counts only once a render probe has shown the model's role boundaries,
    and as ``unproven`` until then; ``assumed`` says that it is credited on the configuration's word (of training, or
    instead of the probe), which replies must show. ``auth`` says whether ``api_key`` is the vendor's kind of key or a
    bearer token, ``api_version`` is the version of the vendor's API to ask for: for providers that tell them apart.
    ``translated`` is set where the litellm process makes the call. ``tls`` None: the system's certificate authorities
    are believed, and no certificate is shown.
    Targets of a lower ``tier`` are tried first; ``weight`` is the target's share of the calls within its tier where
    these are balanced. ``breaker`` and ``health`` say when it is left alone. ``card`` is what was measured of
    the model in the format, None where nothing was.
    """

    id: str
    provider: str
    base_url: str
    model: str
    format: str
    family: str
    ceiling: Isolation = Isolation.NATIVE
    unproven: Isolation = Isolation.WRAPPED
    api_key: Secret | None = None
    socket: str | None = None
    addresses: Addresses = PUBLIC_ONLY
    format_options: JsonObject = field(default_factory=dict[str, JsonValue])
    extra_params: frozenset[str] = frozenset()
    reserved_tokens: tuple[str, ...] = ()
    headers: Mapping[str, str] = field(default_factory=dict[str, str])
    timeouts: Timeouts = field(default_factory=Timeouts)
    needs_probe: bool = False
    assumed: bool = False
    auth: Literal["key", "bearer"] = "key"
    api_version: str | None = None
    translated: Translated | None = None
    tier: int = 1
    weight: float = 1.0
    breaker: BreakerLimits = field(default_factory=BreakerLimits)
    health: HealthCheck | None = None
    tls: Tls | None = None
    card: Card | None = None


class Endpoint(StrEnum):
    """Which upstream route a layout is made for, below the target's base URL."""

    CHAT = "chat/completions"
    COMPLETIONS = "completions"
    MESSAGES = "messages"
    EMBEDDINGS = "embeddings"


@value
class FormatOptions:
    r"""What a format needs beside the prompt.

    ``remove_reserved`` takes a text and returns it without the family's reserved tokens, with the number taken out.
    ``break_reserved`` takes a JSON text and returns one of equal value in which no reserved token stands, with the
    number broken: lossless, by writing a token's first character as ``\uXXXX``. ``reserved`` lists the tokens.
    ``draw_nonce`` gives 32 fresh hexadecimal digits; a format calls it again when one collides with the prompt's text.
    ``settings`` are the target's ``format_options``. ``reasoning_field`` is the message field in which the target takes
    an assistant's earlier reasoning, None where it takes none.
    """

    remove_reserved: Callable[[str], tuple[str, int]]
    break_reserved: Callable[[str], tuple[str, int]]
    reserved: tuple[str, ...]
    draw_nonce: Callable[[], str]
    settings: JsonObject = field(default_factory=dict[str, JsonValue])
    reasoning_field: str | None = None


@value
class Removal:
    """Reserved tokens taken out of one place: a segment's id, or ``tools`` or ``history``."""

    where: str
    count: int


@value
class Layout:
    """A prompt laid out for one format.

    ``body`` holds what the format decides of the upstream request: ``messages``, ``prompt`` or ``input``, ``tools``,
    ``documents``, ``chat_template_kwargs``. ``isolation`` is the minimum over all data segments, None where there is
    none. ``notes`` say what the reply must say (``operator-user-merged``). ``datamark`` is the one character put
    between the words of data, to be taken out of the answer again.
    """

    format: str
    endpoint: Endpoint
    body: JsonObject
    isolation: Isolation | None
    removals: tuple[Removal, ...] = ()
    notes: tuple[str, ...] = ()
    datamark: str | None = None

    @property
    def isolation_label(self) -> str:
        """The word for header and reply: a level, ``no-data``, or ``no-instruction`` of what is only embedded."""
        if self.isolation is not None:
            return self.isolation.label
        return NO_INSTRUCTION if self.endpoint is Endpoint.EMBEDDINGS else NO_DATA
