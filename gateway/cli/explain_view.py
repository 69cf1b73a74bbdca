"""How is an explained request shown, so that nobody mistakes data for instruction?

Each segment has a heading and a gutter that no text of a segment can imitate: every line of a text begins behind the
gutter, also where the terminal would wrap it, and what could drive the terminal is escaped. Colours only add to that.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final, assert_never

import orjson
from rich.cells import chop_cells
from rich.text import Text

from adapters.registry import provider_entry
from gateway.cli.terminal import one_line, out, visible, visible_json
from gateway.domain.errors import GatewayError
from gateway.domain.identity import Caller
from gateway.domain.isolation import Isolation
from gateway.domain.model import Model
from gateway.domain.prompt import Data, History, Instruction, Media, Prompt, Segment, Turn
from gateway.domain.request import ClientRequest
from gateway.domain.target import Layout, Target
from gateway.domain.verdict import Verdict, Weight, decision_of
from gateway.pipeline.measured import in_words
from gateway.pipeline.route import bar_of
from policies.engine.applicable import Applicable

# Characters of a text that are shown unless --full is asked for.
SHOWN: Final = 4_000
# Where a call goes that goes to a process of ours.
_BY_SOCKET: Final = {
    "embedded": "the embedded model, ",
    "litellm": "the litellm process, ",
    "bedrock": "the litellm process, ",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What became of one target: ``body`` is there if it could be used."""

    target: Target
    layout: Layout | None
    refusal: GatewayError | None
    body: bytes | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """All there is to say about a request. Targets stand in the order in which they would be tried."""

    request: ClientRequest
    model: Model
    caller: Caller
    prompt: Prompt
    policies: Applicable
    verdict: Verdict
    floor: Isolation
    outcomes: tuple[Outcome, ...] = ()

    @property
    def chosen(self) -> Outcome | None:
        """The first target that could be used."""
        return next((outcome for outcome in self.outcomes if outcome.body is not None), None)


def show(explanation: Explanation, *, full: bool) -> None:
    """Print it all."""
    console = out()
    width = console.width if console.is_terminal else None
    for line in lines(explanation, full=full, width=width):
        console.print(line, soft_wrap=True)


def lines(explanation: Explanation, *, full: bool, width: int | None) -> Iterator[Text]:
    """The explanation, line by line; texts are cut into lines of at most ``width`` cells, if one is given."""
    page = _Page(full=full, width=width)
    yield from _heading(explanation)
    yield _title("segments")
    number = 0
    for turn in explanation.prompt.turns:
        for segment in turn.segments:
            number += 1
            yield from _segment(number, segment, turn, page)
        yield from _tool_calls(turn, page)
    if not explanation.prompt.data:
        yield Text("No data segment: nothing can be kept apart. See `splitgate doctor`.", style="bold red")
    yield _title("policy")
    yield from _policy(explanation)
    yield _title("targets")
    for outcome in explanation.outcomes:
        yield from _target(outcome, chosen=outcome is explanation.chosen)
    if explanation.chosen is not None:
        yield from _upstream(explanation.chosen, page)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Page:
    full: bool
    width: int | None

    def behind(self, gutter: str, escape: Callable[[str], str], text: str, style: str) -> Iterator[Text]:
        """Each line of ``text`` behind the gutter."""
        shown = text if self.full else text[:SHOWN]
        for line in escape(shown).split("\n"):
            pieces = [line] if self.width is None else chop_cells(line, max(20, self.width - len(gutter) - 1))
            for piece in pieces or [""]:
                yield Text.assemble((gutter, f"bold {style}"), (piece, style))
        if len(shown) < len(text):
            yield Text(f"  … {len(text) - len(shown)} more characters; --full shows them", style="dim")


def _title(name: str) -> Text:
    return Text(f"\n── {name} ──", style="bold")


def _heading(explanation: Explanation) -> Iterator[Text]:
    asked = explanation.request.min_isolation
    yield Text(f"dialect {explanation.request.dialect} · model {one_line(explanation.model.name)}")
    yield Text(f"caller  {explanation.caller.key} · trusted as far as {explanation.caller.max_trust.label}")
    wanted = "nothing" if asked is None else asked.label
    configured = explanation.model.min_isolation.label
    asked_by = explanation.policies.min_isolation
    bar = bar_of(explanation.model, explanation.policies.bar)
    by_policy = "" if asked_by is None else f", policy for {asked_by.label}"
    yield Text(
        f"floor   {explanation.floor.label} (the request asks for {wanted}, the model for {configured}{by_policy})"
    )
    for name, share in (("min_separation", bar.min_separation), ("max_attack_success", bar.max_attack_success)):
        if share is not None:
            yield Text(f"card    {name} {share:g} (the model or a policy asks for it)")


def _segment(number: int, segment: Segment, turn: Turn, page: _Page) -> Iterator[Text]:
    where = f"turn {turn.speaker.value} · id {one_line(segment.id)}"
    match segment:
        case Instruction():
            head, gutter, style = "INSTRUCTION", "  » ", "green"
            facts, text = f"{segment.trust.label} · {where} · origin {one_line(segment.origin)}", segment.text
        case Data():
            head, gutter, style = "DATA", "  ┆ ", "yellow"
            facts, text = f"untrusted · {where} · origin {one_line(segment.origin)}", segment.text
        case Media():
            head, gutter, style = "DATA", "  ┆ ", "yellow"
            facts = f"untrusted · {where} · origin {one_line(segment.origin)}"
            text = f"({segment.kind.value}, {segment.mime}, {len(segment.content)} characters of base64)"
        case History():
            head, gutter, style = "HISTORY", "  < ", "cyan"
            facts, text = f"the assistant's, as the client tells it · {where}", segment.text
        case _:
            assert_never(segment)
    yield Text.assemble((f"{number} {head}", f"bold {style}"), f"  {facts}")
    yield from page.behind(gutter, visible, text, style)


def _tool_calls(turn: Turn, page: _Page) -> Iterator[Text]:
    for call in turn.tool_calls:
        yield Text.assemble(("· TOOL CALL", "bold cyan"), f"  {one_line(call.name)} · id {one_line(call.id)}")
        yield from page.behind("  < ", visible, call.arguments, "cyan")


def _policy(explanation: Explanation) -> Iterator[Text]:
    names = ", ".join(explanation.policies.names) or "none that is evaluated"
    yield Text(f"{decision_of(explanation.verdict)} · {names} · revision {explanation.policies.revision}")
    for hit in explanation.verdict.found.hits:
        acts = hit.weight is Weight.ACTS
        told = hit.action.value if acts else f"{hit.action.value}, but only {hit.weight.value}"
        yield Text(f"  {hit.rule} · {one_line(hit.where)} · {told}", style="red" if acts else "dim")
        yield Text(f"    {one_line(hit.message)}")


def _target(outcome: Outcome, *, chosen: bool) -> Iterator[Text]:
    target, layout = outcome.target, outcome.layout
    mark, style = ("→", "bold green") if chosen else (" ", "")
    laid_out = target.format if layout is None else layout.format
    yield Text(f"{mark} {target.id}  {target.provider} · {one_line(target.model)} · {laid_out}", style=style)
    if layout is not None:
        yield Text(f"    isolation {layout.isolation_label}{_caveat(target, layout)}")
    if target.card is not None:
        scores = (("separation", target.card.scores.separation), ("attack success", target.card.scores.attack_success))
        told = ", ".join([f"{name} {in_words(score)}" for name, score in scores if score is not None])
        yield Text(f"    measured  {told or 'neither separation nor attack success'}")
    if outcome.refusal is not None:
        yield Text(f"    not used: {one_line(outcome.refusal.message)}", style="red")
    elif not chosen:
        yield Text("    in reserve: tried if the ones before it fail")


def _caveat(target: Target, layout: Layout) -> str:
    if layout.isolation is not Isolation.NATIVE:
        return ""
    word = ", on the configuration's word" if target.assumed else ""
    return word + (", if its render probe at start succeeds" if target.needs_probe else "")


def _upstream(outcome: Outcome, page: _Page) -> Iterator[Text]:
    layout, body = outcome.layout, outcome.body
    if layout is None or body is None:
        return
    yield _title("changed on the way")
    for removal in layout.removals:
        yield Text(f"  {removal.count} reserved token{'' if removal.count == 1 else 's'} taken out of {removal.where}")
    for note in layout.notes:
        yield Text(f"  {note}")
    if not layout.removals and not layout.notes:
        yield Text("  nothing")
    yield _title(f"upstream body, {len(body)} bytes")
    yield Text(f"POST {_place(outcome.target, layout)}", style="bold")
    pretty = orjson.dumps(orjson.loads(body), option=orjson.OPT_INDENT_2).decode()
    yield from page.behind("  │ ", visible_json, pretty, "")


def _place(target: Target, layout: Layout) -> str:
    if target.provider in _BY_SOCKET:
        return f"{_BY_SOCKET[target.provider]}{layout.endpoint.value}"
    return provider_entry(target.provider).url_for(target, layout.endpoint)
