"""How does a model see which of its tokens are data?

``SplitModel`` is a causal language model under LoRA whose token embeddings pass through the method's ``mark``, which
knows each token's segment. Everything else (training, generating, searching for attacks) goes through ``embed``, so
that no path forgets the mark. The base's own weights never learn, but for layers that a method asks for.
"""
# pyright: reportMissingImports=false, reportMissingTypeStubs=false, reportUntypedBaseClass=false, reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownParameterType=false, reportUnknownArgumentType=false, reportUnknownLambdaType=false

import warnings
from collections.abc import Generator, Mapping
from contextlib import contextmanager, nullcontext
from typing import Any, Final

import torch
from peft import LoraConfig, get_peft_model
from torch import nn

RANK: Final = 16
ALPHA: Final = 32


class Mark(nn.Module):
    """Marks data's embeddings; this one leaves them alone, for methods in which the layout alone tells."""

    def forward(self, embeddings: torch.Tensor, segments: torch.Tensor) -> torch.Tensor:
        del segments
        return embeddings

    def at_step(self, step: int) -> None:
        """Take the strength that belongs to a step of training; nothing here."""


class SplitModel(nn.Module):
    """A model, its LoRA matrices and its mark. With ``full_layers`` the first layers learn whole, LoRA aside."""

    tuned: Any
    inner: Any
    mark: Mark

    def __init__(self, base: Any, mark: Mark, *, rank: int = RANK, alpha: int = ALPHA, full_layers: int = 0) -> None:
        super().__init__()
        config = LoraConfig(r=rank, lora_alpha=alpha, target_modules="all-linear", bias="none", task_type="CAUSAL_LM")
        with warnings.catch_warnings():
            # peft asks for a property of transformers by its old name.
            warnings.filterwarnings("ignore", "`is_gradient_checkpointing`", FutureWarning)
            self.tuned = get_peft_model(base, config)
        self.mark = mark
        self.rank = rank
        self.alpha = alpha
        self.lower_precision = False
        self.inner = self.tuned.get_base_model()
        for layer in self.inner.model.layers[:full_layers]:
            for parameter in layer.parameters():
                parameter.requires_grad_(requires_grad=True)

    def lower(self) -> None:
        """Compute in 16 bits where that does no harm, to learn.

        The base's matrices are kept so, instead of being rounded anew in each step, and peft does not widen what it
        is given only to have it rounded again: the numbers are the same, and a step takes a fifth less.
        """
        self.lower_precision = True
        modules: list[Any] = list(self.inner.model.layers.modules())
        for module in modules:
            if hasattr(module, "cast_input_dtype_enabled"):
                module.cast_input_dtype_enabled = False
            elif isinstance(module, nn.Linear) and not module.weight.requires_grad:
                module.to(torch.bfloat16)

    @property
    def device(self) -> torch.device:
        return self.inner.lm_head.weight.device

    def learned(self) -> dict[str, torch.Tensor]:
        """Everything that learns, by name."""
        return {name: parameter for name, parameter in self.named_parameters() if parameter.requires_grad}

    def take(self, values: Mapping[str, torch.Tensor]) -> None:
        """Take learned values over in place.

        Raises:
            KeyError: one of the names is not learned here, one that is learned is missing, or has another shape.
        """
        own = self.learned()
        if own.keys() != values.keys() or any(tensor.shape != values[name].shape for name, tensor in own.items()):
            raise KeyError(
                "these values belong to another method, rank or base: give the directory that they came from"
            )
        with torch.no_grad():
            for name, tensor in own.items():
                tensor.copy_(values[name])

    @contextmanager
    def with_values(self, values: Mapping[str, torch.Tensor]) -> Generator[None]:
        """Be the model of other learned values for a while, without gradients."""
        kept = {name: tensor.detach().clone() for name, tensor in self.learned().items()}
        self.take(values)
        try:
            with torch.no_grad():
                yield
        finally:
            self.take(kept)

    def merge(self) -> None:
        """Put the LoRA matrices into the weights, for good: the model answers faster, and learns no longer.

        In lower precision the weights are kept in 16 bits too, which spares a conversion at each token.
        """
        self.inner = self.tuned.merge_and_unload()
        del self.tuned
        self.requires_grad_(requires_grad=False)
        if self.lower_precision:
            for part in self.inner.modules():
                if isinstance(part, nn.Linear):
                    part.weight = nn.Parameter(part.weight.detach().bfloat16(), requires_grad=False)
        self.eval()

    def embed(self, ids: torch.Tensor, segments: torch.Tensor) -> torch.Tensor:
        """Marked embeddings of tokens (rows, length)."""
        return self.mark(self.inner.model.embed_tokens(ids), segments)

    def hidden(self, embeddings: torch.Tensor, attention: torch.Tensor, **more: Any) -> Any:
        """The last layer's output for marked embeddings; ``more`` are the inner model's own arguments."""
        return self.inner.model(inputs_embeds=embeddings, attention_mask=attention, **more)

    def logits(self, hidden: torch.Tensor) -> torch.Tensor:
        """What the model expects next behind each given place."""
        return self.inner.lm_head(hidden).float()

    def precision(self) -> Any:
        """The arithmetic to compute in: 16 bits, if asked for, where they do no harm."""
        return torch.autocast(self.device.type, torch.bfloat16) if self.lower_precision else nullcontext()
