from dataclasses import replace

import pytest

from benchmarks.contenders import CONTENDERS, DIRECT, GATEWAYS, SERVERS, TWO_WORKERS, UPSTREAM
from benchmarks.others import Found, Missing
from benchmarks.processes import Cores
from benchmarks.starting import crowded, field_of, servers_of


def test_each_contenders_server_is_known_and_each_server_is_asked() -> None:
    asked = {contender.server for contender in CONTENDERS} - {UPSTREAM}
    assert asked == {server.name for server in SERVERS}
    assert asked > set(GATEWAYS)


def test_a_program_that_is_not_here_takes_no_part_and_one_that_is_tells_its_version() -> None:
    looks = {"nginx": lambda: Found(version="1.2"), "portkey": lambda: Missing(what_to_do="install it")}
    servers = [replace(server, look=looks.get(server.name, server.look)) for server in SERVERS]
    asked = [contender for contender in CONTENDERS if contender.name in (DIRECT, "nginx", "bare", "portkey")]
    field = field_of(asked, servers)
    assert [contender.name for contender in field.contenders] == [DIRECT, "nginx", "bare"]
    assert field.versions == {"nginx": "1.2"}
    assert field.left_out == {"portkey": "not on this machine: install it"}


def test_one_server_is_started_for_all_that_ask_it() -> None:
    split = [contender for contender in CONTENDERS if contender.name in (DIRECT, "gateway chat", "gateway split")]
    assert [server.name for server in servers_of(split)] == ["gateway"]


@pytest.mark.parametrize(
    ("cores", "of_server", "too_few"),
    [
        (Cores(server=None, load=None), set[int](), False),
        (Cores(server=0, load=0), {0}, True),
        (Cores(server=0, load=1), {0}, True),
        (Cores(server=0, load=1, more=(4, 5)), {0, 4}, False),
    ],
    ids=str,
)
def test_two_workers_have_two_cores_that_are_not_the_loads(cores: Cores, of_server: set[int], too_few: bool) -> None:
    server = next(server for server in SERVERS if server.name == TWO_WORKERS)
    assert cores.of_server(server.cores) == of_server
    assert crowded(server, cores) is too_few
