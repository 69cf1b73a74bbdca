"""A LoRA for the embedded model whose numbers are drawn at random: nobody trained it, and it changes answers."""

import hashlib
import itertools
from pathlib import Path

import pytest

_RANK = 16
# What goes into SmolLM2-135M's matrices and comes out of them: to read it from the weights takes seconds, for their
# tokens are read along. An adapter of other shapes would not be loaded.
_LAYERS = 30
_SHAPES = {"attn_q": (576, 576), "ffn_down": (1536, 576)}


def _write(target: Path) -> None:
    # Wanted by few runs, and loaded by all of them if it stood above.
    import gguf  # noqa: PLC0415
    import numpy as np  # noqa: PLC0415

    draw = np.random.default_rng(8).normal
    writer = gguf.GGUFWriter(target, "llama")
    writer.add_type("adapter")
    writer.add_string("adapter.type", "lora")
    writer.add_float32("adapter.lora.alpha", 2.0 * _RANK)
    for layer, (name, (taken, given)) in itertools.product(range(_LAYERS), _SHAPES.items()):
        down = draw(size=(_RANK, taken)) / np.sqrt(taken)
        up = draw(size=(given, _RANK)) / np.sqrt(_RANK) * 0.3
        writer.add_tensor(f"blk.{layer}.{name}.weight.lora_a", down.astype(np.float16))
        writer.add_tensor(f"blk.{layer}.{name}.weight.lora_b", up.astype(np.float16))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


@pytest.fixture(scope="session")
def random_adapter(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The adapter's file, its digest beside it, named as the one that Splitgate comes with."""
    path = tmp_path_factory.mktemp("split") / "smollm2-135m-split.gguf"
    _write(path)
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    path.with_suffix(".sha256").write_text(f"{digest}  {path.name}\n", encoding="ascii")
    return path
