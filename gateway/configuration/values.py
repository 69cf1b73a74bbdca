"""What does the gateway know once its configuration is read?

Frozen values without file positions or YAML; everything in them has been checked.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from gateway.domain.identity import Key
from gateway.domain.model import Model


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """Where to listen, and what to take in.

    ``record_recent`` is how many request bodies ``doctor`` may ask for, ``record_recent_bytes`` what they may come to.
    """

    host: str
    port: int
    max_body_bytes: int
    compressed_bodies: bool
    record_recent: int
    record_recent_bytes: int
    allowed_hosts: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class EmbeddedSettings:
    """When the embedded model's process starts."""

    start: Literal["first_use", "at_start"]


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicySettings:
    """Names of shipped packs, and absolute paths of files and folders; ``watch`` follows changes of these."""

    packs: tuple[str, ...]
    paths: tuple[Path, ...]
    watch: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """The whole configuration. ``file`` names where it came from, ``warnings`` are sentences for whoever starts us.

    ``state_dir`` is absolute and may not exist yet.
    """

    file: str
    server: Server
    keys: tuple[Key, ...]
    models: Mapping[str, Model]
    transport: Literal["aiohttp", "httpx"]
    embedded: EmbeddedSettings
    policies: PolicySettings
    state_dir: Path
    warnings: tuple[str, ...] = ()
