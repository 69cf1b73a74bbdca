"""Which model is trained?

The embedded one, from its widened weights, or any causal language model in a directory. Reading weights from GGUF takes
half a minute, so a copy in the form that transformers reads at once is kept in the cache.
"""
# pyright: reportMissingImports=false, reportMissingTypeStubs=false, reportUntypedBaseClass=false, reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownParameterType=false, reportUnknownArgumentType=false, reportUnknownLambdaType=false

import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer
from transformers.utils import logging

from adapters.embedded.weights import best, cache_directory
from gateway.training.layout import Tokenizer
from gateway.training.stopped import CannotTrain

logging.disable_progress_bar()

_RECIPE: Final = "hf-1"  # to be counted up when the conversion changes


class NoBase(CannotTrain):
    """The model to train cannot be loaded; the message says what to do."""


def embedded_base(environ: Mapping[str, str]) -> Path:
    """The directory with the embedded model's weights, made now if the cache has none (some 30 s).

    Raises:
        adapters.embedded.weights.WeightsMissing: no weights are installed.
    """
    source = best(environ)
    target = cache_directory(environ) / f"{source.stem}-{_RECIPE}"
    if not target.is_dir():
        target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=target.parent) as work:
            made = Path(work) / "made"
            _convert(source, made)
            if not target.is_dir():
                made.rename(target)
    return target


def load_model(directory: Path) -> Any:
    """The model in 32 bits. Eager attention: on short rows it is the fastest of them on a CPU, backwards above all.

    Code that lies beside the weights is not run, and nobody is asked whether to.

    Raises:
        NoBase: the directory holds no causal language model.
    """
    try:
        return AutoModelForCausalLM.from_pretrained(
            directory,
            dtype=torch.float32,
            attn_implementation="eager",
            local_files_only=True,
            trust_remote_code=False,
        )
    except (OSError, ValueError) as exc:
        raise NoBase(f"{directory} holds no model that can be trained: give the directory of one for --base") from exc


def load_tokenizer(directory: Path) -> Tokenizer:
    """The tokenizer, with the model's chat template.

    Raises:
        NoBase: there is none, or it has no chat template.
    """
    try:
        tokenizer = AutoTokenizer.from_pretrained(directory, local_files_only=True, trust_remote_code=False)
    except (OSError, ValueError) as exc:
        raise NoBase(f"{directory} holds no tokenizer: give the directory of a whole model for --base") from exc
    if not tokenizer.chat_template:
        raise NoBase(f"{directory} has no chat template: give a model that was tuned for chats for --base")
    return tokenizer


def _convert(source: Path, target: Path) -> None:
    model: Any = AutoModelForCausalLM.from_pretrained(source.parent, gguf_file=source.name, dtype=torch.float32)
    # The weights are plain numbers now: what says that they came from GGUF would have them read as such again.
    model.hf_quantizer = None
    del model.config.quantization_config
    model.save_pretrained(target)
    AutoTokenizer.from_pretrained(source.parent, gguf_file=source.name).save_pretrained(target)
