"""What an entry's address says of where connections may lead."""

from collections.abc import Callable

import pytest

from gateway.domain.address import THIS_MACHINE, Addresses
from gateway.yamlfile.addresses import addresses_of
from gateway.yamlfile.problems import Problem
from gateway.yamlfile.report import Report
from gateway.yamlfile.source import read_source

Found = tuple[Addresses, tuple[Problem, ...]]
Of = Callable[..., Found]


@pytest.fixture
def of() -> Of:
    def of(host: str | None, *networks: str, private: bool = False) -> Found:
        report = Report(source=read_source("f", b"a: b\n"), faults=())
        found = addresses_of("base_url", host, (), report, private=private, networks=networks)
        return found, tuple(report.problems)

    return of


@pytest.mark.parametrize("host", ["model.example", "model.svc.cluster.local", "8.8.8.8", "2606:4700::1"])
def test_a_name_or_a_public_address_permits_nothing_more(of: Of, host: str) -> None:
    assert of(host) == (Addresses(), ())


@pytest.mark.parametrize(
    ("host", "network"),
    [("127.0.0.1", "127.0.0.1/32"), ("10.1.2.3", "10.1.2.3/32"), ("::1", "::1/128"), ("fd00::1", "fd00::1/128")],
)
def test_a_private_address_that_is_written_down_permits_itself_alone(of: Of, host: str, network: str) -> None:
    assert of(host) == (Addresses(networks=(network,)), ())


def test_localhost_permits_this_machine(of: Of) -> None:
    assert of("localhost") == (Addresses(networks=THIS_MACHINE), ())


@pytest.mark.parametrize("host", ["localhost.", "localhost.example", "a.localhost"])
def test_what_only_begins_or_ends_so_does_not(of: Of, host: str) -> None:
    assert of(host) == (Addresses(), ())


def test_settings_are_taken_as_they_are(of: Of) -> None:
    assert of("model.example", private=True) == (Addresses(private=True), ())
    assert of("model.example", "10.0.0.0/8", "::1") == (Addresses(networks=("10.0.0.0/8", "::1/128")), ())
    assert of("10.1.2.3", "10.20.0.0/16") == (Addresses(networks=("10.20.0.0/16", "10.1.2.3/32")), ())


@pytest.mark.parametrize(
    "host",
    ["169.254.169.254", "fd00:ec2::254", "::ffff:169.254.169.254", "0.0.0.0", "fe80::1", "224.0.0.1"],  # noqa: S104
)
def test_where_no_model_can_be_must_be_named(of: Of, host: str) -> None:
    _, (problem,) = of(host, private=True)
    assert problem.message.startswith("`base_url` holds an address that")
    assert "name it in `allow_addresses`" in problem.message
    assert of(host, host)[1] == ()


@pytest.mark.parametrize("host", ["127.1", "0x7f000001", "2130706433", "127.0.0.1.", "0177.0.0.1", "m\u00f6del"])
def test_an_address_in_an_unusual_form_is_refused(of: Of, host: str) -> None:
    _, (problem,) = of(host, private=True)
    assert "usual form" in problem.message


@pytest.mark.parametrize("network", ["10.20.0.1/16", "10.20/16", "*", "model.example", "", "10.0.0.0/33"])
def test_what_is_no_network_is_refused(of: Of, network: str) -> None:
    _, (problem,) = of("model.example", network)
    assert problem.message.startswith("must be a network")


def test_beside_a_socket_nothing_can_be_allowed(of: Of) -> None:
    assert of(None) == (Addresses(), ())
    for private, networks in ((True, ()), (False, ("10.0.0.0/8",))):
        _, (problem,) = of(None, *networks, private=private)
        assert "means nothing beside `socket`" in problem.message
