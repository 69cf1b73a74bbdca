"""How does what was learned get to llama.cpp?

As an adapter in GGUF, laid out as llama.cpp's own ``convert_lora_to_gguf`` does: it is applied beside the weights,
which stay as they are. Llama's query and key rows stand in another order there, and so do the rows of their second
matrix. The same values give the same bytes. What marks embeddings cannot be said in GGUF: such methods are not
exported.
"""
# pyright: reportMissingImports=false, reportMissingTypeStubs=false, reportUntypedBaseClass=false, reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownParameterType=false, reportUnknownArgumentType=false, reportUnknownLambdaType=false

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from gguf import GGUFWriter

from gateway.training.model import SplitModel
from gateway.training.stopped import CannotTrain

_NAMES: Final = {
    "self_attn.q_proj": "attn_q",
    "self_attn.k_proj": "attn_k",
    "self_attn.v_proj": "attn_v",
    "self_attn.o_proj": "attn_output",
    "mlp.gate_proj": "ffn_gate",
    "mlp.up_proj": "ffn_up",
    "mlp.down_proj": "ffn_down",
}
_LEARNED: Final = re.compile(r"^tuned\.base_model\.model\.model\.layers\.(\d+)\.(.+)\.lora_([AB])\.default\.weight$")


class NotExportable(CannotTrain):
    """llama.cpp cannot run what was learned; the message says why."""


def export(model: SplitModel, path: Path) -> None:
    """Write the LoRA matrices in 16 bits.

    Raises:
        NotExportable: the base is no Llama, or more was learned than LoRA matrices.
    """
    config = model.inner.config
    if config.model_type != "llama":
        raise NotExportable(
            f"a model of the kind {config.model_type} is not exported: only Llama's layout is known here"
        )
    tensors = sorted(_tensors(model, config))
    writer = GGUFWriter(path, "llama")
    writer.add_type("adapter")
    writer.add_string("adapter.type", "lora")
    writer.add_float32("adapter.lora.alpha", float(model.alpha))
    for name, values in tensors:
        writer.add_tensor(name, values.astype(np.float16))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def _tensors(model: SplitModel, config: Any) -> Iterator[tuple[str, Any]]:
    for name, tensor in model.learned().items():
        found = _LEARNED.match(name)
        if found is None:
            raise NotExportable(f"llama.cpp cannot run what {name} learned: this model can be measured here alone")
        layer, module, part = found.groups()
        values = tensor.detach().float().cpu()
        if part == "B" and module in {"self_attn.q_proj", "self_attn.k_proj"}:
            heads = config.num_attention_heads if module.endswith("q_proj") else config.num_key_value_heads
            values = permuted(values, heads)
        yield f"blk.{layer}.{_NAMES[module]}.weight.lora_{part.lower()}", values.numpy()


def permuted(rows: torch.Tensor, heads: int) -> torch.Tensor:
    """Rows of query or key, of which each head's two halves are to stand in turns (llama.cpp's ``permute``)."""
    return rows.reshape(heads, 2, rows.shape[0] // heads // 2, *rows.shape[1:]).swapaxes(1, 2).reshape(rows.shape)
