"""Which tokens is a model trained on, and which of them are data?

No layout is written here: the gateway's own formats lay a prompt out, and the model's own chat template renders it, so
that a model is trained on what the gateway will send. This file finds where the data went. The rules: what spells a
reserved token is gone before anything is tokenised, data and answers included; of a token that holds characters of
both, data wins; only the answer and the mark that ends it are learned.
"""

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any, Final, Literal, Protocol, cast

from adapters.registry import compile_reserved, format_named
from gateway.domain.prompt import Data, Instruction, Prompt, Segment, Speaker, Trust, Turn
from gateway.domain.target import FormatOptions
from gateway.domain.value import value

# By layout, the format of the gateway that makes it.
LAYOUTS: Final[Mapping[str, str]] = {"split": "secalign", "plain": "plain"}
INSTRUCTION: Final = 0
DATA: Final = 1
# Stands in for the data once, to see where it goes.
_MARK: Final = "splitgatedatagoeshere"


class Tokenizer(Protocol):
    """What is asked of a tokenizer of transformers."""

    eos_token_id: int
    pad_token_id: int | None
    all_special_ids: list[int]

    def __call__(self, text: str, *, add_special_tokens: bool, return_offsets_mapping: bool) -> Mapping[str, Any]: ...

    def apply_chat_template(
        self, conversation: Sequence[Mapping[str, Any]], *, tokenize: bool, add_generation_prompt: bool
    ) -> str: ...

    def get_vocab(self) -> dict[str, int]: ...

    def decode(self, token_ids: Sequence[int], *, skip_special_tokens: bool) -> str: ...


@value
class Encoded:
    """Tokens in order; ``segments`` says of each whether it is data. Tokens from ``answer_at`` on are learned."""

    ids: tuple[int, ...]
    segments: tuple[int, ...]
    answer_at: int


class Encoder:
    """Turns instruction and data into tokens, in one of ``LAYOUTS``."""

    def __init__(self, tokenizer: Tokenizer, layout: str, family: str = "smollm") -> None:
        self.tokenizer = tokenizer
        self.layout = layout
        self._lay_out = format_named(LAYOUTS[layout]).lay_out
        self._options = _options(family)

    def prompt(self, instruction: str, data: str, system: str | None = None, behind: str = "") -> Encoded:
        """What the model is given up to where its answer begins; without ``system`` the template has its own."""
        text, start, end = self.rendered(instruction, data, system, behind)
        found = self.tokenizer(text, add_special_tokens=False, return_offsets_mapping=True)
        ids = tuple(cast("list[int]", found["input_ids"]))
        spans = cast("list[tuple[int, int]]", found["offset_mapping"])
        segments = tuple([DATA if first < end and last > start else INSTRUCTION for first, last in spans])
        return Encoded(ids=ids, segments=segments, answer_at=len(ids))

    def example(self, instruction: str, data: str, answer: str, system: str | None = None, behind: str = "") -> Encoded:
        """The prompt, the answer and the mark that ends it."""
        prompt = self.prompt(instruction, data, system, behind)
        clean, _ = self._options.remove_reserved(answer)
        found = self.tokenizer(clean, add_special_tokens=False, return_offsets_mapping=False)
        learned = (*cast("list[int]", found["input_ids"]), self.tokenizer.eos_token_id)
        return Encoded(
            ids=(*prompt.ids, *learned),
            segments=(*prompt.segments, *[INSTRUCTION] * len(learned)),
            answer_at=prompt.answer_at,
        )

    def is_reserved(self, text: str) -> bool:
        """Whether the text spells a token that is taken out of every text."""
        return self._options.remove_reserved(text)[1] > 0

    def rendered(
        self, instruction: str, data: str, system: str | None = None, behind: str = ""
    ) -> tuple[str, int, int]:
        """The prompt as the text that is tokenised, and the span of the data in it."""
        text = self._render(instruction, data, system, behind)
        if not data:
            return text, 0, 0
        before, _, after = self._render(instruction, _MARK, system, behind).rpartition(_MARK)
        return text, len(before), len(text) - len(after)

    def messages(
        self, instruction: str, data: str, system: str | None = None, behind: str = ""
    ) -> list[dict[str, Any]]:
        """The messages that the gateway would send."""
        if self.layout == "split" and behind:
            # A split has one place for instructions, in front: where they were written makes no difference there.
            instruction, behind = "\n".join(filter(None, (instruction, behind))), ""
        body = self._lay_out(_prompt(instruction, data, system, behind), self._options).body
        return cast("list[dict[str, Any]]", body["messages"])

    def _render(self, instruction: str, data: str, system: str | None, behind: str) -> str:
        return self.tokenizer.apply_chat_template(
            self.messages(instruction, data, system, behind), tokenize=False, add_generation_prompt=True
        )


def _prompt(instruction: str, data: str, system: str | None, behind: str) -> Prompt:
    """A prompt with one piece of data: of a native request, or of one in which the operator speaks beside a user.

    Where the instruction stands behind the data, or around it, all of it is in one turn.
    """
    given = [Data(id="data", origin="document", text=data)] if data else []
    turns = [] if system is None else [_turn(Speaker.SYSTEM, _told(system, Trust.OPERATOR))]
    if behind:
        told = [_told(text, Trust.USER) if text else None for text in (instruction, behind)]
        segments: list[Segment | None] = [told[0], *given, told[1]]
        turns.append(_turn(Speaker.USER, *[segment for segment in segments if segment is not None]))
        return Prompt(turns=tuple(turns))
    if system is None:
        turns.append(_turn(Speaker.SYSTEM, _told(instruction, Trust.OPERATOR)))
    else:
        turns.append(_turn(Speaker.USER, _told(instruction, Trust.USER)))
    turns += [_turn(Speaker.INPUT, segment) for segment in given]
    return Prompt(turns=tuple(turns), roleless=system is None)


def _told(text: str, trust: Literal[Trust.OPERATOR, Trust.USER]) -> Instruction:
    return Instruction(id="instruction", origin=trust.label, text=text, trust=trust)


def _turn(speaker: Speaker, *segments: Segment) -> Turn:
    return Turn(speaker=speaker, segments=segments)


@lru_cache
def _options(family: str) -> FormatOptions:
    reserved = compile_reserved(family)
    return FormatOptions(
        remove_reserved=reserved.remove,
        break_reserved=reserved.break_json,
        reserved=reserved.tokens,
        draw_nonce=lambda: "0" * 32,  # neither layout draws one
    )
