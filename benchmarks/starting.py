"""Which contenders take part, and how are their servers started?"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from benchmarks.contenders import SERVERS, Contender, Server, Site
from benchmarks.others import Missing
from benchmarks.outside import Outside
from benchmarks.processes import Cores, Process
from benchmarks.site import log_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Field:
    """Who takes part, the versions of those that are others' programs, and why somebody does not; by contender."""

    contenders: Sequence[Contender]
    versions: Mapping[str, str]
    left_out: Mapping[str, str]


def field_of(contenders: Sequence[Contender], servers: Sequence[Server] = SERVERS) -> Field:
    """Leave out those whose server is not on this machine."""
    looks = {server.name: server.look for server in servers}
    here: list[Contender] = []
    versions: dict[str, str] = {}
    left_out: dict[str, str] = {}
    for contender in contenders:
        found = looks[contender.server]() if contender.server in looks else None
        if isinstance(found, Missing):
            left_out[contender.name] = f"not on this machine: {found.what_to_do}"
            continue
        here.append(contender)
        if found is not None and found.version:
            versions[contender.name] = found.version
    return Field(contenders=here, versions=versions, left_out=left_out)


def servers_of(contenders: Sequence[Contender]) -> Sequence[Server]:
    """Those that are to be started, the upstream aside."""
    asked = {contender.server for contender in contenders}
    return [server for server in SERVERS if server.name in asked]


def started(server: Server, site: Site, cores: Cores) -> Process | Outside:
    """The server's process, which is waited for on entering its context."""
    command = server.command(site)
    if not server.listens:
        return Process(server.name, command, cores.server)
    return Outside(
        server.name,
        command,
        site.ports[server.name],
        log_of(site, server.name),
        cores=cores.of_server(server.cores),
        environ=server.environ,
    )


def crowded(server: Server, cores: Cores) -> bool:
    """Whether it has work for more cores than there are for it."""
    return 0 < len(cores.of_server(server.cores)) < server.cores
