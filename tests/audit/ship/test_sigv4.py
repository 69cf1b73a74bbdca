"""The examples of Amazon's S3 API reference, "Authenticating Requests: Using the Authorization Header"."""

from datetime import UTC, datetime

import pytest

from gateway.audit.ship.sigv4 import S3Key, object_path, sign
from gateway.domain.target import Secret

KEY = S3Key(
    access_key_id=Secret("AKIAIOSFODNN7EXAMPLE"),
    secret_access_key=Secret("wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"),
    region="us-east-1",
)
NOW = datetime(2013, 5, 24, tzinfo=UTC)
HOST = "examplebucket.s3.amazonaws.com"


def test_the_published_get() -> None:
    signed = sign(KEY, "GET", "/test.txt", headers={"host": HOST, "range": "bytes=0-9"}, content=b"", now=NOW)
    assert signed["authorization"] == (
        "AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request,"
        "SignedHeaders=host;range;x-amz-content-sha256;x-amz-date,"
        "Signature=f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41"
    )


def test_the_published_put() -> None:
    headers = {"host": HOST, "date": "Fri, 24 May 2013 00:00:00 GMT", "x-amz-storage-class": "REDUCED_REDUNDANCY"}
    path = object_path("test$file.text")
    signed = sign(KEY, "PUT", path, headers=headers, content=b"Welcome to Amazon S3.", now=NOW)
    assert signed["x-amz-content-sha256"] == "44ce7dd67c959e0d3524ffac1771dfbba87d2b6b4b4e99e42034a8b803f8b072"
    assert signed["authorization"].endswith(
        "SignedHeaders=date;host;x-amz-content-sha256;x-amz-date;x-amz-storage-class,"
        "Signature=98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd"
    )


@pytest.mark.rows
@pytest.mark.parametrize(
    ("parts", "path"),
    [
        (("bucket", "a/b/c.txt"), "/bucket/a/b/c.txt"),
        (("bucket", "example.com~audit/0001"), "/bucket/example.com~audit/0001"),
        (("bucket", "a b+c$"), "/bucket/a%20b%2Bc%24"),
    ],
)
def test_paths_are_encoded_once(parts: tuple[str, ...], path: str) -> None:
    assert object_path(*parts) == path


def test_nothing_shows_the_key() -> None:
    assert "EXAMPLE" not in repr(KEY)
    assert "bPxRfiCY" not in str(sign(KEY, "GET", "/", headers={"host": HOST}, content=b"", now=NOW))
