# pyright: reportMissingImports=false, reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
import os
from collections.abc import Callable, Generator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from socketserver import UnixStreamServer
from threading import Thread
from typing import Any

import pytest
import torch

from adapters.embedded.engine import Engine, EngineSettings
from adapters.embedded.weights import best
from gateway.training.base import embedded_base, load_model, load_tokenizer
from gateway.training.comparing import Agreement, EngineSilent, SaysOtherwise, compare, expect_alike
from gateway.training.export import export
from gateway.training.layout import Encoder
from gateway.training.loop import Settings, prepare
from gateway.training.model import SplitModel

PROMPTS = [("Who wrote this?", "Yours, Maria Lind"), ("Name the city.", "We landed in Porto at noon.")]


@pytest.mark.embedded
@pytest.mark.timeout(900)
def test_llama_cpp_says_with_the_adapter_what_the_model_says_here(tmp_path: Path) -> None:
    base = embedded_base(os.environ)
    model = prepare(load_model(base), Settings(method="struq", seed=1, steps=1))
    drawn = torch.Generator().manual_seed(2)
    with torch.no_grad():
        for name, tensor in model.learned().items():
            if "lora_B" in name:
                tensor.normal_(std=0.02, generator=drawn)  # enough to change every answer
    export(model, tmp_path / "a.gguf")
    model.merge()
    encoder = Encoder(load_tokenizer(base), "split")
    socket = str(tmp_path / "engine.sock")
    engine = Engine(best(os.environ), socket, EngineSettings(slots=1), adapter=tmp_path / "a.gguf")
    try:
        found = compare(model, encoder, PROMPTS, socket, most=6)
    finally:
        engine.close()
    assert (found.prompts, found.same_first, found.same_answers) == (2, 1.0, 1.0)
    assert found.largest_difference < 0.05


class _Broken(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        self.send_error(503)

    def address_string(self) -> str:
        return ""

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
        """Say nothing."""


@pytest.fixture
def broken_engine(tmp_path: Path) -> Generator[str]:
    socket = str(tmp_path / "broken.sock")
    with UnixStreamServer(socket, _Broken) as server:
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield socket
        server.shutdown()
        thread.join()


def test_an_engine_that_does_not_answer_is_said(
    make_model: Callable[..., SplitModel], make_encoder: Callable[[str], Encoder], broken_engine: str
) -> None:
    with pytest.raises(EngineSilent, match="make setup"):
        compare(make_model("struq"), make_encoder("struq"), PROMPTS, broken_engine)


def test_an_adapter_that_says_something_else_is_refused() -> None:
    found = Agreement(prompts=6, same_first=1.0, same_answers=0.5, largest_difference=0.05)
    expect_alike(found)
    with pytest.raises(SaysOtherwise, match=r"up to 2\.50 away from the model's: do not use it"):
        expect_alike(replace(found, largest_difference=2.5))
