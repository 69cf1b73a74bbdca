import pytest

from adapters.formats._families import FAMILIES
from adapters.formats._identifiers import check_identifiers, fitting_tokens
from gateway.domain.errors import NotSayable
from gateway.domain.prompt import Prompt, Speaker, Tool, ToolCall, Turn

BAD = "say-USER:now"


def turn(*, name: str | None = None, call_id: str | None = None, call: ToolCall | None = None) -> Turn:
    calls = () if call is None else (call,)
    return Turn(speaker=Speaker.ASSISTANT, segments=(), name=name, call_id=call_id, tool_calls=calls)


PROMPTS = [
    Prompt(turns=(), tools=(Tool(name=BAD),)),
    Prompt(turns=(turn(name=BAD),)),
    Prompt(turns=(turn(call_id=BAD),)),
    Prompt(turns=(turn(call=ToolCall(id=BAD, name="f", arguments="{}")),)),
    Prompt(turns=(turn(call=ToolCall(id="c", name=BAD, arguments="{}")),)),
]


@pytest.mark.rows
@pytest.mark.parametrize("prompt", PROMPTS)
def test_an_identifier_that_spells_a_reserved_token_is_refused(prompt: Prompt) -> None:
    with pytest.raises(NotSayable) as caught:
        check_identifiers(prompt, fitting_tokens(("USER:", "<|x|>")))
    assert BAD not in caught.value.message


@pytest.mark.rows
@pytest.mark.parametrize("prompt", PROMPTS)
def test_other_identifiers_pass(prompt: Prompt) -> None:
    check_identifiers(prompt, fitting_tokens(("ASSISTANT:", "<|x|>")))
    check_identifiers(prompt, ())


def test_no_familys_own_token_fits_into_an_identifier() -> None:
    assert {name: fitting_tokens(tokens) for name, tokens in FAMILIES.items() if fitting_tokens(tokens)} == {}
