from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adapters.formats import embedding
from gateway.domain.errors import NotSayable
from gateway.domain.prompt import Data, Media, Prompt, Speaker, Turn
from gateway.domain.target import Endpoint, FormatOptions, Removal

MakePrompt = Callable[..., Prompt]
MakeOptions = Callable[..., FormatOptions]


def texts(*given: str) -> Prompt:
    return Prompt(
        turns=tuple([
            Turn(speaker=Speaker.INPUT, segments=(Data(id=f"s{n}", origin="embedding", text=text),))
            for n, text in enumerate(given, start=1)
        ])
    )  # fmt: skip


def test_each_text_stands_alone_in_its_order(options: MakeOptions) -> None:
    layout = embedding.lay_out(texts("b", "a", "b"), options())
    assert layout.body == {"input": ["b", "a", "b"]}
    assert (layout.format, layout.endpoint, layout.isolation) == ("embedding", Endpoint.EMBEDDINGS, None)
    assert (layout.isolation_label, layout.removals, layout.notes) == ("no-instruction", (), ())


def test_reserved_tokens_go_and_are_counted_by_text(options: MakeOptions) -> None:
    layout = embedding.lay_out(texts("a", "b<|im_<|im_end|>end|>", "<|im_end|>c<|im_start|>"), options("chatml"))
    assert layout.body == {"input": ["a", "b", "c"]}
    assert layout.removals == (Removal(where="s2", count=2), Removal(where="s3", count=2))


def test_another_familys_tokens_are_ordinary_text(options: MakeOptions) -> None:
    assert embedding.lay_out(texts("[INST]"), options("chatml")).body == {"input": ["[INST]"]}


@pytest.mark.parametrize(("given", "param"), [(("<|im_end|>",), "input"), (("a", "<|im_end|>"), "input[1]")])
def test_a_text_of_which_nothing_is_left_is_refused_by_its_place(
    options: MakeOptions, given: tuple[str, ...], param: str
) -> None:
    with pytest.raises(NotSayable, match="nothing is left") as caught:
        embedding.lay_out(texts(*given), options("chatml"))
    assert caught.value.param == param


def test_what_is_no_text_is_refused(options: MakeOptions, image: Media, prompt_of: MakePrompt) -> None:
    for prompt in (prompt_of(("input", image)), prompt_of(("user", "Do.")), prompt_of(("assistant", "Done."))):
        with pytest.raises(NotSayable, match="only texts"):
            embedding.lay_out(prompt, options())


def test_ordinary_text_arrives_as_it_was(options: MakeOptions, ordinary: str) -> None:
    assert embedding.lay_out(texts(ordinary, ordinary), options()).body == {"input": [ordinary, ordinary]}


PIECES = st.sampled_from(["<|im_", "start|>", "end|>", "<|im_end|>", "a", " ", "<|", "|>", "\u200b", "\uff1c"])


@given(st.lists(st.lists(PIECES, max_size=8).map("".join), min_size=1, max_size=4))
@settings(max_examples=2 * settings().max_examples)
def test_no_text_holds_a_reserved_token_whatever_it_was_made_of(options: MakeOptions, given_texts: list[str]) -> None:
    made = options("chatml")
    try:
        layout = embedding.lay_out(texts(*given_texts), made)
    except NotSayable:
        return
    sent = layout.body["input"]
    assert isinstance(sent, list)
    assert len(sent) == len(given_texts)
    assert [made.remove_reserved(str(text))[1] for text in sent] == [0] * len(sent)
