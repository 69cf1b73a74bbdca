"""Which addresses are public, whatever they are written or wrapped as."""

from ipaddress import IPv4Address, IPv6Address, ip_address

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from gateway.domain.address import PUBLIC_ONLY, THIS_MACHINE, Addresses, Kind, is_loopback, kind_of, literal

KINDS = {
    Kind.PUBLIC: "1.1.1.1 8.8.8.8 9.255.255.255 11.0.0.0 100.63.255.255 100.128.0.0 126.255.255.255 128.0.0.0"
    " 169.253.255.255 169.255.0.0 172.15.255.255 172.32.0.0 192.167.255.255 192.169.0.0 223.255.255.255 168.63.129.17"
    " 2606:4700::1111 2a00:1450::1 ::ffff:8.8.8.8 64:ff9b::8.8.8.8 2002:808:808::1 2001:200::1",
    Kind.PRIVATE: "10.0.0.0 10.255.255.255 100.64.0.1 127.0.0.1 127.255.255.255 172.16.0.1 172.31.255.255 192.168.0.1"
    " ::1 fc00::1 fdff::1 ::ffff:127.0.0.1 ::ffff:10.1.2.3 64:ff9b::192.168.0.1 2002:a00:1::1 2002:7f00:1::"
    " 2a00::5efe:10.0.0.1 2a00::200:5efe:127.0.0.1",
    Kind.METADATA: "169.254.169.254 169.254.170.2 168.63.129.16 100.100.100.200 fd00:ec2::254 fd20:ce::254"
    " ::ffff:169.254.169.254 64:ff9b::169.254.169.254 2002:a9fe:a9fe::1",
    Kind.SPECIAL: "0.0.0.0 0.1.2.3 169.254.0.1 192.0.0.1 192.0.2.1 198.18.0.1 198.19.255.255 198.51.100.1 203.0.113.1"
    " 224.0.0.1 239.255.255.255 240.0.0.1 255.255.255.255 :: ::8.8.8.8 fe80::1 fe80::1%2 fec0::1 ff02::1 2001::1"
    " 2001:db8::1 3fff::1 64:ff9b:1::1 100::1 4000::1 ::ffff:0.0.0.0 ::ffff:224.0.0.1 fe80::5efe:8.8.8.8",
}


@pytest.mark.rows
@pytest.mark.parametrize(("text", "kind"), [(text, kind) for kind, texts in KINDS.items() for text in texts.split()])
def test_the_kind_of_an_address_is_known(text: str, kind: Kind) -> None:
    assert kind_of(ip_address(text)) is kind


def test_what_python_calls_private_or_worse_is_never_public() -> None:
    # The other way round need not hold: our lists are the longer ones.
    for number in range(0, 2**32, 65_537):
        address = IPv4Address(number)
        if not address.is_global or address.is_multicast:
            assert kind_of(address) is not Kind.PUBLIC, address


@given(st.integers(0x2 << 124, (0x4 << 124) - 1))
@example(int(ip_address("2001:20::1")))
@example(int(ip_address("2001:db8::")))
def test_the_same_for_ipv6(number: int) -> None:
    address = IPv6Address(number)
    assert address.is_global or kind_of(address) is not Kind.PUBLIC


@pytest.mark.rows
@pytest.mark.parametrize(
    ("allowed", "permitted", "refused"),
    [
        (PUBLIC_ONLY, "8.8.8.8 2606::1", "10.0.0.1 127.0.0.1 ::1 fd00::1 169.254.169.254 169.254.0.1 0.0.0.0"),
        (
            Addresses(private=True),
            "8.8.8.8 10.0.0.1 127.0.0.1 ::1 fd00::1 100.64.0.1 ::ffff:10.0.0.1",
            "169.254.169.254 168.63.129.16 fd00:ec2::254 100.100.100.200 169.254.0.1 0.0.0.0 224.0.0.1 fe80::1",
        ),
        (
            Addresses(networks=("10.20.0.0/16",)),
            "8.8.8.8 10.20.0.1 ::ffff:10.20.0.1",
            "10.21.0.1 127.0.0.1 fd00::1 169.254.169.254",
        ),
        (Addresses(networks=THIS_MACHINE), "127.0.0.1 127.9.9.9 ::1", "10.0.0.1 0.0.0.0 ::"),
        (Addresses(networks=("169.254.0.0/16", "fd00::/8")), "169.254.0.1 fd00::1", "169.254.169.254 fd00:ec2::254"),
        (Addresses(networks=("169.254.169.254/32",)), "169.254.169.254", "169.254.170.2 169.254.0.1"),
    ],
)
def test_beyond_public_addresses_only_what_is_allowed_is_permitted(
    allowed: Addresses, permitted: str, refused: str
) -> None:
    assert [one for one in permitted.split() if not allowed.permits(ip_address(one))] == []
    assert [one for one in refused.split() if allowed.permits(ip_address(one))] == []


@pytest.mark.rows
@pytest.mark.parametrize("host", ["127.0.0.1", "8.8.8.8", "::1", "[::1]", "[::ffff:127.0.0.1]", "fe80::1%2"])
def test_an_address_in_its_usual_form_is_one(host: str) -> None:
    assert literal(host) == ip_address(host.strip("[]"))


@pytest.mark.rows
@pytest.mark.parametrize(
    "host", ["localhost", "model.example", "model.example.", "1.example", "0x.example", "a-1", "x0"]
)
def test_a_name_is_a_name(host: str) -> None:
    assert literal(host) is None


@pytest.mark.rows
@pytest.mark.parametrize(
    "host",
    ["0x7f000001", "2130706433", "127.1", "127.0.1", "0177.0.0.1", "127.0.0.01", "127.0.0.1.", "127.0.0.0x1", "0x7f.1",
     "1.2.3.4.5", "256.1.1.1", "", ".", "\uff11\uff12\uff17.0.0.1", "127\u30020\u30020\u30021", "\u24db",
     "::1::", "a:b", "1.1.1.1%0"],
)  # fmt: skip
def test_what_some_take_for_an_address_and_some_for_a_name_is_refused(host: str) -> None:
    with pytest.raises(ValueError, match="usual form"):
        literal(host)


@pytest.mark.rows
@pytest.mark.parametrize(
    ("host", "loopback"),
    [
        ("localhost", True),
        ("127.0.0.1", True),
        ("127.3.2.1", True),
        ("::1", True),
        ("0.0.0.0", False),  # noqa: S104 - what is to be refused
        ("::", False),
        ("192.168.1.1", False),
        ("localhost.example", False),
        ("", False),
    ],
)
def test_loopback_is_known(host: str, loopback: bool) -> None:
    assert is_loopback(host) is loopback
