"""Which methods are there, and what does each take?"""
# pyright: reportMissingImports=false, reportMissingTypeStubs=false, reportUntypedBaseClass=false, reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownParameterType=false, reportUnknownArgumentType=false, reportUnknownLambdaType=false

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import torch

from gateway.domain.value import value
from gateway.training.example import Example
from gateway.training.layout import Encoded, Encoder
from gateway.training.methods import aside, ise, secalign, struq
from gateway.training.methods.options import MethodOptions
from gateway.training.model import Mark, SplitModel

# From a step's rows to its loss. ``start`` holds the learned values that training began with.
Loss = Callable[[SplitModel, Sequence[tuple[Encoded, ...]], Mapping[str, torch.Tensor], MethodOptions, int], Any]


@value
class Method:
    """A way to make a model split-aware.

    ``rows`` turns an example into the one or two rows that its loss needs, or none where it has no use for it.
    ``exports`` says whether llama.cpp can run the result.
    """

    name: str
    layout: str
    rows: Callable[[Encoder, Example, MethodOptions], tuple[Encoded, ...]]
    loss: Loss
    mark: Callable[[int, MethodOptions], Mark]
    exports: bool


def _no_mark(_width: int, _options: MethodOptions) -> Mark:
    return Mark()


METHODS: Final[Mapping[str, Method]] = {
    method.name: method
    for method in (
        Method(name="plain", layout="plain", rows=struq.rows, loss=struq.loss, mark=_no_mark, exports=True),
        Method(name="struq", layout="split", rows=struq.rows, loss=struq.loss, mark=_no_mark, exports=True),
        Method(name="secalign", layout="split", rows=secalign.rows, loss=secalign.loss, mark=_no_mark, exports=True),
        Method(name="ise", layout="split", rows=struq.rows, loss=struq.loss, mark=ise.mark, exports=False),
        Method(name="aside", layout="split", rows=struq.rows, loss=struq.loss, mark=aside.mark, exports=False),
    )
}
