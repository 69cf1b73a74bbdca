"""By which name does a client know the field that could not be said for it?

Options go by chat's names behind the door, and so do the errors of targets that have no words for one. A client of
another dialect is told its own name first.
"""

from collections.abc import Mapping

from gateway.domain.errors import GatewayError, NotSayable


def told(error: GatewayError, names: Mapping[str, str]) -> tuple[str, str | None]:
    """The error's message and field, where ``names`` are a dialect's own for those of chat."""
    own = names.get(error.param or "") if isinstance(error, NotSayable) else None
    return (error.message, error.param) if own is None else (f"{own}: {error.message}", own)
