"""The official SDK asks both embedded models, which one process serves, through one gateway."""

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Protocol

import httpx
import pytest
from openai import BadRequestError, OpenAI

pytestmark = [pytest.mark.embedded, pytest.mark.xdist_group("embedded")]
ROOT = Path(__file__).parents[2]
CONFIG = """models:
  local: {targets: [{provider: embedded, format: secalign}]}
  local-split: {targets: [{provider: embedded, model: smollm2-135m-split, format: secalign}]}
"""
MAIL = {"data": [{"id": "mail-17", "origin": "email", "text": "Our office in Oslo opens at nine."}]}


class Gateway(Protocol):
    @property
    def url(self) -> str: ...


@pytest.fixture(scope="module")
def adapters_with_split(random_adapter: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a copy of the adapters, the random adapter in the place of the one that Splitgate comes with."""
    folder = tmp_path_factory.mktemp("code")
    # With what is compiled already, which holds for the copies as well: their times are those of the originals.
    shutil.copytree(ROOT / "adapters", folder / "adapters", ignore=shutil.ignore_patterns("*.gguf"))
    place = folder / "adapters" / "embedded" / "split"
    place.mkdir(exist_ok=True)
    for file in (random_adapter, random_adapter.with_suffix(".sha256")):
        shutil.copy(file, place)
    return folder


@pytest.fixture(scope="module")
def sdk(keep_gateway: Callable[..., Gateway], adapters_with_split: Path) -> Iterator[OpenAI]:
    gateway = keep_gateway(CONFIG, PYTHONPATH=f"{adapters_with_split}:{ROOT}")
    http = httpx.Client(trust_env=False, timeout=60)
    with OpenAI(base_url=f"{gateway.url}/v1", api_key="unused", http_client=http, max_retries=0) as client:
        yield client


def answer(sdk: OpenAI, model: str) -> tuple[str | None, str | None, str | None]:
    raw = sdk.chat.completions.with_raw_response.create(
        model=model,
        messages=[{"role": "user", "content": "Name the city in the text."}],
        temperature=0,
        max_tokens=8,
        extra_body=MAIL,
    )
    return (
        raw.headers["x-splitgate-isolation"],
        raw.headers["x-splitgate-format"],
        raw.parse().choices[0].message.content,
    )


def test_the_two_models_answer_each_in_its_own_words(sdk: OpenAI) -> None:
    plain, split = answer(sdk, "local"), answer(sdk, "local-split")
    assert plain[:2] == split[:2] == ("wrapped", "secalign")
    assert plain[2] != split[2]
    assert answer(sdk, "local") == plain
    assert answer(sdk, "local-split") == split


def test_the_split_model_makes_no_embeddings_and_its_prompts_can_be_counted(sdk: OpenAI) -> None:
    assert len(sdk.embeddings.create(model="local", input="The cat.").data[0].embedding) == 576
    with pytest.raises(BadRequestError):
        sdk.embeddings.create(model="local-split", input="The cat.")
    asked = {"model": "local-split", "messages": [{"role": "user", "content": "Name the city."}]}
    counted = httpx.post(f"{sdk.base_url}messages/count_tokens", json=asked, trust_env=False, timeout=60)
    assert counted.status_code == 200
    assert counted.json()["input_tokens"] > 0


@pytest.mark.parametrize("model", ["local", "local-split"])
def test_nobody_brings_an_adapter_of_their_own(sdk: OpenAI, model: str) -> None:
    with pytest.raises(BadRequestError):
        sdk.chat.completions.create(
            model=model, messages=[{"role": "user", "content": "hi"}], extra_body={"lora": [{"id": 0, "scale": 1}]}
        )
