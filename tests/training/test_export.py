# pyright: reportMissingImports=false, reportMissingTypeStubs=false, reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from gguf import GGUFReader

from gateway.training.export import NotExportable, export, permuted
from gateway.training.model import SplitModel

NAMES = {
    "attn_q": "self_attn.q_proj",
    "attn_k": "self_attn.k_proj",
    "attn_v": "self_attn.v_proj",
    "attn_output": "self_attn.o_proj",
    "ffn_gate": "mlp.gate_proj",
    "ffn_up": "mlp.up_proj",
    "ffn_down": "mlp.down_proj",
}
HEADS = {"attn_q": 4, "attn_k": 2}


@pytest.fixture
def learned(make_model: Callable[..., SplitModel]) -> SplitModel:
    model = make_model("struq")
    with torch.no_grad():
        for tensor in model.learned().values():
            tensor.normal_(std=0.1)
    return model


def test_an_adapter_read_back_changes_the_weights_as_the_model_did(learned: SplitModel, tmp_path: Path) -> None:
    export(learned, tmp_path / "a.gguf")
    read = GGUFReader(tmp_path / "a.gguf")
    told = {name: field.contents() for name, field in read.fields.items() if not name.startswith("GGUF.")}
    assert told == {
        "general.architecture": "llama",
        "general.type": "adapter",
        "adapter.type": "lora",
        "adapter.lora.alpha": 8.0,
    }
    tensors: dict[str, Any] = {tensor.name: np.array(tensor.data, dtype=np.float32) for tensor in read.tensors}
    assert len(tensors) == 2 * 7 * 2
    base = {name: weight.detach().clone() for name, weight in learned.inner.named_parameters() if "base_layer" in name}
    learned.merge()
    merged = dict(learned.inner.named_parameters())
    for layer in range(2):
        for short, module in NAMES.items():
            first, second = (tensors[f"blk.{layer}.{short}.weight.lora_{part}"] for part in "ab")
            change = torch.from_numpy(second @ first) * (8.0 / first.shape[0])
            name = f"model.layers.{layer}.{module}"
            expected = merged[f"{name}.weight"] - base[f"{name}.base_layer.weight"]
            if short in HEADS:
                expected = permuted(expected, HEADS[short])
            torch.testing.assert_close(change, expected, rtol=2e-3, atol=2e-3)


def test_each_heads_halves_stand_in_turns() -> None:
    rows = torch.arange(8).unsqueeze(1)
    assert permuted(rows, 2).flatten().tolist() == [0, 2, 1, 3, 4, 6, 5, 7]


def test_the_same_values_give_the_same_bytes(learned: SplitModel, tmp_path: Path) -> None:
    export(learned, tmp_path / "a.gguf")
    export(learned, tmp_path / "b.gguf")
    assert (tmp_path / "a.gguf").read_bytes() == (tmp_path / "b.gguf").read_bytes()


def test_more_than_lora_matrices_is_not_exported(make_model: Callable[..., SplitModel], tmp_path: Path) -> None:
    with pytest.raises(NotExportable, match="measured here alone"):
        export(make_model("ise"), tmp_path / "a.gguf")
    with pytest.raises(NotExportable, match="measured here alone"):
        export(make_model("struq", full_layers=1), tmp_path / "a.gguf")
