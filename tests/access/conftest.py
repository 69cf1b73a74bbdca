"""Settings with a key file, and an issuer whose tokens the tests sign themselves."""

import asyncio
import base64
import hashlib
import json
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import pytest
from joserfc.jwk import ECKey, OKPKey, RSAKey
from joserfc.jws import JWSRegistry, serialize_compact

from gateway.configuration.values import OidcSettings
from gateway.settings import Settings, load

PATIENCE_S = 20.0
MODELS = "models: {m: {targets: [{provider: embedded}]}, team-a: {targets: [{provider: embedded}]}}\n"

Json: TypeAlias = dict[str, Any]
PrivateKey: TypeAlias = RSAKey | ECKey | OKPKey


def digest_of(key: str) -> str:
    return hashlib.sha256(key.encode()).hexdigest()


@pytest.fixture
def digest() -> Callable[[str], str]:
    """The digest of a key."""
    return digest_of


@pytest.fixture
def settings_of(tmp_path: Path) -> Callable[..., Settings]:
    """The settings that a configuration of two models and this text gives."""

    def read(text: str = "keys_file: keys.jsonl\n") -> Settings:
        path = tmp_path / "splitgate.yaml"
        path.write_text(text + MODELS)
        return load(path, {}, offline=True)

    return read


@pytest.fixture
def line() -> Callable[..., str]:
    """A line of a key file: for the key that is called like its entry, unless others are given."""

    def write(name: str, **more: Any) -> str:
        said = {"name": name, **({} if "digests" in more else {"sha256": digest_of(name)}), **more}
        return json.dumps(said)

    return write


@pytest.fixture
def oidc_of(settings_of: Callable[..., Settings]) -> Callable[..., OidcSettings]:
    """An issuer's settings: those of the keys that are given differ from what is usual."""

    def read(**more: Any) -> OidcSettings:
        section = {"name": "corp", "issuer": "https://login.example", "audience": ["splitgate"], **more}
        (settings,) = settings_of(f"auth: {{oidc: [{json.dumps(section)}]}}\n").oidc
        return settings

    return read


def part(value: Json | bytes) -> str:
    raw = value if isinstance(value, bytes) else json.dumps(value).encode()
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


@dataclass(frozen=True, kw_only=True)
class Issuer:
    """Signs tokens with keys of its own, by their ids."""

    keys: dict[str, PrivateKey]

    def jwks(self, *kids: str, **more: Any) -> bytes:
        """The public set, of these keys alone if any are named."""
        return json.dumps({"keys": [self.public(kid, **more) for kid in kids or self.keys]}).encode()

    def public(self, which: str, /, **more: Any) -> Json:
        return {**self.keys[which].as_dict(private=False), "kid": which, **more}

    def claims(self, **more: Any) -> Json:
        """What is usual; None leaves a claim out."""
        now = int(time.time())
        usual: Json = {"iss": "https://login.example", "aud": "splitgate", "sub": "joe", "exp": now + 300, "iat": now}
        return {name: claim for name, claim in {**usual, **more}.items() if claim is not None}

    def token(self, kid: str = "rsa", alg: str = "RS256", header: Json | None = None, **claims: Any) -> bytes:
        """A token as it should be, but for what is given."""
        head = {"alg": alg, "kid": kid, "typ": "JWT", **(header or {})}
        head = {name: said for name, said in head.items() if said is not None}
        registry = JWSRegistry(algorithms=[alg], strict_check_header=False)
        payload = json.dumps(self.claims(**claims))
        return serialize_compact(head, payload, self.keys[kid], registry=registry).encode()

    def forged(self, header: Json, signature: bytes = b"", **claims: Any) -> bytes:
        """A token that nobody signed."""
        return f"{part(header)}.{part(self.claims(**claims))}.{part(signature)}".encode()


@pytest.fixture(scope="session")
def issuer() -> Issuer:
    keys: dict[str, PrivateKey] = {
        "rsa": RSAKey.generate_key(2048),
        "old": RSAKey.generate_key(2048),
        "p256": ECKey.generate_key("P-256"),
        "p384": ECKey.generate_key("P-384"),
        "ed": OKPKey.generate_key("Ed25519"),
    }
    return Issuer(keys=keys)


@pytest.fixture
def eventually() -> Callable[[Callable[[], bool]], Awaitable[None]]:
    """Wait until something holds."""

    async def wait(holds: Callable[[], bool]) -> None:
        end = time.monotonic() + PATIENCE_S
        while not holds():
            assert time.monotonic() < end, "waited in vain"
            await asyncio.sleep(0.02)

    return wait
