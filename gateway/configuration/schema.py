"""Which keys may the configuration file hold, and of what type?

One class per section; a field's description and default are what ``docs/configuration.md`` shows. Checks that need
more than one field, or the world outside the file, are in ``build.py``.
"""

from typing import Annotated, Final, Literal, TypeAlias

from pydantic import BeforeValidator, Field

from gateway.configuration.schema_callers import (
    PATTERNS,
    AuthSection,
    ClaimsSection,
    DigestSection,
    KeySection,
    OidcSection,
)
from gateway.configuration.schema_limits import PATTERNS as LIMIT_PATTERNS
from gateway.configuration.schema_limits import SECTIONS as LIMIT_SECTIONS
from gateway.configuration.schema_limits import LimitsSection
from gateway.configuration.schema_targets import PATTERNS as TARGET_PATTERNS
from gateway.configuration.schema_targets import BreakerSection, HealthSection, Tier, Weight
from gateway.configuration.schema_tls import CaFile, ClientCertFile, ClientKeyFile, ServerTlsSection
from gateway.configuration.section import Level, Name, Seconds, Section, Share
from gateway.yamlfile.validate import Shape


class EmbeddedSection(Section):
    """The embedded model's own process."""

    start: Literal["first_use", "at_start"] = Field(
        default="first_use",
        description="When the embedded model is loaded: with the first request for it, or at start.",
    )


class ServerSection(Section):
    """Where the gateway listens and what it takes in."""

    host: str = Field(
        default="127.0.0.1",
        min_length=1,
        description="Address to listen on. Without `keys`, `keys_file` and `auth`: loopback only.",
    )
    port: int = Field(default=8400, ge=0, le=65_535, description="Port to listen on; 0 takes a free one.")
    tls: ServerTlsSection | None = Field(default=None, description="See `server.tls` below.")
    max_body_bytes: int = Field(
        default=4_194_304,
        ge=1024,
        le=1_073_741_824,
        description="A larger request body is refused before it is read whole.",
    )
    compressed_bodies: bool = Field(
        default=False,
        description="Take request bodies with `content-encoding: gzip` or `deflate`. `max_body_bytes` then bounds both "
        "what is sent and what comes out.",
    )
    max_concurrent: int = Field(
        default=2500,
        ge=1,
        le=1_000_000,
        description="How many requests a worker has in progress at once, streams among them; and how many connections "
        "to one upstream.",
    )
    max_queued: int = Field(
        default=250,
        ge=0,
        le=1_000_000,
        description="How many more wait for a place. All others get 503 with `retry-after` at once.",
    )
    queue_timeout_s: Seconds = Field(default=1.0, description="How long they wait; then 503 too.")
    max_connections: int = Field(
        default=10_000,
        ge=1,
        le=1_000_000,
        description="How many connections a worker keeps open, idle ones among them. A low limit of file descriptors "
        "lowers it; the log says so.",
    )
    header_timeout_s: Seconds = Field(
        default=20.0, description="How long a new connection may take until a request's head is whole."
    )
    body_timeout_s: Seconds = Field(
        default=30.0,
        description="How long a request's body may take. A longer one goes on while it brings 4 KiB a second on "
        "average.",
    )
    idle_timeout_s: Seconds = Field(
        default=75.0,
        description="How long a connection stays open between requests. Keep it above what a load balancer in front "
        "keeps its own, often 60.",
    )
    write_timeout_s: Seconds = Field(
        default=30.0,
        description="How long a client may not read while an answer waits for it. It must take 4 KiB a second on "
        "average.",
    )
    grace_s: Annotated[float, Field(ge=0, le=86_400)] = Field(
        default=30.0,
        description="How long requests in progress have to be finished after SIGTERM. Then a stream ends with an "
        "error.",
    )
    drain_delay_s: Annotated[float, Field(ge=0, le=3600)] = Field(
        default=0.0,
        description="How long to go on serving after SIGTERM while `/readyz` says 503, so that load balancers turn "
        "away first. It comes on top of `grace_s`.",
    )
    transport: Literal["aiohttp", "httpx"] = Field(
        default="aiohttp", description="The HTTP client for upstream calls: `aiohttp` is the faster one."
    )
    embedded: EmbeddedSection = Field(
        default_factory=EmbeddedSection.model_construct, description="See `server.embedded` below."
    )
    watch: bool = Field(
        default=False,
        description="Take this file up when it changes, as on SIGHUP: for a file that is put in place whole, such as a "
        "mounted ConfigMap's. What is followed without it: `docs/rotation.md`.",
    )
    record_recent: int = Field(
        default=0,
        ge=0,
        le=10_000,
        description="How many of the last request bodies are kept in memory for `splitgate doctor --url`. They hold "
        "prompt text, so none are kept unless you ask. Each worker keeps its own.",
    )
    record_recent_bytes: int = Field(
        default=16_777_216,
        ge=1024,
        le=1_073_741_824,
        description="The most that the kept bodies come to, counted as JSON: older ones give way, and a larger body is "
        "not kept.",
    )
    allowed_hosts: tuple[str, ...] = Field(
        default=(),
        description="Further host names that the `Host` header may hold while no keys are configured; loopback names "
        "always may.",
    )


class PoliciesSection(Section):
    """Which policies are in force. The pack `baseline` stands for every request that no other one matches."""

    packs: tuple[Name, ...] = Field(default=("baseline",), description="Names of packs that come with Splitgate.")
    paths: tuple[Annotated[str, Field(min_length=1, max_length=4096)], ...] = Field(
        default=(),
        description="Policy files, and folders of them (each `*.yaml` and `*.yml` in it, not below); relative ones "
        "count from the configuration file's folder.",
    )
    watch: bool = Field(
        default=True,
        description="Put changed files in force by themselves. Without it: SIGHUP, or `POST /admin/policies/reload`.",
    )


# A bucket of an S3-compatible object store, the same for copies and for checkpoints.
_Endpoint: TypeAlias = Annotated[str | None, Field(description="`s3`: the store's address, `https://s3.example`.")]
_Bucket: TypeAlias = Annotated[
    Annotated[str, Field(pattern=r"^[a-z0-9.-]{3,63}$")] | None, Field(description="`s3`: the bucket.")
]
_Prefix: TypeAlias = Annotated[
    str, Field(pattern=r"^[A-Za-z0-9_./-]{0,256}$", description="`s3`: what the objects' names begin with.")
]
_Region: TypeAlias = Annotated[str, Field(min_length=1, max_length=64, description="`s3`: the region.")]
_S3Secret: TypeAlias = Annotated[str | None, Field(description="`s3`: as `env:NAME` or `file:PATH`.")]


class SinkSection(Section):
    """One place that records are copied to, at least once each, in order. A sink that is down delays no request."""

    name: Annotated[str, Field(pattern=r"^[a-z0-9-]{1,32}$")] = Field(
        description="What it is called in metrics and logs; its cursor is kept under this name."
    )
    kind: Literal["directory", "webhook", "redis_stream", "s3"] = Field(description="How records are handed over.")
    path: str | None = Field(default=None, min_length=1, max_length=4096, description="`directory`: the folder.")
    url: str | None = Field(
        default=None,
        description="`webhook`: where batches are posted, `redis_stream`: the server; no credentials in it.",
    )
    stream: Annotated[str, Field(pattern=r"^[A-Za-z0-9_.:{}-]{1,128}$")] = Field(
        default="splitgate:audit", description="`redis_stream`: the stream's name."
    )
    max_len: int = Field(
        default=1_000_000, ge=1000, description="`redis_stream`: about how many entries the stream keeps."
    )
    username: str | None = Field(default=None, description="`redis_stream`: the ACL user.")
    secret: str | None = Field(
        default=None,
        description="As `env:NAME` or `file:PATH`. `webhook`: sent as a bearer token; `redis_stream`: the password.",
    )
    endpoint: _Endpoint = None
    bucket: _Bucket = None
    prefix: _Prefix = ""
    region: _Region = "us-east-1"
    access_key_id: _S3Secret = None
    secret_access_key: _S3Secret = None
    gather_s: float = Field(
        default=5.0,
        ge=0,
        le=60,
        description="`s3`: for how many seconds records wait for others to fill an object; the last ones of a process "
        "that stops do not.",
    )
    batch: int = Field(default=500, ge=1, le=10_000, description="The most records handed over at once.")
    timeout_s: Seconds = Field(default=10.0, description="How long one hand-over may take.")


class AnchorSection(Section):
    """One place of another owner's that keeps copies of signed checkpoints, so that history cannot be written anew."""

    name: Annotated[str, Field(pattern=r"^[a-z0-9-]{1,32}$")] = Field(description="What it is called in metrics.")
    kind: Literal["directory", "s3"] = Field(description="A folder, or a bucket of an S3-compatible object store.")
    path: str | None = Field(default=None, min_length=1, max_length=4096, description="`directory`: the folder.")
    endpoint: _Endpoint = None
    bucket: _Bucket = None
    prefix: _Prefix = ""
    region: _Region = "us-east-1"
    access_key_id: _S3Secret = None
    secret_access_key: _S3Secret = None
    timeout_s: Seconds = Field(default=10.0, description="How long one hand-over may take.")


class AuditSection(Section):
    """The audit journal: what was sent and decided, provably whole. See `docs/audit.md`."""

    enabled: bool = Field(
        default=True,
        description="Without it nothing is recorded, and every reply says `unaudited` among its notes.",
    )
    dir: str | None = Field(
        default=None,
        min_length=1,
        max_length=4096,
        description="Folder of the journals. A relative one counts from the configuration file's folder. If not given: "
        "`audit` in `state_dir`.",
    )
    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9._/-]{1,128}$")] = Field(
        default="splitgate.local/audit",
        description="What the log is called in its signed checkpoints: a name of your own, such as "
        "`example.com/splitgate`.",
    )
    content: Literal["none", "encrypted"] = Field(
        default="none",
        description="Whether texts are kept beside the journal, encrypted under a key for each data subject, or "
        "nowhere. In a journal itself there are none.",
    )
    signing_keys: tuple[str, ...] = Field(
        default=(),
        max_length=8,
        description="Ed25519 keys that sign checkpoints, as `env:NAME` or `file:PATH`; several while keys are rotated. "
        "`splitgate audit key new` makes one. None: one is made in `state_dir`.",
    )
    earlier_keys: tuple[str, ...] = Field(
        default=(),
        max_length=32,
        description="Public keys, `NAME+ID+KEY`, of keys that signed this folder's journals earlier and sign no more. "
        "Without one that vouches for what is there no journal is gone on with.",
    )
    master_key: str | None = Field(
        default=None,
        description="Key that wraps the data subjects' keys, as `env:NAME` or `file:PATH`: 32 bytes in base64. None: "
        "one is made in `state_dir`.",
    )
    deadline_s: Annotated[float, Field(gt=0, le=30)] = Field(
        default=0.75, description="How long a request waits for its record to be durable before it is refused."
    )
    checkpoint_records: int = Field(
        default=1000, ge=1, le=1_000_000, description="Sign a checkpoint after so many records,"
    )
    checkpoint_s: Seconds = Field(default=5.0, description="and after so many seconds if there are new ones.")
    heartbeat_s: Seconds = Field(default=60.0, description="How often a record says that the process lives.")
    roll_bytes: int = Field(
        default=268_435_456, ge=65_536, le=2**40, description="Begin a new journal once one is so large."
    )
    ship: tuple[SinkSection, ...] = Field(
        default=(), max_length=8, description="Where records are copied to: see `audit.ship` below."
    )
    anchors: tuple[AnchorSection, ...] = Field(
        default=(), max_length=8, description="Where checkpoints are witnessed: see `audit.anchors` below."
    )


class MetricsSection(Section):
    """Prometheus metrics, on a port of their own, and probes that find room there when the gateway is full."""

    enabled: bool = Field(default=True, description="Serve `/metrics`, `/healthz` and `/readyz` there.")
    host: str = Field(default="127.0.0.1", min_length=1, description="Address to listen on.")
    port: int = Field(
        default=9464,
        ge=0,
        le=65_535,
        description="Port to listen on; 0 takes a free one. Unless it is set here, it gives way to a free one if it is "
        "taken.",
    )


class TracesSection(Section):
    """OpenTelemetry traces, sent by OTLP over HTTP. No texts are ever in them."""

    endpoint: str | None = Field(
        default=None,
        description="Where spans are sent, such as `http://127.0.0.1:4318/v1/traces`. None: no spans are made.",
    )
    headers: dict[str, str] = Field(
        default_factory=dict[str, str],
        description="Headers for the collector; values may be `env:NAME` or `file:PATH`.",
    )
    sample: Annotated[float, Field(ge=0, le=1)] = Field(
        default=1.0, description="The share of traces that are recorded where the caller does not say."
    )
    propagate: bool = Field(default=False, description="Pass `traceparent` on to the models' servers.")
    conventions: Literal["1.36", "1.37"] = Field(
        default="1.37", description="Version of OpenTelemetry's GenAI conventions that names the attributes."
    )


class TelemetrySection(Section):
    """What is told of the gateway while it runs."""

    metrics: MetricsSection = Field(
        default_factory=MetricsSection.model_construct, description="See `telemetry.metrics` below."
    )
    traces: TracesSection = Field(
        default_factory=TracesSection.model_construct, description="See `telemetry.traces` below."
    )
    logs: Literal["json", "text"] = Field(
        default="text", description="How log lines are written: one JSON object each, or for people to read."
    )


class TimeoutsSection(Section):
    """Limits of an upstream call, in seconds."""

    connect: Seconds = Field(default=5.0, description="To connect, TLS included.")
    first_byte: Seconds = Field(
        default=600.0,
        description="From the request sent to the response's headers; those of an answer that is not streamed come "
        "when it is whole.",
    )
    idle: Seconds = Field(default=60.0, description="Between two pieces of the response.")
    total: Seconds = Field(default=600.0, description="For the whole exchange.")


class TargetSection(Section):
    """One way to reach a model. None that stays below the asked isolation is ever used."""

    id: Annotated[str, Field(pattern=r"^[A-Za-z0-9_.:/-]{1,128}$")] | None = Field(
        default=None, description="What the target is called in replies and logs; `MODEL/1`, `MODEL/2`, … if not given."
    )
    provider: str = Field(
        description="`openai_compatible`, `azure`, `anthropic`, `bedrock`, `litellm` for other vendors "
        "(`docs/vendors.md`), or `embedded` for the model that comes with Splitgate."
    )
    base_url: str | None = Field(
        default=None,
        description="The API's address up to and without `/chat/completions` or `/messages`. No credentials, query or "
        "fragment in it. `bedrock` and `litellm` know their vendors' addresses.",
    )
    socket: str | None = Field(
        default=None, description="Path of a Unix socket to connect to instead of the address's host."
    )
    allow_private: bool = Field(
        default=False,
        description="Let the host's name lead to this machine or to a private network. Not needed where `base_url` "
        "holds the address itself or `localhost`.",
    )
    allow_addresses: tuple[Annotated[str, Field(min_length=2, max_length=64)], ...] = Field(
        default=(),
        description="Networks or addresses that the host may lead to besides public ones, such as `10.20.0.0/16`: less "
        "than all that `allow_private` allows. A cloud's metadata address must be named here by itself.",
    )
    model: str | None = Field(
        default=None,
        min_length=1,
        description="The model's name at the upstream; for `litellm` VENDOR/MODEL, such as `gemini/gemini-2.5-pro`; "
        "for `embedded` `smollm2-135m-instruct`, which is the default, or `smollm2-135m-split`.",
    )
    format: str = Field(
        default="spotlight", description="How instructions and data are laid out: see the formats above."
    )
    format_options: dict[str, object] = Field(
        default_factory=dict[str, object], description="Settings of the format, where it has some."
    )
    api_key: str | None = Field(
        default=None, description="The upstream's key, as `env:NAME` or `file:PATH`; never the key."
    )
    ca_file: CaFile = None
    client_cert_file: ClientCertFile = None
    client_key_file: ClientKeyFile = None
    auth: Literal["key", "bearer"] = Field(
        default="key",
        description="What `api_key` holds, for providers that tell the two apart (`azure`, `anthropic`): the vendor's "
        "kind of key, or a bearer token such as Microsoft Entra's.",
    )
    api_version: Annotated[str, Field(pattern=r"^[A-Za-z0-9.-]{1,40}$")] | None = Field(
        default=None,
        description="The version of the vendor's API, such as `2024-10-21`: for `azure` where the address does not end "
        "in `/openai/v1`; for `anthropic` if not `2023-06-01`.",
    )
    credentials: dict[str, str] = Field(
        default_factory=dict[str, str],
        description="`bedrock` and `litellm`: on whose account, beside or instead of `api_key`. `aws_region_name`, "
        "`aws_access_key_id`, `aws_secret_access_key`, `aws_session_token`, `aws_bedrock_runtime_endpoint`; "
        "`vertex_project`, `vertex_location`, `vertex_credentials`. Keys as `env:NAME` or `file:PATH`, "
        "names such as a region's as they are.",
    )
    headers: dict[str, str] = Field(
        default_factory=dict[str, str], description="Headers added to each upstream call; no credentials here."
    )
    family: str | None = Field(
        default=None,
        description="Whose reserved tokens are removed from prompts. Guessed from the model's name if not given, and "
        "`all` where that says nothing.",
    )
    reserved_tokens: tuple[Annotated[str, Field(min_length=2, max_length=200)], ...] = Field(
        default=(),
        description="Further tokens to remove: special tokens and role markers that the family does not list.",
    )
    extra_params: tuple[Name, ...] = Field(
        default=(), description="Request fields passed on though Splitgate does not know them, such as `top_k`."
    )
    timeouts: TimeoutsSection = Field(
        default_factory=TimeoutsSection.model_construct, description="See `timeouts` below."
    )
    tier: Tier = Field(default=1, description="Targets of a lower tier are tried first, wherever they stand.")
    weight: Weight = Field(
        default=1.0, description="With `balance: least_pending`: the share of calls, against others of its tier."
    )
    breaker: BreakerSection = Field(default_factory=BreakerSection.model_construct, description="See `breaker` below.")
    health: HealthSection | None = Field(
        default=None, description="Where its server says whether it is well: see `health` below. None: it is not asked."
    )
    trained: Literal["auto", True, False] = Field(
        default="auto",
        description="Whether the model was trained for its format, without which that format does not count as "
        "`native`: `auto` looks its name up, and what its `card` shows; `true` takes your word, and replies say so.",
    )
    render_probe: Literal["required", "off"] = Field(
        default="required",
        description="Whether `native` must be shown by a probe at start (do roles and special tokens arrive as such?); "
        "`off` takes your word, and replies say so.",
    )
    card: str | None = Field(
        default=None,
        min_length=1,
        max_length=4096,
        description="File with what was measured of the model in this format, as `splitgate evaluate` writes it; a "
        "relative path counts from the configuration file's folder. `embedded` finds the one that comes with it.",
    )


def _template(value: object) -> object:
    return {"template": value} if isinstance(value, str) else value


class TemplateSection(Section):
    """The shape of a prompt that an application sends as one text. A plain text stands for `{template: …}`."""

    template: str = Field(
        description="Literal text with typed holes: `{{name: data}}` and `{{name: user}}`. Matched against a whole "
        "message.",
        min_length=1,
    )
    name: Name | None = Field(default=None, description="What it is called in messages; `template-1`, … if not given.")
    role: Literal["system", "user"] = Field(default="user", description="Which messages it is matched against.")


_Template: TypeAlias = Annotated[
    TemplateSection, BeforeValidator(_template, json_schema_input_type=str | TemplateSection)
]


class ModelSection(Section):
    """A model name that clients may ask for."""

    min_isolation: Level = Field(
        default="wrapped",
        description="The floor: a target that cannot reach it is not used. `none` must be asked for here.",
    )
    min_separation: Share | None = Field(
        default=None,
        description="What a target's `card` must show before the target gets data: a `separation` of which the "
        "interval's lower end is at least so high (0-1).",
    )
    max_attack_success: Share | None = Field(
        default=None,
        description="The same of `attack_success`, of which the interval's upper end may be at most so high (0-1).",
    )
    user_channel: Literal["user", "data"] = Field(
        default="user",
        description="What a user message's text is; `data` for applications whose users are not trusted.",
    )
    require_data: bool = Field(default=False, description="Refuse requests that carry no data apart.")
    allow_prefill: bool = Field(default=False, description="Admit a final assistant turn, which the model continues.")
    templates: tuple[_Template, ...] = Field(
        default=(),
        description="Templates of monolithic prompts, lifted into instructions and data: see `templates` below.",
    )
    allow_unmatched: bool = Field(
        default=False, description="With `templates`: let a message that matches none through as it is."
    )
    targets: tuple[TargetSection, ...] = Field(min_length=1, description="Where the model is reached.")
    balance: Literal["in_order", "least_pending"] = Field(
        default="in_order",
        description="Which of several targets is tried first: the first one, or the one with the fewest calls in "
        "progress. Either way the others are tried if it fails.",
    )
    retries: Annotated[int, Field(ge=0, le=10)] = Field(
        default=1,
        description="How many times all targets are tried again after each has failed, with growing pauses; only after "
        "failures after which that is safe.",
    )
    max_wait_s: Annotated[float, Field(ge=0, le=60)] = Field(
        default=2.0,
        description="How long a request waits in all, in such pauses or for targets that asked to be left alone. 0: it "
        "never waits, and nothing is tried again.",
    )
    deadline_s: Seconds | None = Field(
        default=None,
        description="The most that a request may take from its first byte on, its answer included. None: only the "
        "targets' `timeouts` count.",
    )


class Document(Section):
    """The whole file."""

    server: ServerSection = Field(default_factory=ServerSection.model_construct, description="See `server` below.")
    keys: tuple[KeySection, ...] = Field(
        default=(),
        description="API keys of clients. Without these, `keys_file` and `auth`: only this machine may connect, and "
        "anyone on it may.",
    )
    keys_file: str | None = Field(
        default=None,
        min_length=1,
        max_length=4096,
        description="File of further keys, which `splitgate keys new --write`, `rotate` and `revoke` edit and a "
        "running gateway follows. A relative path counts from the configuration file's folder.",
    )
    auth: AuthSection = Field(default_factory=AuthSection.model_construct, description="See `auth` below.")
    models: dict[Annotated[str, Field(pattern=r"^[A-Za-z0-9_.:/-]{1,128}$")], ModelSection] = Field(
        min_length=1, description="The models, by the name that clients ask for."
    )
    limits: LimitsSection = Field(default_factory=LimitsSection.model_construct, description="See `limits` below.")
    policies: PoliciesSection = Field(
        default_factory=PoliciesSection.model_construct, description="See `policies` below."
    )
    audit: AuditSection = Field(default_factory=AuditSection.model_construct, description="See `audit` below.")
    telemetry: TelemetrySection = Field(
        default_factory=TelemetrySection.model_construct, description="See `telemetry` below."
    )
    state_dir: str | None = Field(
        default=None,
        min_length=1,
        max_length=4096,
        description="Folder for what outlives a process: policies last in force, break-glass grants, approvals. A "
        "relative one counts from the configuration file's folder. If not given: one of this configuration file's own "
        "below `$XDG_STATE_HOME/splitgate` or `~/.local/state/splitgate`.",
    )


# Where each section stands in the file: `*` is any list index or model name.
SECTIONS: Final[tuple[tuple[tuple[str, ...], type[Section]], ...]] = (
    ((), Document),
    (("server",), ServerSection),
    (("server", "tls"), ServerTlsSection),
    (("server", "embedded"), EmbeddedSection),
    (("keys", "*"), KeySection),
    (("keys", "*", "digests", "*"), DigestSection),
    (("auth",), AuthSection),
    (("auth", "oidc", "*"), OidcSection),
    (("auth", "oidc", "*", "claims"), ClaimsSection),
    *LIMIT_SECTIONS,
    (("policies",), PoliciesSection),
    (("audit",), AuditSection),
    (("audit", "ship", "*"), SinkSection),
    (("audit", "anchors", "*"), AnchorSection),
    (("telemetry",), TelemetrySection),
    (("telemetry", "metrics"), MetricsSection),
    (("telemetry", "traces"), TracesSection),
    (("models", "*"), ModelSection),
    (("models", "*", "templates", "*"), TemplateSection),
    (("models", "*", "targets", "*"), TargetSection),
    (("models", "*", "targets", "*", "timeouts"), TimeoutsSection),
    (("models", "*", "targets", "*", "breaker"), BreakerSection),
    (("models", "*", "targets", "*", "health"), HealthSection),
)

SHAPE: Final = Shape(document=Document, sections=SECTIONS, patterns={**PATTERNS, **LIMIT_PATTERNS, **TARGET_PATTERNS})
