from collections.abc import Callable

import pytest

from adapters.embedded.models import offers_split
from adapters.registry import PROVIDERS
from gateway.domain.address import THIS_MACHINE, Addresses
from gateway.domain.isolation import Isolation
from gateway.domain.model import Persistence
from gateway.domain.target import BreakerLimits, HealthCheck, Timeouts
from gateway.settings import Settings
from gateway.yamlfile.problems import Problem

SettingsOf = Callable[..., Settings]
Message = Callable[..., str]
ProblemsOf = Callable[..., tuple[Problem, ...]]


def test_a_target_with_everything_is_read(target_of: SettingsOf) -> None:
    text = """base_url: "https://H.example:8443/api/v1/"
format: secalign
model: meta-secalign-8b
id: mine
socket: /run/model.sock
api_key: env:KEY
headers: {X-Team: "a b"}
family: llama3
reserved_tokens: ["<|mine|>"]
extra_params: [top_k]
timeouts: {connect: 1, idle: 2.5}
"""
    (target,) = target_of(text, {"KEY": "sk-1"}).models["m"].targets
    assert (target.id, target.provider, target.base_url) == (
        "mine",
        "openai_compatible",
        "https://H.example:8443/api/v1",
    )
    assert (target.model, target.format, target.family) == ("meta-secalign-8b", "secalign", "llama3")
    assert target.api_key is not None
    assert target.api_key.reveal() == "sk-1"
    assert target.socket == "/run/model.sock"
    assert target.headers == {"x-team": "a b"}
    assert target.reserved_tokens == ("<|mine|>",)
    assert target.extra_params == {"top_k"}
    assert target.timeouts == Timeouts(connect=1.0, idle=2.5)
    assert (target.ceiling, target.needs_probe, target.assumed) == (Isolation.NATIVE, True, False)


def test_a_target_with_nothing_gets_safe_defaults(target_of: SettingsOf) -> None:
    (target,) = target_of("").models["m"].targets
    assert (target.id, target.format, target.family) == ("m/1", "spotlight", "all")
    assert (target.ceiling, target.api_key, target.timeouts) == (Isolation.WRAPPED, None, Timeouts())


def test_the_family_is_guessed_by_the_models_name(target_of: SettingsOf) -> None:
    (target,) = target_of("model: Qwen2.5-7B-Instruct").models["m"].targets
    assert target.family == "qwen"


def test_the_embedded_model_is_wrapped_whatever_its_format(settings_of: SettingsOf) -> None:
    settings = settings_of(
        "models: {m: {targets: [{provider: embedded, format: tool-envelope}, {provider: embedded}]}}"
    )
    first, second = settings.models["m"].targets
    assert (first.format, first.ceiling) == ("tool-envelope", Isolation.WRAPPED)
    assert (second.format, second.ceiling, second.base_url) == (
        "spotlight",
        Isolation.WRAPPED,
        "http://embedded.invalid/v1",
    )


@pytest.mark.parametrize("form", ["spotlight", "tool-envelope"])
def test_the_split_model_is_wrapped_in_a_format_of_which_no_card_shows_more(settings_of: SettingsOf, form: str) -> None:
    settings = settings_of(
        f"models: {{m: {{targets: [{{provider: embedded, model: smollm2-135m-split, format: {form}}}]}}}}"
    )
    (target,) = settings.models["m"].targets
    assert (target.model, target.family) == ("smollm2-135m-split", "smollm")
    assert (target.ceiling, target.needs_probe) == (Isolation.WRAPPED, False)


def test_the_embedded_model_is_the_plain_one_unless_it_is_named(settings_of: SettingsOf) -> None:
    settings = settings_of(
        "models: {m: {targets: [{provider: embedded}, {provider: embedded, model: smollm2-135m-instruct}]}}"
    )
    assert [target.model for target in settings.models["m"].targets] == ["smollm2-135m-instruct"] * 2
    assert settings.warnings == ()


def test_a_split_model_that_is_not_there_is_warned_of(settings_of: SettingsOf) -> None:
    settings = settings_of("models: {m: {targets: [{provider: embedded, model: smollm2-135m-split}]}}")
    told = [warning for warning in settings.warnings if "smollm2-135m-split is not served" in warning]
    assert len(told) == (0 if offers_split() else 1)


def test_an_embedded_model_of_another_name_is_an_error(problems_of: Callable[..., object]) -> None:
    found = problems_of("models: {m: {targets: [{provider: embedded, model: smollm2-135m-splt}]}}")
    assert "no model is called `smollm2-135m-splt`; did you mean `smollm2-135m-split`?" in str(found)


@pytest.mark.rows
@pytest.mark.parametrize(
    "more",
    [
        "base_url: http://h/v1",
        "api_key: env:X",
        "headers: {}",
        "socket: /s",
        "trained: true",
        "allow_private: true",
        "allow_addresses: []",
    ],
)
def test_the_embedded_provider_takes_no_address_and_no_key(problems_of: Callable[..., object], more: str) -> None:
    found = problems_of(f"models: {{m: {{targets: [{{provider: embedded, {more}}}]}}}}")
    assert f"`{more.partition(':')[0]}` means nothing to the embedded provider" in str(found)


@pytest.mark.rows
@pytest.mark.parametrize(
    ("url", "fault"),
    [
        ("ftp://h/v1", "must be an http or https address"),
        ("h.example/v1", "must be an http or https address"),
        ("https:///v1", "must be an http or https address"),
        ("https://h:0/v1", "must be an http or https address"),
        ("https://h:99999/v1", "is not a valid address"),
        ("https://[::1/v1", "is not a valid address"),
        ("https://u:secret@h/v1", "must not hold credentials"),
        ("https://@h/v1", "must not hold credentials"),
        ("https://h/v1?", "must not have a query or fragment"),
        ("https://h/v1#x", "must not have a query or fragment"),
        ("https://h/v1/chat/completions", "must end before the route"),
        ("https://h/v1/messages", "must end before the route"),
        ("https://h /v1", "holds characters that no address has"),
        ("https://hé/v1", "holds characters that no address has"),
        ("https://127.1/v1", "must hold a host's name, or its address in the usual form"),
        ("https://0x7f000001/v1", "must hold a host's name, or its address in the usual form"),
        ("https://2130706433/v1", "must hold a host's name, or its address in the usual form"),
        ("https://127.0.0.1./v1", "must hold a host's name, or its address in the usual form"),
        ("https://169.254.169.254/v1", "holds an address that is where a cloud hands out"),
        ("https://[::ffff:169.254.169.254]/v1", "holds an address that is where a cloud hands out"),
        ("https://0.0.0.0/v1", "holds an address that is link-local, multicast, reserved or unspecified"),
        ("https://h\\\\v1", "holds characters that no address has"),
    ],
)
def test_an_address_that_could_lead_astray_is_refused(target_problem: Message, url: str, fault: str) -> None:
    message = target_problem(f'base_url: "{url}"')
    assert message.startswith(f"`base_url` {fault}")
    assert "secret" not in message


@pytest.mark.parametrize(
    "url", ["https://h.example", "http://127.0.0.1:8001/v1", "http://[::1]:80/v1", "https://h/v1/"]
)
def test_plain_addresses_are_taken_without_a_warning(target_of: SettingsOf, url: str) -> None:
    assert target_of(f'base_url: "{url}"').warnings == ()


@pytest.mark.parametrize(
    ("text", "addresses"),
    [
        ('base_url: "https://h.example"', Addresses()),
        ('base_url: "https://h.example"\nallow_private: true', Addresses(private=True)),
        ('base_url: "https://h.example"\nallow_addresses: [10.2.0.0/16]', Addresses(networks=("10.2.0.0/16",))),
        ('base_url: "https://10.2.3.4"', Addresses(networks=("10.2.3.4/32",))),
        ('base_url: "http://localhost:1"', Addresses(networks=THIS_MACHINE)),
        ('base_url: "http://localhost:1"\nsocket: /s', Addresses()),
    ],
)
def test_where_its_address_may_lead_is_known(target_of: SettingsOf, text: str, addresses: Addresses) -> None:
    (target,) = target_of(text).models["m"].targets
    assert target.addresses == addresses


@pytest.mark.rows
@pytest.mark.parametrize(
    ("more", "fault"),
    [
        ("allow_addresses: [10.2.0.1/16]", "must be a network, such as"),
        ("socket: /s\nallow_private: true", "`allow_private` means nothing beside `socket`"),
        ("socket: /s\nallow_addresses: [10.2.0.0/16]", "`allow_addresses` means nothing beside `socket`"),
        ("allow_private: yes please", "allow_private` must be true or false"),
    ],
)
def test_permissions_that_cannot_be_meant_are_refused(target_problem: Message, more: str, fault: str) -> None:
    assert fault in target_problem(more)


def test_plain_http_to_another_machine_is_warned_of(target_of: SettingsOf) -> None:
    (warning,) = target_of('base_url: "http://h.example/v1"').warnings
    assert "unencrypted" in warning
    assert ":6:" in warning or ":5:" in warning


def test_plain_http_over_a_unix_socket_is_fine(target_of: SettingsOf) -> None:
    assert target_of('base_url: "http://h.example/v1"\nsocket: /run/x').warnings == ()


@pytest.mark.parametrize("name", ["model", "base_url"])
def test_an_upstream_needs_an_address_and_a_model(target_problem: Message, name: str) -> None:
    assert target_problem(f"{name}: null").startswith(f"the key `{name}` is missing here")


AZURE = 'provider: azure\nbase_url: "https://r.openai.azure.com{path}"'


def test_an_azure_target_may_have_either_address(target_of: SettingsOf) -> None:
    (target,) = target_of(AZURE.format(path="/openai/v1/")).models["m"].targets
    assert (target.base_url, target.auth, target.api_version) == ("https://r.openai.azure.com/openai/v1", "key", None)
    (target,) = target_of(AZURE.format(path="") + "\napi_version: 2024-10-21\nauth: bearer").models["m"].targets
    assert (target.base_url, target.auth, target.api_version) == ("https://r.openai.azure.com", "bearer", "2024-10-21")


@pytest.mark.rows
@pytest.mark.parametrize(
    ("path", "more", "fault"),
    [
        ("", "", "`api_version` is missing here; add one, such as 2024-10-21, or end base_url in /openai/v1"),
        ("/openai", "\napi_version: 2024-10-21", "`base_url` must end in /openai/v1, or before /openai: "),
        (
            "/openai/deployments/m",
            "\napi_version: 2024-10-21",
            "`base_url` must end in /openai/v1, or before /openai: ",
        ),
        ("", "\napi_version: 2024-10-21&a=b", "`models.m.targets[0].api_version` "),
        ("", "\napi_version: 2024-10-21\nauth: entra", "`models.m.targets[0].auth` must be 'key' or 'bearer'"),
    ],
)
def test_an_azure_target_that_could_not_be_reached_is_refused(
    target_problem: Message, path: str, more: str, fault: str
) -> None:
    assert target_problem(AZURE.format(path=path) + more).startswith(fault)


@pytest.mark.parametrize("setting", ["api_version: 2024-10-21", "auth: bearer"])
def test_a_setting_of_another_provider_is_refused(
    target_problem: Message, problems_of: Callable[..., object], setting: str
) -> None:
    name = setting.partition(":")[0]
    assert target_problem(setting) == f"`{name}` means nothing to the provider `openai_compatible`; remove it"
    found = problems_of(f"models: {{m: {{targets: [{{provider: embedded, {setting}}}]}}}}")
    assert f"`{name}` means nothing to the provider `embedded`" in str(found)


@pytest.mark.rows
@pytest.mark.parametrize(
    ("headers", "fault"),
    [
        ("{Authorization: 'Bearer x'}", "`Authorization` carries credentials; use `api_key: env:NAME`"),
        ("{X-Api-Key: x}", "`X-Api-Key` carries credentials; use `api_key: env:NAME`"),
        ("{Host: x}", "`Host` is set by the gateway itself; remove it"),
        ("{'a b': x}", "is not a header's name"),
        ('{x-a: "b\\r\\nx-c: d"}', "the value of `x-a` must be printable ASCII without blanks around it"),
        ("{x-a: ' b'}", "the value of `x-a` must be printable ASCII without blanks around it"),
        ("{x-a: b, X-A: c}", "a header stands twice in different spelling; keep one"),
    ],
)
def test_headers_that_would_do_harm_are_refused(target_problem: Message, headers: str, fault: str) -> None:
    assert target_problem(f"headers: {headers}") == fault


@pytest.mark.rows
@pytest.mark.parametrize("name", ["api_base", "chat_template", "echo", "documents"])
def test_extra_params_cannot_open_what_clients_may_never_set(target_problem: Message, name: str) -> None:
    assert f"`{name}` is never taken from clients" in target_problem(f"extra_params: [top_k, {name}]")


@pytest.mark.rows
@pytest.mark.parametrize(
    ("more", "fault"),
    [
        ("provider: openai_compatibel", "no provider is called `openai_compatibel`; did you mean `openai_compatible`?"),
        ("provider: zzz", f"no provider is called `zzz`; there are {', '.join(sorted(PROVIDERS))}"),
        ("format: secalgn", "no format is called `secalgn`; did you mean `secalign`?"),
        ("family: lama3", "no family is called `lama3`; did you mean `llama3`?"),
    ],
)
def test_unknown_names_are_refused_with_the_nearest(target_problem: Message, more: str, fault: str) -> None:
    assert target_problem(more) == fault


def test_a_format_checks_its_own_settings(target_problem: Message, target_of: SettingsOf) -> None:
    assert "zzz" in target_problem("format: spotlight\nformat_options: {zzz: 1}")
    assert target_of("format: spotlight\nformat_options: {}").models["m"].targets[0].format_options == {}


def test_a_target_of_anthropics_takes_its_own_fields(target_of: SettingsOf) -> None:
    text = "provider: anthropic\nmodel: claude-sonnet-4-5\nformat: anthropic-blocks\nextra_params: [speed]"
    (target,) = target_of(text).models["m"].targets
    assert (target.provider, target.format, target.family) == ("anthropic", "anthropic-blocks", "claude")
    assert (target.ceiling, target.needs_probe) == (Isolation.CHANNEL, False)
    assert target.extra_params == {"cache_control", "speed", "thinking", "top_k"}


def test_a_format_must_be_one_that_the_provider_speaks(target_problem: Message) -> None:
    told = "the provider `{}` does not speak what `{}` lays out; it takes "
    assert target_problem("provider: anthropic") == told.format("anthropic", "spotlight") + "anthropic-blocks"
    other_way = target_problem("format: anthropic-blocks")
    assert other_way.startswith(told.format("openai_compatible", "anthropic-blocks"))
    assert "tool-envelope" in other_way


def test_the_settings_of_anthropics_format_are_checked(target_problem: Message) -> None:
    text = "provider: anthropic\nformat: anthropic-blocks\nformat_options: {place: user}"
    assert "place: must be one of document, search_result, tool_result" in target_problem(text)


def test_a_literal_key_is_refused_and_not_shown(problems_of: Callable[..., object]) -> None:
    target = "{provider: openai_compatible, base_url: 'https://h/v1', model: m, api_key: sk-hunter2}"
    found = str(problems_of(f"models: {{m: {{targets: [{target}]}}}}"))
    assert "must be a reference" in found
    assert "hunter2" not in found


def test_when_a_target_is_left_alone_is_read(target_of: SettingsOf) -> None:
    (target,) = target_of("").models["m"].targets
    assert (target.tier, target.weight, target.breaker, target.health) == (1, 1.0, BreakerLimits(), None)
    text = """tier: 2
weight: 0.5
breaker: {failures: 3, cooldown_s: 1, longest_s: 4, longest_rest_s: 0}
health: {path: /health, interval_s: 5, timeout_s: 1.5, failures: 4}
"""
    (target,) = target_of(text).models["m"].targets
    assert (target.tier, target.weight) == (2, 0.5)
    assert target.breaker == BreakerLimits(failures=3, cooldown_s=1.0, longest_s=4.0, longest_rest_s=0.0)
    assert target.health == HealthCheck(path="/health", interval_s=5.0, timeout_s=1.5, failures=4)


@pytest.mark.rows
@pytest.mark.parametrize(
    ("more", "said"),
    [
        ("breaker: {cooldown_s: 10, longest_s: 5}", "as long as `cooldown_s`"),
        ("health: {path: /health, interval_s: 1, timeout_s: 2}", "not be longer than `interval_s`"),
        ("health: {path: health}", "begins with a slash"),
        ("health: {path: '/health?key=1'}", "without a query"),
        ("health: {path: '//elsewhere.example/'}", "without a query"),
        ("health: {}", "path"),
        ("weight: 0", "greater than 0"),
        ("tier: 0", "at least 1"),
    ],
)
def test_what_makes_no_sense_there_is_refused(target_problem: Message, more: str, said: str) -> None:
    assert said in target_problem(more)


@pytest.mark.parametrize(
    "target",
    [
        "provider: embedded",
        "provider: litellm, model: gemini/gemini-2.5-pro, api_key: 'env:KEY'",
    ],
)
def test_processes_of_ours_are_not_asked_how_they_are(problems_of: ProblemsOf, target: str) -> None:
    text = f"models: {{m: {{targets: [{{{target}, health: {{path: /health}}}}]}}}}"
    assert "`health` means nothing" in " ".join(one.message for one in problems_of(text, {"KEY": "k"}))


def test_how_long_a_model_is_tried_is_read(settings_of: SettingsOf) -> None:
    target = "{provider: embedded, id: %s, tier: %d}"
    text = "models: {m: {balance: least_pending, retries: 0, max_wait_s: 0, deadline_s: 30, targets: [%s]}}"
    targets = ", ".join([target % ("a", 2), target % ("b", 1), target % ("c", 2), target % ("d", 1)])
    model = settings_of(text % targets).models["m"]
    assert model.balance == "least_pending"
    assert model.persistence == Persistence(retries=0, max_wait_s=0.0, deadline_s=30.0)
    # Lower tiers first, and else as they stand.
    assert [target.id for target in model.targets] == ["b", "d", "a", "c"]
    model = settings_of("models: {m: {targets: [{provider: embedded}]}}").models["m"]
    assert (model.balance, model.persistence) == ("in_order", Persistence())
