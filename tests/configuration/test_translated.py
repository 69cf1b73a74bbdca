"""Targets that the litellm process calls."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from gateway.domain.address import PUBLIC_ONLY, Addresses
from gateway.domain.target import Target
from gateway.settings import Settings, load

SettingsOf = Callable[..., Settings]
Problems = Callable[..., Any]
ENVIRON = {"VPC": "https://10.2.0.7", "KEY": "planted-key", "ID": "planted-id", "SECRET": "planted-secret"}
ACCOUNT = "aws_region_name: eu-central-1, aws_access_key_id: env:ID, aws_secret_access_key: env:SECRET"


def one(**keys: str) -> str:
    told = ", ".join(f"{name}: {value}" for name, value in keys.items())
    return f"models: {{m: {{targets: [{{{told}}}]}}}}"


def bedrock(**keys: str) -> str:
    return one(**{"provider": "bedrock", "model": "amazon.nova-pro-v1:0", "credentials": f"{{{ACCOUNT}}}", **keys})


def litellm(**keys: str) -> str:
    return one(**{"provider": "litellm", "model": "gemini/gemini-2.5-pro", "api_key": "env:KEY", **keys})


@pytest.fixture
def target(settings_of: SettingsOf) -> Callable[[str], Target]:
    return lambda text: settings_of(text, ENVIRON).models["m"].targets[0]


@pytest.fixture
def faults(problems_of: Problems) -> Callable[[str], list[str]]:
    return lambda text: [problem.message for problem in problems_of(text, ENVIRON)]


def revealed(target: Target) -> dict[str, str]:
    assert target.translated is not None
    return {name: secret.reveal() for name, secret in target.translated.credentials.items()}


def test_a_target_behind_litellm_tells_its_process_alone_where_and_on_whose_account(
    target: Callable[[str], Target],
) -> None:
    found = target(litellm(base_url='"https://h.example/v1/"', api_version="2024-10-21", extra_params="[top_k]"))
    assert found.translated is not None
    assert (found.translated.model, found.translated.embeddings) == ("gemini/gemini-2.5-pro",) * 2
    assert found.translated.address == "https://h.example/v1"
    assert revealed(found) == {"api_key": "planted-key", "api_version": "2024-10-21"}
    # What the gateway's workers send to the process has none of it.
    assert (found.api_key, found.base_url, found.headers) == (None, "http://litellm.invalid/v1", {})
    assert (found.model, found.extra_params) == ("gemini/gemini-2.5-pro", {"top_k"})


@pytest.mark.rows
@pytest.mark.parametrize(
    ("text", "allowed"),
    [
        (litellm(), PUBLIC_ONLY),
        (litellm(base_url='"https://h.example"'), PUBLIC_ONLY),
        (litellm(base_url='"https://h.example"', allow_private="true"), Addresses(private=True)),
        (litellm(base_url='"https://10.2.0.7"'), Addresses(networks=("10.2.0.7/32",))),
        (
            bedrock(credentials=f"{{{ACCOUNT}, aws_bedrock_runtime_endpoint: env:VPC}}"),
            Addresses(networks=("10.2.0.7/32",)),
        ),
        (
            bedrock(
                credentials=f'{{{ACCOUNT}, aws_bedrock_runtime_endpoint: "https://b.example"}}',
                allow_addresses="[10.2.0.0/16]",
            ),
            Addresses(networks=("10.2.0.0/16",)),
        ),
    ],
)
def test_where_its_process_may_connect_to_is_known(
    target: Callable[[str], Target], text: str, allowed: Addresses
) -> None:
    assert target(text).addresses == allowed


def test_bedrock_is_always_asked_by_its_converse_api(target: Callable[[str], Target]) -> None:
    found = target(bedrock(model="eu.anthropic.claude-sonnet-4-5-20250929-v1:0"))
    assert found.translated is not None
    assert found.translated.model == "bedrock/converse/eu.anthropic.claude-sonnet-4-5-20250929-v1:0"
    assert found.translated.embeddings == "bedrock/eu.anthropic.claude-sonnet-4-5-20250929-v1:0"
    assert found.translated.address is None
    assert revealed(found) == {
        "aws_region_name": "eu-central-1",
        "aws_access_key_id": "planted-id",
        "aws_secret_access_key": "planted-secret",
    }


def test_bedrock_takes_a_key_of_its_own_and_an_arn(target: Callable[[str], Target]) -> None:
    arn = '"arn:aws:bedrock:eu-central-1:123:inference-profile/p"'
    found = target(bedrock(model=arn, api_key="env:KEY", credentials="{aws_region_name: eu-central-1}"))
    assert revealed(found) == {"aws_region_name": "eu-central-1", "api_key": "planted-key"}


def test_a_tool_envelope_declares_its_tool_unless_it_is_told_not_to(target: Callable[[str], Target]) -> None:
    assert target(bedrock(format="tool-envelope")).format_options == {"declare_tool": True}
    chosen = target(litellm(format="tool-envelope", format_options="{declare_tool: false}"))
    assert chosen.format_options == {"declare_tool": False}
    assert target(bedrock(format="spotlight")).format_options == {}


def test_a_whole_text_may_be_a_credential(target: Callable[[str], Target], tmp_path: Path) -> None:
    (tmp_path / "account.json").write_text('{\n  "type": "service_account"\n}\n')
    credentials = "{vertex_project: p, vertex_location: europe-west1, vertex_credentials: file:account.json}"
    found = target(one(provider="litellm", model="vertex_ai/gemini-2.5-pro", credentials=credentials))
    assert revealed(found)["vertex_credentials"] == '{\n  "type": "service_account"\n}'


def test_no_credential_is_in_a_representation(target: Callable[[str], Target]) -> None:
    assert "planted" not in repr(target(bedrock()))
    assert "planted" not in repr(target(litellm()))


@pytest.mark.rows
@pytest.mark.parametrize(
    ("text", "fault"),
    [
        (litellm(model="gemini-2.5-pro"), "must be litellm's name for the model, VENDOR/MODEL"),
        (litellm(model="bedrock/amazon.nova-pro-v1:0"), "use `provider: bedrock` for this"),
        (litellm(model='"gemini/a b"'), "characters that no model's name has"),
        (one(provider="litellm"), "the key `model` is missing here"),
        (bedrock(model="bedrock/amazon.nova-pro-v1:0"), "without `bedrock/`"),
        (bedrock(model="invoke/amazon.nova-pro-v1:0"), "without `invoke/`"),
        (litellm(base_url="not-an-address"), "`base_url` must be an http or https address"),
        (litellm(socket="/run/x.sock"), "`socket` means nothing to the provider litellm"),
        (litellm(allow_private="true"), "`allow_private` means nothing without `base_url`"),
        (bedrock(allow_addresses="[10.0.0.0/8]"), "`allow_addresses` means nothing without `base_url`"),
        (litellm(base_url='"https://h.example"', allow_addresses="[10.2.0.1/16]"), "must be a network, such as"),
        (litellm(base_url='"http://169.254.169.254"'), "hands out the credentials of its machines"),
        (litellm(headers="{x-a: b}"), "`headers` means nothing to the provider litellm"),
        (bedrock(trained="true"), "`trained` means nothing to the provider bedrock"),
        (bedrock(api_version="v1"), "`api_version` means nothing to the provider `bedrock`"),
        (litellm(format="secalign"), "does not speak what `secalign` lays out"),
        (bedrock(format="cohere-documents"), "does not speak what `cohere-documents` lays out"),
        (litellm(format="struq"), "does not speak what `struq` lays out"),
        (litellm(format="cohere-documents"), "is made for models named cohere/"),
        (litellm(model="groq/m", format="gemini-function-response"), "is made for models named gemini/"),
        (bedrock(credentials="{aws_region_name: r}"), "say on whose account"),
        (bedrock(credentials=f"{{{ACCOUNT.partition(', ')[2]}}}"), "`aws_region_name` is missing here"),
        (bedrock(api_key="env:KEY"), "there are AWS keys as well"),
        (bedrock(credentials=f"{{{ACCOUNT}, aws_profile_name: x}}"), "no credential is called `aws_profile_name`"),
        (bedrock(credentials=f"{{{ACCOUNT}, vertex_project: x}}"), "no credential is called `vertex_project`"),
        (litellm(credentials="{api_base: x}"), "no credential is called `api_base`"),
        (litellm(credentials='{vertex_project: "a b"}'), "`vertex_project` holds characters"),
        (litellm(credentials="{vertex_project: env:MISSING}"), "MISSING is missing or empty"),
        (litellm(credentials="{vertex_credentials: planted-literal}"), "must be a reference"),
        (litellm(credentials='{aws_bedrock_runtime_endpoint: "ftp://x"}'), "must be an http or https address"),
        (bedrock(base_url='"https://a.example"', credentials=f'{{{ACCOUNT}, aws_bedrock_runtime_endpoint: "https://b.example"}}'),
         "the address stands in `base_url` already"),
        (one(provider="openai_compatible", model="m", base_url='"https://h.example/v1"', credentials="{a: b}"),
         "`credentials` means nothing to the provider `openai_compatible`"),
    ],
)  # fmt: skip
def test_what_makes_no_sense_is_refused(faults: Callable[[str], list[str]], text: str, fault: str) -> None:
    (message,) = faults(text)
    assert fault in message
    assert "planted" not in message


@pytest.mark.rows
@pytest.mark.parametrize(
    "text",
    [
        litellm(model="cohere_chat/command-a-03-2025", format="cohere-documents"),
        litellm(format="gemini-function-response"),
        litellm(model="vertex_ai/gemini-2.5-pro", format="gemini-function-response"),
        bedrock(credentials=f'{{{ACCOUNT}, aws_bedrock_runtime_endpoint: "https://b.example"}}'),
        litellm(credentials="{vertex_project: env:KEY}"),
    ],
)
def test_and_what_does_is_taken(target: Callable[[str], Target], text: str) -> None:
    assert target(text).translated is not None


def test_a_literal_secret_is_shown_nowhere(problems_of: Problems) -> None:
    text = bedrock(credentials="{aws_region_name: r, aws_access_key_id: AKIAPLANTED, aws_secret_access_key: planted}")
    told = [str(problem) for problem in problems_of(text, ENVIRON)]
    assert len(told) == 2
    assert not any("planted" in one.casefold() for one in told), told


def test_without_the_package_a_start_is_refused_and_a_look_is_not(
    faults: Callable[[str], list[str]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "litellm", None)
    (message,) = faults(litellm())
    assert "pip install 'splitgate[litellm]'" in message
    (tmp_path / "splitgate.yaml").write_text(litellm())
    assert load(tmp_path / "splitgate.yaml", {}, offline=True).models["m"].targets[0].translated is not None
