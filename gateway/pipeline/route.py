"""Which target gets the request, laid out how, and why not the others?

Isolation never falls on the way: a target that cannot reach the floor for this very prompt is no candidate, whatever
happened to the ones before it; nor is one of which was not measured what is asked.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Final, TypeAlias

from gateway.domain.card import NO_BAR, Bar, strictest
from gateway.domain.errors import (
    GatewayError,
    IsolationUnreachable,
    NotSayable,
    RequestError,
    SplitUnproven,
    UnknownField,
)
from gateway.domain.isolation import Isolation
from gateway.domain.model import Model
from gateway.domain.prompt import Prompt
from gateway.domain.request import Options
from gateway.domain.target import Layout, Target
from gateway.domain.value import value
from gateway.pipeline.measured import MEND, shortfalls

# What formats make first: to ask an abstract class takes ten times as long.
_LIST: Final = (list, Sequence)
_OBJECT: Final = (dict, Mapping)

LayOut: TypeAlias = Callable[[Target, Prompt, Options], tuple[Layout, Options]]
Credit: TypeAlias = Callable[[Target, Isolation], Isolation]


@value
class Candidate:
    """A target as it stands for one request: usable if ``refusal`` is None.

    ``layout`` and ``options`` are what it would get, free of the reserved tokens of its family.
    """

    target: Target
    layout: Layout | None
    options: Options
    refusal: GatewayError | None = None


@value
class Ranked:
    """Targets in the order in which they are to be tried; ``judge`` makes a layout, when the target's turn comes."""

    targets: Sequence[Target]
    judge: Callable[[Target], Candidate]


def able(lay_out: LayOut, find: Callable[[Target], object]) -> LayOut:
    """``lay_out`` for the targets that can do more: ``find`` raises a ``RequestError`` for any other."""

    def only(target: Target, prompt: Prompt, options: Options) -> tuple[Layout, Options]:
        find(target)
        return lay_out(target, prompt, options)

    return only


def floor_of(asked: Isolation | None, model: Model, by_policy: Isolation | None = None) -> Isolation:
    """The strictest of the floors of request, model and policy."""
    floor = model.min_isolation
    for other in (asked, by_policy):
        if other is not None and other > floor:
            floor = other
    return floor


def bar_of(model: Model, by_policy: Bar) -> Bar:
    """The strictest of what model and policy ask of a target's card; ``NO_BAR`` itself if that is nothing."""
    return model.bar if by_policy is NO_BAR else strictest((model.bar, by_policy))


def candidates(
    prompt: Prompt, options: Options, model: Model, floor: Isolation, bar: Bar, *, lay_out: LayOut, credit: Credit
) -> Iterator[Candidate]:
    """Judge each target in order, lazily: a layout is made only when its turn comes."""
    return map(judging(prompt, options, model, floor, bar, lay_out=lay_out, credit=credit), model.targets)


def judging(
    prompt: Prompt, options: Options, model: Model, floor: Isolation, bar: Bar, *, lay_out: LayOut, credit: Credit
) -> Callable[[Target], Candidate]:
    """How a target is judged for one request.

    ``credit`` lowers a layout's isolation to what the target has shown that it deserves; ``bar`` is what the target's
    card has to show.
    """

    def judge(target: Target) -> Candidate:
        try:
            for name in options.extra:
                if name not in target.extra_params:
                    raise _unknown(name)
            layout, clean = lay_out(target, prompt, options)
            _check_layout(layout, options, model)
            if layout.isolation is not None and prompt.holds_data:
                credited = credit(target, layout.isolation)
                if credited < floor:
                    raise _too_low(target, credited, floor)
                if credited is not layout.isolation:
                    layout = replace(layout, isolation=credited)
                if bar is not NO_BAR:
                    _check_card(target, bar)
            elif layout.isolation is not None:
                layout = replace(layout, isolation=None)
        except RequestError as refusal:
            return Candidate(target=target, layout=None, options=options, refusal=refusal)
        return Candidate(target=target, layout=layout, options=clean)

    return judge


def _check_card(target: Target, bar: Bar) -> None:
    """Raise ``SplitUnproven`` where the target's card does not show what is asked."""
    short = shortfalls(target.card, bar)
    if short:
        raise SplitUnproven(
            f"target {target.id} is not shown to keep this request's data from being followed: {'; '.join(short)}; "
            f"{MEND}, give the model a target that is shown to, or ask for less in the model's entry or the policy"
        )


def _check_layout(layout: Layout, options: Options, model: Model) -> None:
    """Refuse what only shows once the prompt is laid out."""
    if layout.datamark is not None and options.values.get("logprobs"):
        raise _no_logprobs()
    if model.allow_prefill:
        return
    messages = layout.body.get("messages")
    last = messages[-1] if isinstance(messages, _LIST) and messages else None
    if isinstance(last, _OBJECT) and last.get("role") == "assistant" and not last.get("tool_calls"):
        raise NotSayable(
            "laid out for this target the conversation ends with the assistant's words, which the model would go on "
            "with; end it with a user message or a tool result, or set allow_prefill on the model",
            param="messages",
        )


def _unknown(field: str) -> UnknownField:
    return UnknownField(
        f"unknown field {field!r}; remove it, or name it in extra_params of the model's target", param=field
    )


def _no_logprobs() -> NotSayable:
    return NotSayable(
        "logprobs cannot be had from a target that marks data: the marks would be in them; leave logprobs out, or give "
        "the model a target with another format",
        param="logprobs",
    )


def _too_low(target: Target, reached: Isolation, floor: Isolation) -> IsolationUnreachable:
    return IsolationUnreachable(
        f"target {target.id} keeps this request's data apart only as far as {reached.label!r}, and {floor.label!r} is "
        "asked for; lower min_isolation in the request if you set it there, or give the model a target that reaches "
        "it, or lower the model's min_isolation",
        param="min_isolation",
    )


def refusal(refused: list[Candidate]) -> GatewayError:
    """The one error to tell when no target could be used: what the client can mend comes first."""
    errors = [candidate.refusal for candidate in refused if candidate.refusal is not None]
    for kind in (UnknownField, NotSayable):
        if errors and all(isinstance(error, kind) for error in errors):
            return errors[0]
    return next((error for error in errors if isinstance(error, IsolationUnreachable | SplitUnproven)), errors[0])
