"""Why can Redis not be counted on at present?

Reasons are words of ours and the code with which Redis's own errors begin: never what it was sent, nor what it wrote.
"""

import re
from collections.abc import Iterator, Mapping
from ssl import SSLError
from typing import Final

from redis.exceptions import (
    AuthenticationError,
    AuthorizationError,
    MaxConnectionsError,
    NoPermissionError,
    RedisClusterException,
    RedisError,
    ResponseError,
)
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import TimeoutError as RedisTimeoutError

NO_ANSWER: Final = "it does not answer in time"
NOT_FOUND: Final = "no connection can be made, or it was cut"
GARBLED: Final = "what it answers is not its protocol"
FORBIDDEN: Final = "its host leads to an address that no Redis has"
_REFUSED: Final = "it refuses the user or the password, or the user may not do what is needed"
_TLS: Final = "no trusted connection can be made: look at the certificates"
_NO_CLUSTER: Final = "it is no cluster, or not all of the cluster is there"
_CODES: Final[Mapping[str, str]] = {
    "OOM": "it is full",
    "READONLY": "it is a replica, which takes no writes",
    "LOADING": "it is loading its data",
    "BUSY": "it is busy with somebody's script",
    "MISCONF": "it cannot write to its disk",
    "MASTERDOWN": "it has lost its primary",
    "NOREPLICAS": "it has lost its replicas",
    "CLUSTERDOWN": "its cluster is down",
    "WRONGTYPE": "a key below the prefix is somebody else's",
    "WRONGPASS": _REFUSED,
    "NOAUTH": _REFUSED,
    "NOPERM": _REFUSED,
    # How a script is told so.
    "ACL": _REFUSED,
}
_CODE: Final = re.compile(r"[A-Z]{2,20}\b")


def mends_itself(reason: str) -> bool:
    """Whether what is told so usually passes without anybody's help."""
    return reason not in (_REFUSED, _TLS, _NO_CLUSTER, FORBIDDEN)


class Refused(OSError):
    """Where a host leads no connection is made to. The message holds no address."""

    def __init__(self) -> None:
        super().__init__(FORBIDDEN)


class Away(Exception):
    """What was asked of Redis was not done, as far as is known; ``sent`` says that it may have been all the same."""

    def __init__(self, reason: str, *, sent: bool) -> None:
        super().__init__(reason)
        self.reason = reason
        self.sent = sent


def reason_of(error: Exception) -> str:
    """What to say of it."""
    inside = [*_inside(error)]
    if any(isinstance(one, Refused) for one in inside):
        return FORBIDDEN
    if any(isinstance(one, _REFUSALS) for one in inside):
        return _REFUSED
    if any(isinstance(one, SSLError) for one in inside):
        return _TLS
    if isinstance(error, RedisClusterException):
        return reason_of(error.__cause__) if isinstance(error.__cause__, Exception) else _NO_CLUSTER
    return _plainly(error)


def _plainly(error: Exception) -> str:
    match error:
        case TimeoutError() | RedisTimeoutError() | MaxConnectionsError():
            return NO_ANSWER
        case RedisConnectionError() | OSError():
            return _told(error) or NOT_FOUND
        case ResponseError():
            return _told(error) or "it answers with an error"
        case RedisError():
            return GARBLED
        case _:
            return f"{GARBLED} ({type(error).__name__})"


def _told(error: Exception) -> str | None:
    """What the code means that an error of Redis's own begins with."""
    # redis-py takes the code off the message where it has a class for it, and names the class after it.
    found = _CODE.match(str(error))
    known = _CLASSES.get(type(error).__name__) or _CODES.get(found[0] if found is not None else "")
    return known or (None if found is None else f"it answers with an error ({found[0]})")


_CLASSES: Final[Mapping[str, str]] = {
    "OutOfMemoryError": _CODES["OOM"],
    "ReadOnlyError": _CODES["READONLY"],
    "BusyLoadingError": _CODES["LOADING"],
    "MasterDownError": _CODES["MASTERDOWN"],
    "ClusterDownError": _CODES["CLUSTERDOWN"],
}
_REFUSALS: Final = (AuthenticationError, AuthorizationError, NoPermissionError)


def _inside(error: BaseException | None) -> Iterator[BaseException]:
    """The error and those that it came of."""
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__
