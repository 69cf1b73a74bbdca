"""What does the gateway know once its configuration is read?

Frozen values without file positions or YAML; everything in them has been checked.
"""

from collections.abc import Mapping
from dataclasses import field
from pathlib import Path
from typing import Literal

from gateway.audit.note import VerifierKey
from gateway.configuration.crowd import Crowd
from gateway.configuration.redis import RedisSettings
from gateway.domain.address import Addresses
from gateway.domain.identity import Key, Role
from gateway.domain.limits import Limits
from gateway.domain.model import Model
from gateway.domain.prompt import Trust
from gateway.domain.target import Secret, Tls
from gateway.domain.value import value
from gateway.yamlfile.mounted import Mounted


@value
class Server:
    """Where to listen, and what to take in.

    ``record_recent`` is how many request bodies ``doctor`` may ask for, ``record_recent_bytes`` what they may come to.
    ``tls`` None: plain HTTP. ``watch`` has a changed configuration file taken up by itself.
    """

    host: str
    port: int
    max_body_bytes: int
    compressed_bodies: bool
    record_recent: int
    record_recent_bytes: int
    allowed_hosts: tuple[str, ...]
    crowd: Crowd = field(default_factory=Crowd)
    tls: Tls | None = None
    watch: bool = False


@value
class ClaimNames:
    """Which claims say what; None where something fixed stands in."""

    key: str | None
    tenant: str | None
    roles: str | None
    models: str | None


@value
class OidcSettings:
    """An issuer of tokens, how its tokens are checked, and what callers its claims make.

    ``jwks_url`` None: where discovery says. ``tls`` None: the system's authorities are believed. ``addresses`` are
    those that connections may lead to. ``require`` has for each claim what it may say. ``models`` and ``routes`` are
    what may be asked for at most, None for all.
    """

    name: str
    issuer: str
    audience: tuple[str, ...]
    algorithms: tuple[str, ...]
    types: frozenset[str]
    jwks_url: str | None
    tls: Tls | None
    addresses: Addresses
    timeout_s: float
    refresh_s: float
    cooldown_s: float
    keep_s: float
    leeway_s: int
    require: Mapping[str, tuple[str | bool, ...]]
    claims: ClaimNames
    tenant: str
    tenants: Mapping[str, str]
    roles: frozenset[Role]
    role_values: Mapping[str, Role]
    models: frozenset[str] | None
    routes: frozenset[str] | None
    max_trust: Trust
    require_data: bool


@value
class EmbeddedSettings:
    """When the embedded model's process starts."""

    start: Literal["first_use", "at_start"]


@value
class PolicySettings:
    """Names of shipped packs, and absolute paths of files and folders; ``watch`` follows changes of these."""

    packs: tuple[str, ...]
    paths: tuple[Path, ...]
    watch: bool


@value
class BucketSettings:
    """A bucket of an S3-compatible store; ``prefix`` is what the names of objects begin with."""

    endpoint: str
    bucket: str
    prefix: str
    region: str
    access_key_id: Secret
    secret_access_key: Secret


@value
class SinkSettings:
    """A place that records are copied to. ``path`` is absolute; what the ``kind`` does not need may be None."""

    name: str
    kind: Literal["directory", "webhook", "redis_stream", "s3"]
    path: Path | None
    bucket: BucketSettings | None
    url: str | None
    stream: str
    max_len: int
    username: str | None
    secret: Secret | None
    gather_s: float
    batch: int
    timeout_s: float


@value
class AnchorSettings:
    """A place of another owner's that keeps checkpoints. ``path`` is absolute."""

    name: str
    kind: Literal["directory", "s3"]
    path: Path | None
    bucket: BucketSettings | None
    timeout_s: float


@value
class AuditSettings:
    """What is recorded, where, and by which keys; none given means that keys are made in the folder for state."""

    enabled: bool
    dir: Path
    name: str
    content: Literal["none", "encrypted"]
    signing_keys: tuple[Secret, ...]
    earlier_keys: tuple[VerifierKey, ...]
    master_key: Secret | None
    deadline_s: float
    checkpoint_records: int
    checkpoint_s: float
    heartbeat_s: float
    roll_bytes: int
    ship: tuple[SinkSettings, ...]
    anchors: tuple[AnchorSettings, ...]


@value
class MetricsSettings:
    """Where ``/metrics`` is served; ``chosen`` says that the port is somebody's choice and no default."""

    enabled: bool
    host: str
    port: int
    chosen: bool


@value
class TracesSettings:
    """Where spans are sent, if anywhere, and which attributes they get."""

    endpoint: str | None
    headers: Mapping[str, Secret]
    sample: float
    propagate: bool
    conventions: Literal["1.36", "1.37"]


@value
class TelemetrySettings:
    """What is told of the gateway while it runs."""

    metrics: MetricsSettings
    traces: TracesSettings
    logs: Literal["json", "text"]


@value
class Settings:
    """The whole configuration. ``file`` names where it came from, ``warnings`` are sentences for whoever starts us.

    ``redis`` is where limits are counted with other gateways, None where nobody else is. ``state_dir`` and
    ``keys_file`` are absolute and may not exist yet; ``keys`` are those of the file itself. ``digest`` is the SHA-256
    of the file's bytes, ``mounted`` are the credentials and certificates that stand in files of their own, and are
    looked at again while the gateway runs.
    """

    file: str
    server: Server
    keys: tuple[Key, ...]
    keys_file: Path | None
    oidc: tuple[OidcSettings, ...]
    models: Mapping[str, Model]
    transport: Literal["aiohttp", "httpx"]
    embedded: EmbeddedSettings
    policies: PolicySettings
    audit: AuditSettings
    telemetry: TelemetrySettings
    state_dir: Path
    limits: Limits = field(default_factory=Limits)
    redis: RedisSettings | None = None
    warnings: tuple[str, ...] = ()
    digest: str = ""
    mounted: tuple[Mounted, ...] = ()

    @property
    def asks(self) -> bool:
        """Whether callers have to show who they are."""
        return bool(self.keys or self.keys_file or self.oidc)

    @property
    def shared(self) -> bool:
        """Whether callers of more than one tenant may come, now or when the key file changes."""
        named = {key.caller.tenant for key in self.keys} | {issuer.tenant for issuer in self.oidc}
        return self.keys_file is not None or len(named) > 1 or any(issuer.claims.tenant for issuer in self.oidc)
