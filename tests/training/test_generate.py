# pyright: reportMissingImports=false, reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
from collections.abc import Callable

import pytest
import torch

from gateway.training.generate import answers, continued
from gateway.training.layout import INSTRUCTION, Encoded, Encoder
from gateway.training.methods.registry import METHODS
from gateway.training.model import SplitModel

PROMPTS = [("Say.", "Mail."), ("Say it in many more words than that.", "Mail from Zoë."), ("Go", ""), ("Say.", "X")]


@pytest.fixture
def trained(make_model: Callable[..., SplitModel]) -> Callable[[str], SplitModel]:
    def make(method: str) -> SplitModel:
        model = make_model(method)
        with torch.no_grad():
            for tensor in model.learned().values():
                tensor.normal_(std=0.3)
        return model.eval()

    return make


def _token_by_token(model: SplitModel, row: Encoded, most: int) -> list[int]:
    """Greedily without anything kept."""
    ids, segments = list(row.ids), list(row.segments)
    with torch.no_grad():
        for _ in range(most):
            tokens = torch.tensor([ids])
            hidden = model.hidden(model.embed(tokens, torch.tensor([segments])), torch.ones_like(tokens))
            token = int(model.logits(hidden.last_hidden_state[0, -1]).argmax())
            if token == 2:
                break
            ids.append(token)
            segments.append(INSTRUCTION)
    return ids[len(row.ids) :]


@pytest.mark.parametrize("method", METHODS)
def test_many_at_once_answer_as_each_alone_would(
    method: str, trained: Callable[[str], SplitModel], make_encoder: Callable[[str], Encoder]
) -> None:
    model, encoder = trained(method), make_encoder(method)
    rows = [encoder.prompt(*prompt) for prompt in PROMPTS]
    made = continued(model, encoder, rows, 12)
    assert made == [_token_by_token(model, row, 12) for row in rows]


def test_a_row_that_ended_says_no_more(
    trained: Callable[[str], SplitModel], make_encoder: Callable[[str], Encoder]
) -> None:
    model, encoder = trained("struq"), make_encoder("struq")
    rows = [encoder.prompt("Say.", f"Mail {number}.") for number in range(8)]
    whole = [_token_by_token(model, row, 12) for row in rows]
    # What most rows say somewhere ends them from now on, at different lengths.
    end = max({token for said in whole for token in said}, key=lambda token: sum(token in said for said in whole))
    encoder.tokenizer.eos_token_id, kept = end, encoder.tokenizer.eos_token_id
    try:
        made = continued(model, encoder, rows, 12)
    finally:
        encoder.tokenizer.eos_token_id = kept
    assert made == [said[: said.index(end)] if end in said else said for said in whole]
    assert len({len(said) for said in made}) > 1


def test_answers_come_in_the_order_of_their_prompts(
    trained: Callable[[str], SplitModel], make_encoder: Callable[[str], Encoder]
) -> None:
    model, encoder = trained("struq"), make_encoder("struq")
    told: list[int] = []
    together = answers(model, encoder, PROMPTS, most=8, size=2, report=told.append)
    alone = [answers(model, encoder, [prompt], most=8)[0] for prompt in PROMPTS]
    assert together == alone
    assert told == [2, 4]
