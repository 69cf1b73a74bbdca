"""How is a request to an S3-compatible store signed?

AWS Signature Version 4 in the ``Authorization`` header, with the payload's hash, as Amazon's S3 API reference has it
under "Authenticating Requests". One function, no network.
"""

import hashlib
import hmac
from collections.abc import Mapping
from datetime import datetime
from typing import Final
from urllib.parse import quote

from gateway.domain.target import Secret
from gateway.domain.value import value

_ALGORITHM: Final = "AWS4-HMAC-SHA256"


@value
class S3Key:
    """A key pair, and the region that it is used in."""

    access_key_id: Secret
    secret_access_key: Secret
    region: str


def object_path(*parts: str) -> str:
    """The path of an object, each part encoded once; slashes within a part stay."""
    return "/" + "/".join([quote(part, safe="/~") for part in parts])


def sign(
    key: S3Key, method: str, path: str, *, headers: Mapping[str, str], content: bytes, now: datetime
) -> Mapping[str, str]:
    """All headers to send, signed: ``headers`` in lower case with ``host`` among them; ``path`` as it is sent."""
    stamp = now.strftime("%Y%m%dT%H%M%SZ")
    payload = hashlib.sha256(content).hexdigest()
    named = {**headers, "x-amz-content-sha256": payload, "x-amz-date": stamp}
    lines = [f"{name}:{' '.join(named[name].split())}\n" for name in sorted(named)]
    signed = ";".join(sorted(named))
    # Our requests have no query: its line is empty.
    request = f"{method}\n{path}\n\n{''.join(lines)}\n{signed}\n{payload}"
    scope = f"{stamp[:8]}/{key.region}/s3/aws4_request"
    to_sign = f"{_ALGORITHM}\n{stamp}\n{scope}\n{hashlib.sha256(request.encode()).hexdigest()}"
    signature = hmac.new(_signing_key(key, stamp[:8]), to_sign.encode(), hashlib.sha256).hexdigest()
    credential = f"Credential={key.access_key_id.reveal()}/{scope}"
    return {**named, "authorization": f"{_ALGORITHM} {credential},SignedHeaders={signed},Signature={signature}"}


def _signing_key(key: S3Key, day: str) -> bytes:
    derived = f"AWS4{key.secret_access_key.reveal()}".encode()
    for part in (day, key.region, "s3", "aws4_request"):
        derived = hmac.new(derived, part.encode(), hashlib.sha256).digest()
    return derived
