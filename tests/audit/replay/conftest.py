"""Requests that go the whole way to their records, with real detectors and a real journal."""

import itertools
import json
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any, Final, Never

import pytest

from gateway.activation.assemble import Assembled, assemble
from gateway.activation.engine import engine
from gateway.activation.sources import PolicyFile
from gateway.audit.events import policies_of
from gateway.audit.journal import Journal, Plan
from gateway.audit.line import Fields
from gateway.audit.looked import Looked
from gateway.audit.note import SigningKey
from gateway.audit.places import Places
from gateway.audit.replay import Outcome, Replay
from gateway.audit.subjects import MasterKey, SubjectKeys
from gateway.audit.trail import Evidence, Recording
from gateway.cli.policy.replay import tried_of
from gateway.configuration.packs import PACKS, POLICY
from gateway.detectors.build import closed_facts
from gateway.domain.activation import PolicyState
from gateway.domain.approval import HeldReply
from gateway.domain.card import Card
from gateway.domain.detection import FactValue, Stage
from gateway.domain.errors import RequestError
from gateway.domain.exchange import Choice, Embeddings, Reply, Started, StreamEvent, TextDelta, UsageReport
from gateway.domain.identity import Caller
from gateway.domain.isolation import Isolation
from gateway.domain.model import Model
from gateway.domain.operation import Operation
from gateway.domain.ports import Call
from gateway.domain.prompt import Prompt, Tool, ToolCall, Trust
from gateway.domain.request import ClientRequest, DataPart, Message, Options, Role, TextPart
from gateway.domain.target import Endpoint, Layout, Target
from gateway.pipeline.answer import Answered, Held, Streaming
from gateway.pipeline.collect import events_of
from gateway.pipeline.handle import Counted, Embedded, Services, count, embed, handle
from gateway.stores.untainted import UntaintedReplies
from policies.engine.model import Case, Policy

_PIECE = 7


def _nobody() -> Never:
    raise NotImplementedError


_CALLER: Final = Caller(key="app", tenant="t", max_trust=Trust.OPERATOR)


@dataclass(frozen=True, kw_only=True)
class Ask:
    """A request, and what the model answers to it."""

    request: ClientRequest
    choices: tuple[Choice, ...] = (Choice(index=0, text="Fine.", finish_reason="stop"),)
    caller: Caller = _CALLER
    bypass: str | None = None
    operation: Operation = Operation.CHAT
    card: Card | None = None


@dataclass(frozen=True, kw_only=True)
class _Provider:
    choices: tuple[Choice, ...]

    def serialise(self, call: Call) -> bytes:
        return call.id.encode()

    async def send(self, call: Call) -> Reply:
        del call
        return Reply(id="up", model="m", created=1, choices=self.choices)

    async def stream(self, call: Call) -> AsyncGenerator[Sequence[StreamEvent], None]:
        del call
        yield (Started(id="up", model="m", created=1),)
        for number, choice in enumerate(self.choices):
            for event in events_of(choice, number):
                if isinstance(event, TextDelta):
                    for at in range(0, len(event.text), _PIECE):
                        yield (replace(event, text=event.text[at : at + _PIECE]),)
                else:
                    yield (event,)
        yield (UsageReport(usage=None),)


class _More:
    """Counts and embeds."""

    async def count(self, call: Call) -> int:
        del call
        return 7

    def serialise(self, call: Call) -> bytes:
        return call.id.encode()

    async def embed(self, call: Call) -> Embeddings:
        del call
        return Embeddings(vectors=((0.5, 1.0),))


class _Approvals:
    async def hold(self, held: HeldReply) -> None:
        del held


def _lay_out(target: Target, prompt: Prompt, options: Options) -> tuple[Layout, Options]:
    reached = Isolation.CHANNEL if prompt.data else None
    return Layout(format=target.format, endpoint=Endpoint.CHAT, body={"messages": []}, isolation=reached), options


@pytest.fixture(scope="session")
def assembled_of() -> Callable[[tuple[PolicyFile, ...]], Assembled]:
    """Policies made ready as a gateway does; to do that again for each example would take seconds."""
    made = engine({}, _nobody)

    @cache
    def of(files: tuple[PolicyFile, ...]) -> Assembled:
        return assemble(files, made)

    return of


@dataclass(frozen=True, kw_only=True)
class Recorded:
    """The records of some requests."""

    records: Sequence[Fields]

    def of(self, phase: str) -> list[dict[str, Any]]:
        return [dict(one) for one in self.records if one["phase"] == phase]

    def altered(self, one: Fields, other: Fields) -> "Recorded":
        """The same with another record in place of one."""
        assert one in self.records
        return Recorded(records=[other if known == one else known for known in self.records])

    def decided(self) -> list[tuple[object, ...]]:
        """What the running gateway decided, in the order of requests and ways."""
        return [(one["decision_id"], one["decision"]) for one in self.records if "decision" in one]

    def replayed(self, *policies: PolicyFile) -> list[Outcome]:
        """What other policies would have made of it."""
        looked = Looked()
        for fields in self.records:
            if fields.get("what") == "policies":
                looked.learn(fields)
        return list(Replay(tried_of(policies), looked).outcomes(self.records))


Record = Callable[..., Awaitable[Recorded]]


@pytest.fixture
def record(tmp_path: Path, assembled_of: Callable[[tuple[PolicyFile, ...]], Assembled]) -> Record:
    """Has requests served under policies, and gives what stands in the journal then."""
    folders = itertools.count()

    async def run(policies: Sequence[PolicyFile], asks: Iterable[Ask], now: float = 1_790_000_000.0) -> Recorded:
        assembled = assembled_of(tuple(policies))
        ruleset = assembled.in_force.ruleset
        state = PolicyState(revision=assembled.revision, policies=assembled.policies, source="files")
        folder = tmp_path / f"journal-{next(folders)}"
        key = SigningKey.draw("test.example/audit")
        plan = Plan(folder=folder, name=key.name, keys=[key], process="test", build="1", deadline_s=20)
        journal = Journal(plan)
        journal.preamble = lambda: ({"what": "policies", **policies_of(state, ruleset)},)
        keys = SubjectKeys(folder.with_suffix(".sqlite3"), MasterKey(b"k" * 32))
        async with journal:
            evidence = Evidence(recording=Recording(journal=journal, keys=keys), models=("m",), closed=closed_facts())
            for ask in asks:
                services = Services(
                    models={"m": Model(name="m", targets=(replace(_TARGET, card=ask.card),))},
                    lay_out=_lay_out,
                    lay_out_texts=_lay_out,
                    credit=lambda _, reached: reached,
                    providers=lambda _, ask=ask: _Provider(choices=ask.choices),
                    counters=lambda _: _More(),
                    embedders=lambda _: _More(),
                    now=lambda: now,
                    in_force=lambda: assembled.in_force,
                    bypass=lambda ask=ask: ask.bypass,
                    untainted=UntaintedReplies(lambda: 0.0),
                    approvals=_Approvals(),
                    draw_canary=lambda: "sg-abcdefghij234567",
                )
                await _serve(ask, evidence, services)
        keys.close()
        lines = Places(folder).epochs()[0].journal.read_bytes().splitlines()
        return Recorded(records=[json.loads(line) for line in lines])

    return run


async def _serve(ask: Ask, evidence: Evidence, services: Services) -> None:
    """As a door does."""
    trail = evidence.begin(ask.request.dialect, None, ask.operation)
    trail.caller = ask.caller
    trail.asked(ask.request, 0)
    serve = {Operation.CHAT: handle, Operation.COUNT: count, Operation.EMBED: embed}[ask.operation]
    try:
        outcome = await serve(ask.request, ask.caller, trail.request_id, services, trail=trail)
    except RequestError as error:
        await trail.end(400, error.code)
        return
    match outcome:
        case Answered():
            trail.told.whole(outcome.reply, outcome.handling)
        case Held():
            trail.told.whole(outcome.reply, outcome.handling, approval="held")
        case Counted():
            trail.told.count(outcome.tokens, outcome.handling)
        case Embedded():
            trail.told.embeddings(outcome.embeddings, outcome.handling)
        case Streaming():
            trail.told.handling = outcome.handling
            async for together in outcome.events:
                trail.told.events(together)
    await trail.end(200)


_TARGET = Target(
    id="t",
    provider="openai_compatible",
    base_url="http://127.0.0.1:1/v1",
    model="m",
    format="spotlight",
    family="all",
    ceiling=Isolation.NATIVE,
)


@pytest.fixture(scope="session")
def ask_with() -> Callable[..., Ask]:
    """A request of instructions and data, and its answer; with ``stream`` it comes in small pieces."""

    def make(
        data: str = "Nothing to see.",
        *,
        text: str = "Do.",
        role: Role = Role.USER,
        origin: str = "mail",
        answer: str = "Fine.",
        calls: Sequence[tuple[str, str]] = (),
        tools: Sequence[Tool] = (),
        stream: bool = False,
        **more: Any,
    ) -> Ask:
        messages = [Message(role=role, parts=(TextPart(text=text, path="instructions"),), path="instructions")]
        if data:
            part = DataPart(text=data, path="data", origin=origin)
            messages.append(Message(role=Role.INPUT, parts=(part,), path="data"))
        request = ClientRequest(
            dialect="split", model="m", messages=tuple(messages), tools=tuple(tools), options=Options(stream=stream)
        )
        made = tuple([ToolCall(id=f"c{n}", name=name, arguments=told) for n, (name, told) in enumerate(calls)])
        choice = Choice(index=0, text=answer or None, finish_reason="stop", tool_calls=made)
        return Ask(request=request, choices=(choice,), **more)

    return make


@pytest.fixture(scope="session")
def asks_of(ask_with: Callable[..., Ask]) -> Callable[[Policy], list[Ask]]:
    """The cases of a policy as requests, where they may come out otherwise than as cases."""

    def of(case: Case, *, stream: bool) -> Ask:
        facts: Mapping[str, FactValue] = case.facts
        given: dict[str, Any] = {"stream": stream, "data": case.data}
        match case.stage:
            case Stage.INSTRUCTIONS:
                role = Role.SYSTEM if facts.get("segment.trust") == "operator" else Role.USER
                given |= {"text": case.text or " ", "role": role}
            case Stage.DATA:
                given |= {"data": case.text, "origin": str(facts.get("segment.origin", "mail"))}
            case Stage.TOOLS:
                given |= {"tools": [Tool(name="search", description=case.text, parameters={})]}
            case Stage.OUTPUT:
                given |= {"answer": case.text, "text": case.instructions or "Do."}
                given |= {"data": case.data or ("d" if facts.get("tainted") else "")}
            case Stage.TOOL_CALL:
                assert case.call is not None
                named = {"type": "object", "properties": {"to": {"type": "string"}}}
                tools = [Tool(name=case.call.name, description=None, parameters=named)]
                given |= {"calls": [(case.call.name, case.call.arguments)], "text": case.instructions or "Do."}
                given |= {"tools": tools if facts.get("tool.offered", True) else [], "answer": ""}
        return ask_with(**given)

    def every(policy: Policy) -> list[Ask]:
        answers = frozenset({Stage.OUTPUT, Stage.TOOL_CALL})
        asks = [of(case, stream=False) for case in policy.cases]
        return [*asks, *[of(case, stream=True) for case in policy.cases if case.stage in answers]]

    return every


def shipped(name: str, *, listed: bool = True, fallback: bool = False) -> PolicyFile:
    path = PACKS / name / POLICY
    return PolicyFile(file=str(path), raw=path.read_bytes(), listed=listed, fallback=fallback)


@pytest.fixture(scope="session")
def pack() -> Callable[..., PolicyFile]:
    return shipped


@pytest.fixture(scope="session")
def policy_file() -> Callable[..., PolicyFile]:
    """A policy of these rules, and further keys of ``spec``."""

    def make(*rules: str, name: str = "mine", spec: str = "mode: enforce", fallback: bool = False) -> PolicyFile:
        listed = "".join(f"    - {{severity: critical, message: no., {rule}}}\n" for rule in rules)
        head = f"apiVersion: splitgate/v1\nkind: Policy\nmetadata: {{name: {name}}}\nspec:\n  {spec}\n"
        text = head + (f"  rules:\n{listed}" if rules else "")
        return PolicyFile(file=f"{name}.yaml", raw=text.encode(), fallback=fallback)

    return make
