"""What does the configuration say of a model's name?"""

from dataclasses import field
from typing import Literal, TypeAlias

from gateway.domain.card import NO_BAR, Bar
from gateway.domain.isolation import Isolation
from gateway.domain.target import Target
from gateway.domain.value import value


@value
class Hole:
    """A typed hole in a template: what fills it is a user's instruction or data."""

    name: str
    channel: Literal["user", "data"]


TemplatePart: TypeAlias = str | Hole


@value
class Template:
    """A monolithic prompt's shape: literal text alternating with holes, matched against a whole message."""

    name: str
    parts: tuple[TemplatePart, ...]
    role: Literal["system", "user"] = "user"


@value
class Persistence:
    """How long it is tried to have a request answered.

    After all targets have failed they are tried again, ``retries`` times at most. ``max_wait_s`` is what a request
    waits for that in all, or for targets that asked to be left alone. ``deadline_s`` is the most that it may take from
    its first byte on, its answer included; None for no such limit. Times are in seconds.
    """

    retries: int = 1
    max_wait_s: float = 2.0
    deadline_s: float | None = None


@value
class Model:
    """A name that clients may ask for, and how its requests are read and sent.

    ``targets`` stand in order, those of a lower tier first, and are tried so unless ``balance`` says otherwise.
    ``user_channel`` says what a user message's text is. With ``templates``, a message that matches none is refused
    unless ``allow_unmatched``. ``allow_prefill`` admits a final assistant turn. ``bar`` is what a target's card has to
    show before data goes there, beside ``min_isolation``.
    """

    name: str
    targets: tuple[Target, ...]
    min_isolation: Isolation = Isolation.WRAPPED
    user_channel: Literal["user", "data"] = "user"
    templates: tuple[Template, ...] = ()
    allow_unmatched: bool = False
    require_data: bool = False
    allow_prefill: bool = False
    created: int = 0
    balance: Literal["in_order", "least_pending"] = "in_order"
    persistence: Persistence = field(default_factory=Persistence)
    bar: Bar = NO_BAR
