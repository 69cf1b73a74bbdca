"""Does llama.cpp, with the exported adapter, say what the model said here?

It is given the same tokens, and asked for its most likely next ones and for a whole greedy answer. Both compute in
other precisions, so that numbers differ a little, and an answer where two tokens are about as likely: the report says
how much. The rule: the engine that serves is asked, with the adapter as it serves it.
"""
# pyright: reportMissingImports=false, reportMissingTypeStubs=false, reportUntypedBaseClass=false, reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownParameterType=false, reportUnknownArgumentType=false, reportUnknownLambdaType=false

from collections.abc import Sequence
from typing import Any, Final

import httpx
import torch

from gateway.domain.value import value
from gateway.training.generate import continued
from gateway.training.layout import Encoded, Encoder
from gateway.training.model import SplitModel
from gateway.training.stopped import CannotTrain

_TOP: Final = 5
_WAIT_S: Final = 120.0
# Sixteen bits there and 32 here were 0.02 apart.
_ROUNDING: Final = 0.5


class EngineSilent(CannotTrain):
    """llama.cpp does not answer; the message says what to do."""


class SaysOtherwise(CannotTrain):
    """What was exported is not what was trained; the message says what to do."""


@value
class Agreement:
    """How far the two agree: shares of prompts, and the largest difference of log-probabilities that both gave."""

    prompts: int
    same_first: float
    same_answers: float
    largest_difference: float


def compare(
    model: SplitModel, encoder: Encoder, prompts: Sequence[tuple[str, str]], socket: str, *, most: int = 24
) -> Agreement:
    """Ask both, model and engine, for each (instruction, data).

    Raises:
        EngineSilent: nothing answers on the socket.
    """
    rows = [encoder.prompt(instruction, data) for instruction, data in prompts]
    with httpx.Client(
        transport=httpx.HTTPTransport(uds=socket), base_url="http://engine", timeout=_WAIT_S, trust_env=False
    ) as client:
        compared = [_compared(model, encoder, row, client, most) for row in rows]
    return Agreement(
        prompts=len(rows),
        same_first=sum(first for first, _, _ in compared) / len(rows),
        same_answers=sum(answer for _, answer, _ in compared) / len(rows),
        largest_difference=max(difference for _, _, difference in compared),
    )


def expect_alike(found: Agreement) -> None:
    """Raises ``SaysOtherwise`` where more than rounding sets the two apart."""
    if found.largest_difference > _ROUNDING:
        raise SaysOtherwise(
            f"with the exported adapter llama.cpp's log-probabilities are up to {found.largest_difference:.2f} away "
            "from the model's: do not use it; it was exported for other weights, or by a mistake to be reported"
        )


def _compared(
    model: SplitModel, encoder: Encoder, row: Encoded, client: httpx.Client, most: int
) -> tuple[bool, bool, float]:
    told = _asked(client, row, most)
    theirs = {one["id"]: one["logprob"] for one in told["completion_probabilities"][0]["top_logprobs"]}
    ours = _likely(model, row)
    (ids,) = continued(model, encoder, [row], most)
    answer = encoder.tokenizer.decode(ids, skip_special_tokens=True)
    likeliest = max(theirs, key=lambda token: theirs[token])
    difference = max(abs(float(ours[token]) - logprob) for token, logprob in theirs.items())
    return int(ours.argmax()) == likeliest, answer.strip() == told["content"].strip(), difference


def _likely(model: SplitModel, row: Encoded) -> torch.Tensor:
    """The log-probability of each token behind the prompt."""
    ids = torch.tensor([row.ids], device=model.device)
    segments = torch.tensor([row.segments], device=model.device)
    with torch.no_grad(), model.precision():
        hidden = model.hidden(model.embed(ids, segments), torch.ones_like(ids), use_cache=False).last_hidden_state
        return model.logits(hidden[0, -1]).log_softmax(-1)


def _asked(client: httpx.Client, row: Encoded, most: int) -> Any:
    body = {
        "prompt": list(row.ids),
        "n_predict": most,
        "temperature": 0.0,
        "n_probs": _TOP,
        "cache_prompt": False,
        "lora": [{"id": 0, "scale": 1.0}],
    }
    try:
        return client.post("/completion", json=body).raise_for_status().json()
    except httpx.HTTPError as exc:
        raise EngineSilent("the embedded engine does not answer: run `make setup` and try again") from exc
