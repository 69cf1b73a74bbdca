"""What is said of each failure."""

import ssl

import pytest
from redis import exceptions as redis

from gateway.stores._redis_failure import FORBIDDEN, GARBLED, NO_ANSWER, NOT_FOUND, Refused, mends_itself, reason_of

REFUSED = "it refuses the user or the password, or the user may not do what is needed"


def _because(error: Exception, cause: Exception) -> Exception:
    error.__cause__ = cause
    return error


@pytest.mark.rows
@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (TimeoutError(), NO_ANSWER),
        (redis.TimeoutError("planted"), NO_ANSWER),
        (redis.MaxConnectionsError(), NO_ANSWER),
        (ConnectionRefusedError(111, "planted"), NOT_FOUND),
        (redis.ConnectionError("Error 111 connecting to planted:1"), NOT_FOUND),
        (redis.BusyLoadingError("planted"), "it is loading its data"),
        (redis.OutOfMemoryError("planted"), "it is full"),
        (redis.ReadOnlyError("planted"), "it is a replica, which takes no writes"),
        (redis.ResponseError("MISCONF planted"), "it cannot write to its disk"),
        (redis.ResponseError("BUSY planted"), "it is busy with somebody's script"),
        (redis.ResponseError("WRONGTYPE planted"), "a key below the prefix is somebody else's"),
        (redis.ResponseError("NOREPLICAS planted"), "it has lost its replicas"),
        (redis.ResponseError("EXECABORT planted"), "it answers with an error (EXECABORT)"),
        (redis.ResponseError("planted"), "it answers with an error"),
        (redis.ClusterDownError("planted"), "its cluster is down"),
        (redis.MasterDownError("planted"), "it has lost its primary"),
        (redis.AuthenticationError("planted"), REFUSED),
        (redis.NoPermissionError("planted"), REFUSED),
        (redis.ResponseError("ACL failure in script: planted"), REFUSED),
        (_because(redis.ConnectionError("planted"), redis.AuthenticationError("planted")), REFUSED),
        (_because(redis.ConnectionError("planted"), ssl.SSLCertVerificationError("planted")), "no trusted connection"),
        (_because(redis.ConnectionError("planted"), Refused()), FORBIDDEN),
        (redis.RedisClusterException("planted"), "it is no cluster, or not all of the cluster is there"),
        (_because(redis.RedisClusterException("planted"), redis.TimeoutError("planted")), NO_ANSWER),
        (redis.InvalidResponse("planted"), GARBLED),
        (ValueError("planted"), f"{GARBLED} (ValueError)"),
    ],
)
def test_it_is_said_in_words_of_ours(error: Exception, reason: str) -> None:
    said = reason_of(error)
    assert said.startswith(reason)
    assert "planted" not in said


@pytest.mark.rows
@pytest.mark.parametrize(
    ("reason", "mends"), [(NO_ANSWER, True), (NOT_FOUND, True), (FORBIDDEN, False), (REFUSED, False)]
)
def test_some_of_it_takes_somebodys_help(*, reason: str, mends: bool) -> None:
    assert mends_itself(reason) is mends
