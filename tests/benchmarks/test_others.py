import json
from pathlib import Path

from benchmarks.others import litellm_command, litellm_config, nginx_command, nginx_config, portkey_command
from benchmarks.scenarios import SCENARIOS


def test_nginx_passes_on_to_the_upstream_and_keeps_what_it_writes_in_its_folder(tmp_path: Path) -> None:
    told = nginx_config(tmp_path, 8001, 8002)
    assert "listen 127.0.0.1:8001 " in told
    assert "server 127.0.0.1:8002; keepalive 1024;" in told
    assert "access_log off;" in told
    # Each stream takes two: the client's and the upstream's.
    most = max(scenario.connections for scenario in SCENARIOS)
    assert int(told.partition("worker_connections ")[2].partition(";")[0]) > 2 * most
    assert int(told.partition(" keepalive ")[2].partition(";")[0]) >= most
    places = [line.split()[-1] for line in told.splitlines() if "_temp_path" in line or line.startswith("pid ")]
    assert len(places) == 6
    assert all(place.startswith(f"{tmp_path}/") for place in places)
    assert str(tmp_path / "nginx.conf") in nginx_command(tmp_path / "nginx.conf")


def test_litellm_knows_each_model_under_the_name_that_the_upstream_knows() -> None:
    models = json.loads(litellm_config(8002, ["whole", "stream-100-0"]))["model_list"]
    assert [(one["model_name"], one["litellm_params"]["model"]) for one in models] == [
        ("whole", "openai/whole"),
        ("stream-100-0", "openai/stream-100-0"),
    ]
    assert {one["litellm_params"]["api_base"] for one in models} == {"http://127.0.0.1:8002/v1"}


def test_those_that_are_told_their_port_are_told_it_once() -> None:
    assert litellm_command(Path("config.yaml"), 8001).count("8001") == 1
    assert portkey_command(8001).count("--port=8001") == 1
