"""How a worker's parts fit together: what is credited, when it is ready."""

import asyncio
import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

import httpx
import pytest
from aiohttp import web

from adapters.registry import counter_named, embedder_named
from adapters.transport.httpx_client import HttpxClient
from gateway.compose import Layouts, offered, running_app, running_worker
from gateway.domain.errors import NotSayable, PoliciesRejected
from gateway.domain.isolation import Isolation
from gateway.domain.prompt import Data, Prompt, Speaker, Turn
from gateway.domain.request import Options
from gateway.domain.target import Endpoint, Target
from gateway.settings import Settings, load
from gateway.standing import Standing
from gateway.web.app import App

PATIENCE_S = 20.0


class Upstream(Protocol):
    url: str
    paths: list[str]

    def answer(self, body: dict[str, Any], status: int = 200) -> None: ...


SettingsOf = Callable[[str], Settings]


@pytest.fixture
def settings_of(tmp_path: Path) -> SettingsOf:
    def read(text: str) -> Settings:
        path = tmp_path / "splitgate.yaml"
        path.write_text(text, encoding="utf-8")
        return load(path, {})

    return read


def secalign(upstream: Upstream, more: str = "") -> str:
    return f"{{{openai(upstream)}, model: meta-secalign-8b, format: secalign{more}}}"


def openai(upstream: Upstream) -> str:
    return f'provider: openai_compatible, base_url: "{upstream.url}"'


async def readiness(app: App) -> int:
    transport = httpx.ASGITransport(app=app)  # pyright: ignore[reportArgumentType]
    async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as http:
        return (await http.get("/readyz")).status_code


async def eventually_ready(app: App) -> None:
    async with asyncio.timeout(PATIENCE_S):
        for _ in range(1_000_000):
            if await readiness(app) == 200:
                return
            await asyncio.sleep(0.01)


@pytest.mark.parametrize("transport", ["aiohttp", "httpx"])
async def test_a_server_that_shows_no_tokens_earns_no_native(
    settings_of: SettingsOf, upstream: Upstream, transport: str
) -> None:
    upstream.answer({"error": {"message": "not found"}}, status=404)
    text = f"server: {{transport: {transport}}}\nmodels: {{m: {{targets: [{secalign(upstream)}]}}}}"
    async with running_worker(settings_of(text), None) as worker:
        assert worker.standings() == {"m": Standing(reaches=Isolation.WRAPPED, example=Isolation.WRAPPED)}
        assert await readiness(worker.app) == 200
    assert upstream.paths == ["/tokenize"]


async def test_native_on_the_configurations_word_is_credited_at_once(
    settings_of: SettingsOf, upstream: Upstream
) -> None:
    text = f"models: {{m: {{targets: [{secalign(upstream, ', render_probe: off')}]}}}}"
    async with running_worker(settings_of(text), None) as worker:
        assert worker.standings() == {"m": Standing(reaches=Isolation.NATIVE, example=Isolation.NATIVE)}
    assert upstream.paths == []


async def test_the_example_is_refused_where_the_model_would_refuse_it(
    settings_of: SettingsOf, upstream: Upstream
) -> None:
    upstream.answer({}, status=404)
    template = '"Read {{page: data}}."'
    envelope = f"{{{openai(upstream)}, model: m, format: tool-envelope}}"
    text = f"""models:
  floor: {{min_isolation: native, targets: [{secalign(upstream, ", id: a")}]}}
  template: {{templates: [{{role: system, template: {template}}}], targets: [{{provider: embedded}}]}}
  second: {{min_isolation: channel, targets: [{{provider: embedded}}, {envelope}]}}
  unproven: {{min_separation: 0.5, targets: [{{provider: embedded}}]}}
"""
    async with running_worker(settings_of(text), "/nowhere") as worker:
        assert worker.standings() == {
            "floor": Standing(reaches=Isolation.WRAPPED, example=None),
            "template": Standing(reaches=Isolation.WRAPPED, example=None),
            "second": Standing(reaches=Isolation.CHANNEL, example=Isolation.CHANNEL),
            "unproven": Standing(reaches=Isolation.WRAPPED, example=None),
        }


AT_START = "server: {embedded: {start: at_start}}\nmodels: {m: {targets: [{provider: embedded}]}}"


async def test_with_the_embedded_model_at_start_it_is_ready_once_that_answers(
    settings_of: SettingsOf, tmp_path: Path
) -> None:
    path = str(tmp_path / "embedded.sock")
    async with running_app(settings_of(AT_START), path) as app:
        await asyncio.sleep(0.05)
        assert await readiness(app) == 503
        runner = web.AppRunner(_model())
        await runner.setup()
        await web.UnixSite(runner, path).start()
        await eventually_ready(app)
        await runner.cleanup()
        assert await readiness(app) == 200


def _model() -> web.Application:
    async def health(_: web.Request) -> web.Response:
        return web.json_response({"status": "ok"})

    application = web.Application()
    application.router.add_get("/health", health)
    return application


async def test_on_first_use_it_is_ready_without_the_embedded_model() -> None:
    async with running_app(load(None, {}), "/nowhere") as app:
        assert await readiness(app) == 200


async def test_at_start_means_nothing_where_no_model_is_embedded(settings_of: SettingsOf, upstream: Upstream) -> None:
    target = f"{{{openai(upstream)}, model: m}}"
    text = f"server: {{embedded: {{start: at_start}}}}\nmodels: {{m: {{targets: [{target}]}}}}"
    async with running_app(settings_of(text), None) as app:
        assert await readiness(app) == 200


async def test_a_target_without_a_socket_has_no_health_to_wait_for(settings_of: SettingsOf) -> None:
    async with running_app(settings_of(AT_START), None) as app:
        assert await readiness(app) == 200


def a_target(provider: str) -> Target:
    return Target(
        id=f"{provider}/1", provider=provider, base_url="http://x", model="m", format="plain", family="chatml"
    )


def test_what_providers_offer_is_made_once_and_named_where_it_is_not_there() -> None:
    made: list[str] = []

    def make(name: str) -> str | None:
        made.append(name)
        return None if name == "plain" else name.upper()

    able, other, plain = a_target("able"), a_target("able"), a_target("plain")
    find = offered((able, other, plain), make, "count tokens")
    assert (find(able), find(other)) == ("ABLE", "ABLE")
    with pytest.raises(NotSayable, match="plain/1 cannot count tokens"):
        find(plain)
    assert sorted(made) == ["able", "plain"]


def test_texts_to_embed_are_laid_out_by_the_targets_family_whatever_its_format() -> None:
    target = a_target("openai_compatible")
    data = Data(id="s1", origin="embedding", text="a<|im_end|>b")
    prompt = Prompt(turns=(Turn(speaker=Speaker.INPUT, segments=(data,)),))
    options = Options(extra={"instruction": "find <|im_end|>"})
    layout, clean = Layouts((target,)).texts(target, prompt, options)
    assert (layout.endpoint, layout.body) == (Endpoint.EMBEDDINGS, {"input": ["ab"]})
    assert clean.extra == {"instruction": "find "}
    assert [(removal.where, removal.count) for removal in layout.removals] == [("s1", 1), ("options", 1)]


@pytest.mark.parametrize("provider", ["embedded", "openai_compatible"])
def test_both_providers_count_and_embed(provider: str) -> None:
    client = HttpxClient()
    assert counter_named(provider, client) is not None
    assert embedder_named(provider, client) is not None


async def test_a_worker_whose_key_file_is_broken_is_not_ready_until_it_is_mended(
    settings_of: SettingsOf, upstream: Upstream, tmp_path: Path
) -> None:
    keys = tmp_path / "keys.jsonl"
    keys.write_text("broken")
    target = f"{{{openai(upstream)}, model: m}}"
    text = f"state_dir: {tmp_path / 'state'}\nkeys_file: keys.jsonl\nmodels: {{m: {{targets: [{target}]}}}}"
    async with running_app(settings_of(text), None) as app:
        assert await readiness(app) == 503
        keys.write_text("")
        await eventually_ready(app)


async def test_keys_are_read_again_even_where_policies_cannot_be(
    settings_of: SettingsOf, upstream: Upstream, tmp_path: Path
) -> None:
    keys, policy = tmp_path / "keys.jsonl", tmp_path / "policy.yaml"
    entry = json.dumps({"name": "app", "sha256": hashlib.sha256(b"planted").hexdigest()})
    keys.write_text(entry)
    target = f"{{{openai(upstream)}, model: m}}"
    text = (
        f"state_dir: {tmp_path / 'state'}\nkeys_file: keys.jsonl\nmodels: {{m: {{targets: [{target}]}}}}\n"
        f"policies: {{paths: [{policy}], watch: false}}"
    )
    policy.write_text("no policy")
    async with running_worker(settings_of(text), None) as worker:
        transport = httpx.ASGITransport(app=worker.app)  # pyright: ignore[reportArgumentType]
        async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as http:
            headers = {"x-api-key": "planted"}
            assert (await http.get("/v1/models", headers=headers)).status_code == 200
            keys.write_text("")
            with pytest.raises(PoliciesRejected):
                await worker.reload()
            assert (await http.get("/v1/models", headers=headers)).status_code == 401
