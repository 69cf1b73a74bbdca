from collections.abc import Callable

import pytest

from gateway.domain.address import Addresses
from gateway.yamlfile.problems import Problem
from policies.engine.load_detectors import detector_names
from policies.engine.model import PiiSettings, Policy, Recognizer, UrlSettings
from policies.engine.vocabulary import BASE

Read = Callable[..., Policy]
Problems = Callable[..., tuple[Problem, ...]]

EXTERNAL = {"name": "vendor", "kind": "webhook", "url": '"https://c.example/x"'}


def pii(text: str) -> str:
    return f"detectors: {{pii: {{{text}}}}}"


def external(**more: str) -> str:
    return ", ".join(f"{key}: {text}" for key, text in {**EXTERNAL, **more}.items())


def detectors(*each: str) -> str:
    return "detectors: {external: [" + ", ".join(f"{{{one}}}" for one in each) + "]}"


def test_detectors_are_read_whole(policy_from: Read, sound: str) -> None:
    read = policy_from(sound).detectors
    assert read.pii == PiiSettings(
        languages=("en", "de"),
        entities=("EMAIL_ADDRESS",),
        threshold=0.5,
        ner=True,
        ner_timeout_ms=900,
        recognizers=(Recognizer(entity="STAFF_NUMBER", pattern=r"S\d{6}", score=0.8, context=("staff",)),),
    )
    hosts = ("partner.example", "*.acme.example")
    assert read.urls == UrlSettings(allowed_hosts=hosts, protected_hosts=("acme.example",))
    assert read.output_schema == {"type": "object", "required": ("a",)}
    (vendor,) = read.external
    assert (vendor.name, vendor.kind, vendor.url) == ("vendor", "webhook", "https://c.example/x")
    assert (vendor.timeout_ms, vendor.max_chars) == (80, 9)
    assert vendor.key is not None
    assert vendor.key.reveal() == "sk-1"


@pytest.mark.rows
@pytest.mark.parametrize(
    ("pattern", "message"),
    [
        ("(?=x)", "the pattern is no regular expression in RE2's syntax"),
        (r"(x)\1", "the pattern is no regular expression in RE2's syntax"),
        ("x*", "the pattern matches the empty text"),
        ("\\ud800", "the pattern is no regular expression in RE2's syntax"),
    ],
)
def test_a_recognizer_that_could_not_run_is_refused(problems_with: Problems, pattern: str, message: str) -> None:
    (problem,) = problems_with(pii(f"recognizers: [{{entity: A, pattern: '{pattern}'}}]"))
    assert problem.message.startswith(message)
    assert (problem.line, problem.column) == (6, 56)


def test_a_recognizer_with_a_linear_pattern_is_used(policy_with: Read) -> None:
    text = pii("recognizers: [{entity: A, pattern: 'x+'}]")
    assert policy_with(text).detectors.pii.recognizers == (Recognizer(entity="A", pattern="x+"),)


@pytest.mark.rows
@pytest.mark.parametrize("host", ["https://a.example", "a.example/x", "a.example:443", "a b", "'*'", "'**.a'", "''"])
@pytest.mark.parametrize("key", ["allowed_hosts", "protected_hosts"])
def test_what_is_no_host_is_refused_where_it_stands(problems_with: Problems, key: str, host: str) -> None:
    (problem,) = problems_with(f"detectors: {{urls: {{{key}: [a.example, {host}]}}}}")
    assert "must be a host name alone" in problem.message
    assert (problem.excerpt or "")[(problem.column or 0) - 1 :].startswith(host)
    (problem,) = problems_with(f"lists: {{hosts: [{host}]}}", f"detectors: {{urls: {{{key}: lists.hosts}}}}")
    assert (problem.line, problem.column) == (6, 19)


@pytest.mark.rows
@pytest.mark.parametrize("host", ["a.example", "'*.a.example'", "xn--bcher-kva.example", "bücher.example", "10.0.0.1"])
def test_host_names_are_taken(policy_with: Read, host: str) -> None:
    policy = policy_with(f"detectors: {{urls: {{allowed_hosts: [{host}]}}}}")
    assert policy.detectors.urls.allowed_hosts == (host.strip("'"),)


def test_hosts_can_be_a_list_by_name(policy_with: Read, problems_with: Problems) -> None:
    policy = policy_with("lists: {hosts: [A.example]}", "detectors: {urls: {allowed_hosts: lists.hosts}}")
    assert policy.detectors.urls.allowed_hosts == ("a.example",)
    assert policy.warnings == ()
    (problem,) = problems_with("lists: {hosts: [a]}", "detectors: {urls: {allowed_hosts: lists.hots}}")
    assert problem.message == "no list is called `hots`; did you mean `hosts`?"
    (problem,) = problems_with("detectors: {urls: {allowed_hosts: 3}}")
    assert problem.message == "`spec.detectors.urls.allowed_hosts` must be a list"


@pytest.mark.rows
@pytest.mark.parametrize(
    ("url", "fault"),
    [
        ("http://c.example/x", "must be https"),
        ("ftp://c.example", "must be an https address"),
        ("https://", "must be an https address"),
        ("https://h:0/x", "must be an https address"),
        ("https://h/#x", "must be an https address"),
        ("https://u:hunter2@h/x", "must not hold credentials"),
        ("https://h:99999/x", "is not a valid address"),
        ("https://[::1/x", "is not a valid address"),
        ("https://h/a b", "holds characters"),
        ("https://h\\\\x", "holds characters"),
    ],
)
def test_a_classifier_that_cannot_be_reached_safely_is_refused(problems_with: Problems, url: str, fault: str) -> None:
    (problem,) = problems_with(detectors(external(url=f'"{url}"')))
    assert problem.message.startswith(f"`url` {fault}")
    assert "hunter2" not in problem.message + (problem.excerpt or "")


def test_where_a_classifiers_address_may_lead_is_known(policy_with: Read, problems_with: Problems) -> None:
    for more, expected in (
        ({}, Addresses()),
        ({"allow_private": "true"}, Addresses(private=True)),
        ({"allow_addresses": "[10.2.0.0/16]"}, Addresses(networks=("10.2.0.0/16",))),
        ({"url": "http://127.0.0.1:9/x"}, Addresses(networks=("127.0.0.1/32",))),
    ):
        (vendor,) = policy_with(detectors(external(**more))).detectors.external
        assert vendor.addresses == expected
    for wrong in ({"url": "https://169.254.169.254/x"}, {"url": "https://127.1/x"}, {"allow_addresses": "[x]"}):
        (problem,) = problems_with(detectors(external(**wrong)))
        assert "address" in problem.message


@pytest.mark.rows
@pytest.mark.parametrize(
    "url", ["https://c.example/x?y=1", "http://127.0.0.1:9/x", "http://localhost/", "http://[::1]:9/"]
)
def test_https_and_this_machine_are_reached(policy_with: Read, url: str) -> None:
    (vendor,) = policy_with(detectors(external(url=f'"{url}"'))).detectors.external
    assert (vendor.url, vendor.key) == (url, None)


@pytest.mark.parametrize("name", ["secrets", "vendor"])
def test_a_classifiers_name_is_its_own(problems_with: Problems, name: str) -> None:
    (problem,) = problems_with(detectors(external(), external(name=name)))
    assert problem.message == f"another detector is called `{name}`; choose another name"


def test_a_key_is_never_written_into_the_file(problems_with: Problems) -> None:
    (problem,) = problems_with(detectors(external(key="sk-hunter2")))
    assert problem.message.startswith("`key`: must be a reference")
    assert "hunter2" not in (problem.excerpt or "")
    (problem,) = problems_with(detectors(external(key="env:ABSENT")))
    assert problem.message == "`key`: the environment variable ABSENT is missing or empty; set ABSENT to the key"


def test_what_detectors_refuse_is_told_where_it_stands(problems_with: Problems, rules: Callable[..., str]) -> None:
    (problem, other) = problems_with(pii("entities: [A, ZZ]"), rules({"when": "det.secrets.fund"}), *[])
    assert (problem.line, problem.column, problem.message) == (6, 35, "no entity is called `ZZ`")
    assert "did you mean `det.secrets.found`?" in other.message


def test_a_classifier_that_detectors_refuse_is_still_known_to_conditions(
    problems_with: Problems, rules: Callable[..., str]
) -> None:
    line = f"detectors: {{pii: {{entities: [ZZ]}}, external: [{{{external()}}}]}}"
    (problem,) = problems_with(line, rules({"when": "det.vendor.score > 0.5"}))
    assert problem.message == "no entity is called `ZZ`"


def test_a_refused_classifier_is_told_once(problems_with: Problems) -> None:
    (problem,) = problems_with(detectors(external(url='"https://c.example/refused"')))
    assert problem.message == "no such service"


def test_a_classifier_of_a_wrong_shape_keeps_its_name(problems_with: Problems, rules: Callable[..., str]) -> None:
    (problem,) = problems_with(detectors(external(kind="webhok")), rules({"when": "det.vendor.score > 0.5"}))
    assert problem.message.endswith("did you mean `webhook`?")


def test_only_detectors_are_called_detectors() -> None:
    assert detector_names(BASE) == frozenset()
