"""Is a target sound that the litellm process calls, and what is that process told of it?

The providers ``litellm`` and ``bedrock``. Which names may stand among the credentials is listed here: litellm takes
many more, some of which would send a call elsewhere or read files.
"""

import re
from importlib.util import find_spec
from typing import Final

from gateway.configuration.address import check_address
from gateway.configuration.schema import TargetSection
from gateway.configuration.secrets import Surroundings, resolve
from gateway.domain.target import Secret, Translated
from gateway.yamlfile.problems import Loc
from gateway.yamlfile.report import Report

PROVIDERS: Final = frozenset({"litellm", "bedrock"})
# The process answers on a Unix socket, whose path the supervisor knows: this host is never resolved.
URL: Final = "http://litellm.invalid/v1"

_SECRETS: Final = frozenset({"aws_access_key_id", "aws_secret_access_key", "aws_session_token", "vertex_credentials"})
_ENDPOINT: Final = "aws_bedrock_runtime_endpoint"
_PLAIN: Final = frozenset({_ENDPOINT, "aws_region_name", "vertex_location", "vertex_project"})
_AWS: Final = frozenset({name for name in _SECRETS | _PLAIN if name.startswith("aws_")})
# Credentials that are no word but a whole JSON text.
_TEXTS: Final = frozenset({"vertex_credentials"})
_REFUSED: Final = (
    *("socket", "headers", "trained", "render_probe"),
    *("ca_file", "client_cert_file", "client_key_file"),
)
_WHERE: Final = ("allow_private", "allow_addresses")
_MODEL: Final = re.compile(r"[A-Za-z0-9_.:/@+-]{1,256}")
_VENDOR: Final = re.compile(r"[a-z0-9_]{2,40}/.+")
_VALUE: Final = re.compile(r"[A-Za-z0-9_.:-]{1,256}")
# How litellm is asked for one of Bedrock's other routes. Ours is always Converse, which has a place for tool results;
# the older ones write a whole conversation as one text.
_ROUTES: Final = frozenset({
    "agent", "agentcore", "async_invoke", "bedrock", "claude_platform", "converse", "converse_like", "invoke",
    "mantle", "openai",
})  # fmt: skip


def build_translated(
    section: TargetSection, loc: Loc, report: Report, surroundings: Surroundings, key: Secret | None
) -> Translated | None:
    """What the litellm process is told of the target; None where the report says why not."""
    before = report.count
    bedrock = section.provider == "bedrock"
    if not surroundings.offline and find_spec("litellm") is None:
        message = f"the provider {section.provider} needs the package litellm; install it: pip install"
        report.add((*loc, "provider"), f"{message} 'splitgate[litellm]'")
    for name in _REFUSED:
        if name in section.model_fields_set:
            report.add(
                (*loc, name), f"`{name}` means nothing to the provider {section.provider}; remove it", at_key=True
            )
    _check_where(section, loc, report)
    _check_model(section, loc, report)
    given = _credentials(section, loc, report, surroundings)
    if bedrock:
        _check_account(section, loc, report)
    if report.count > before:
        return None
    if key is not None:
        given["api_key"] = key
    if section.api_version is not None:
        given["api_version"] = Secret(section.api_version)
    model = section.model or ""
    return Translated(
        model=f"bedrock/converse/{model}" if bedrock else model,
        embeddings=f"bedrock/{model}" if bedrock else model,
        address=section.base_url and section.base_url.rstrip("/"),
        credentials=given,
    )


def _check_where(section: TargetSection, loc: Loc, report: Report) -> None:
    if section.base_url is not None:
        check_address(section.base_url, (*loc, "base_url"), report)
    elif _ENDPOINT not in section.credentials:
        for name in [name for name in _WHERE if name in section.model_fields_set]:
            message = f"`{name}` means nothing without `base_url`: vendors' own addresses are public; remove it"
            report.add((*loc, name), message, at_key=True)


def address_of(told: Translated) -> str | None:
    """The address at which the vendor is called, if it is not the usual one."""
    endpoint = told.credentials.get(_ENDPOINT)
    return told.address if endpoint is None else endpoint.reveal()


def _check_model(section: TargetSection, loc: Loc, report: Report) -> None:
    where: Loc = (*loc, "model")
    model = section.model
    first = (model or "").partition("/")[0]
    if model is None:
        example = (
            "anthropic.claude-sonnet-4-5-20250929-v1:0" if section.provider == "bedrock" else "gemini/gemini-2.5-pro"
        )
        report.add(where, f"the key `model` is missing here; add the model's name, such as {example}")
    elif not _MODEL.fullmatch(model):
        report.add(where, "the model's name holds characters that no model's name has")
    elif section.provider == "bedrock":
        if "/" in model and first in _ROUTES:
            report.add(where, f"write the model's id at Bedrock alone, without `{first}/`")
    elif first == "bedrock":
        report.add(where, "use `provider: bedrock` for this, and the model's name without `bedrock/`")
    elif not _VENDOR.fullmatch(model):
        report.add(where, "must be litellm's name for the model, VENDOR/MODEL, such as gemini/gemini-2.5-pro")


def _credentials(section: TargetSection, loc: Loc, report: Report, surroundings: Surroundings) -> dict[str, Secret]:
    found: dict[str, Secret] = {}
    known = _AWS if section.provider == "bedrock" else _SECRETS | _PLAIN
    for name, value in section.credentials.items():
        where: Loc = (*loc, "credentials", name)
        if not report.expect_name(where, "credential", name, known, at_key=True):
            continue
        secret = _credential(name, value, where, report, surroundings)
        if secret is not None:
            found[name] = secret
    if _ENDPOINT in section.credentials and section.base_url is not None:
        report.add((*loc, "credentials", _ENDPOINT), "the address stands in `base_url` already; keep one", at_key=True)
    return found


def _credential(name: str, value: str, loc: Loc, report: Report, surroundings: Surroundings) -> Secret | None:
    if name in _SECRETS or value.startswith(("env:", "file:")):
        try:
            return resolve(value, surroundings, at=loc, in_header=name not in _TEXTS)
        except ValueError as error:
            report.add(loc, f"`{name}`: {error}")
            return None
    if name == _ENDPOINT:
        check_address(value, loc, report, what=name)
    elif not _VALUE.fullmatch(value):
        report.add(loc, f"`{name}` holds characters that no such value has; it may also be `env:NAME` or `file:PATH`")
    return Secret(value)


def _check_account(section: TargetSection, loc: Loc, report: Report) -> None:
    given = section.credentials
    if "aws_region_name" not in given:
        report.add((*loc, "credentials"), "`aws_region_name` is missing here; add the region, such as eu-central-1")
    pair = {"aws_access_key_id", "aws_secret_access_key"}
    if section.api_key is None and not pair <= given.keys():
        # Nothing is looked for in the surroundings: neither variables, nor files, nor the machine's own account.
        message = "say on whose account: `aws_access_key_id` and `aws_secret_access_key`, or a Bedrock `api_key`"
        report.add((*loc, "credentials"), message)
    elif section.api_key is not None and (pair | {"aws_session_token"}) & given.keys():
        report.add((*loc, "api_key"), "there are AWS keys as well; keep one kind of credentials", at_key=True)
