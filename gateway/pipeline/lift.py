"""Which part of a request may steer the model?

Types are assigned here and nowhere else. A client's label can lower trust; only the gateway's configuration (key,
model) decides how far it reaches. Whatever is not an instruction by a rule below is data.

Every request passes here: what its roles mean is settled once for all that have such a key and such a model.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from itertools import groupby
from typing import Literal, assert_never

from gateway.domain.errors import InvalidField, IsolationUnreachable
from gateway.domain.identity import Caller
from gateway.domain.model import Model
from gateway.domain.prompt import (
    CacheLife,
    Data,
    History,
    Instruction,
    Media,
    Prompt,
    Segment,
    Speaker,
    Trust,
    Turn,
)
from gateway.domain.request import (
    MOST_SEGMENTS,
    ClientRequest,
    DataPart,
    MediaPart,
    Message,
    Part,
    RefusalPart,
    Role,
    TextPart,
)
from gateway.domain.value import value
from gateway.pipeline.unmix import Span, marked_parts, match_templates

_SPEAKERS = {
    Role.SYSTEM: Speaker.SYSTEM,
    Role.DEVELOPER: Speaker.SYSTEM,
    Role.USER: Speaker.USER,
    Role.ASSISTANT: Speaker.ASSISTANT,
    Role.TOOL: Speaker.TOOL,
    Role.INPUT: Speaker.INPUT,
}
_ROLE_ORIGIN = {Role.SYSTEM: "operator", Role.DEVELOPER: "operator", Role.USER: "user"}
# Origins are identifiers of at most this many characters.
_ORIGIN_LENGTH = 64
_ROLE_TRUST = {Role.SYSTEM: Trust.OPERATOR, Role.DEVELOPER: Trust.OPERATOR, Role.USER: Trust.USER}


@value
class _Voice:
    """What a role means. ``trust`` is None where nothing that it says can steer.

    ``origin`` is that of its texts, ``name`` that of what is no text.
    """

    speaker: Speaker
    trust: Trust | None
    origin: str
    name: str


@cache
def _voices(most: Trust, user_channel: Literal["user", "data"]) -> Mapping[Role, _Voice]:
    """What each role means to a caller who is trusted so far, and to a model that takes user text for this."""
    voices: dict[Role, _Voice] = {}
    for role, speaker in _SPEAKERS.items():
        # A caller who may not speak as the operator has its system text sent as the user's.
        lowered = speaker is Speaker.SYSTEM and most < Trust.OPERATOR
        trust = min(_ROLE_TRUST[role], most) if role in _ROLE_TRUST else None
        if role is Role.USER and user_channel == "data":
            trust = Trust.UNTRUSTED
        origin = _ROLE_ORIGIN.get(role, role.value)
        sent = Speaker.USER if lowered else speaker
        voices[role] = _Voice(speaker=sent, trust=trust, origin=origin, name=role.value)
    return voices


def lift(request: ClientRequest, model: Model, caller: Caller) -> Prompt:
    """Give every segment its type, id, origin and trust; turns keep the client's order.

    Raises:
        InvalidField: a message matches no template, a template's hole was emptied, the last turn is the assistant's, or
            marks cut the request into too many segments.
        IsolationUnreachable: the model or the key requires data apart, and the request has none.
    """
    if request.messages and request.messages[-1].role is Role.ASSISTANT and not model.allow_prefill:
        raise InvalidField(
            "the last message is the assistant's, which would put words into the model's mouth; end with another role, "
            "or set allow_prefill on the model",
            param=request.messages[-1].path,
        )
    lifting = _Lifting(
        model=model,
        voices=_voices(caller.max_trust, model.user_channel),
        taken={part.id for message in request.messages for part in message.parts},
    )
    turns: list[Turn] = []
    segments = 0
    # A request for embeddings may hold more: each of its texts is a message, which nothing cuts.
    most = max(MOST_SEGMENTS, len(request.messages))
    for message in request.messages:
        made = lifting.turns(message)
        for turn in made:
            segments += len(turn.segments)
        if segments > most:
            raise InvalidField(
                f"marks and templates cut the request into more than {MOST_SEGMENTS} segments; send fewer, or the data "
                "apart",
                param=message.path,
            )
        turns += made
    prompt = Prompt(turns=tuple(turns), tools=request.tools, roleless=request.roleless)
    required = model.require_data or caller.require_data
    # Where nothing at all may steer, there is nothing to keep data apart from: texts to embed are blank at times.
    if required and not prompt.holds_data and any(turn.speaker is not Speaker.INPUT for turn in turns):
        raise IsolationUnreachable(
            "this model or key accepts only requests that carry their data apart; send it in `data`, in a part of type "
            "`data`, in a message with role `input` or as a tool result"
        )
    return prompt


def tool_origin(name: str) -> str:
    """The origin of what this tool said."""
    return f"tool:{name}"[:_ORIGIN_LENGTH]


@dataclass(slots=True, kw_only=True)
class _Lifting:
    """The counters of one request: generated ids, and the names of the tools that were called."""

    model: Model
    voices: Mapping[Role, _Voice]
    # The ids that the client gave.
    taken: set[str | None]
    count: int = 0
    # Whether a template or a mark cut any part of the message.
    cut: bool = False
    tool_names: dict[str, str] = field(default_factory=dict[str, str])

    def turns(self, message: Message) -> list[Turn]:
        """One turn; more where a system message holds data, which never stands in a system turn."""
        for call in message.tool_calls:
            self.tool_names[call.id] = call.name
        voice = self.voices[message.role]
        speaker, trust = voice.speaker, voice.trust
        self.cut = False
        # Templates are for what may steer.
        spans = self._template_spans(message) if trust and self.model.templates else None
        if trust is None:
            segments = self._heard(message, voice)
        elif spans is None:
            segments = self._spoken(message, voice, trust)
        else:
            segments = self._by_template(message, voice, trust, spans)
        # Where a template or a mark cut a part, segments are parts no more.
        listed = message.listed and (not self.cut or _says_the_same(segments, message.parts))
        if speaker is Speaker.SYSTEM and set(map(type, segments)) != {Instruction}:
            # The name is the operator's: what it says of the instructions it does not say of the data again.
            told = any(isinstance(segment, Instruction) for segment in segments)
            return [
                Turn(
                    speaker=Speaker.INPUT if apart else speaker,
                    segments=tuple(run),
                    name=None if apart and told else message.name,
                    listed=listed,
                )
                for apart, run in groupby(segments, key=lambda segment: not isinstance(segment, Instruction))
            ]
        return [
            Turn(
                speaker=speaker,
                segments=tuple(segments),
                tool_calls=message.tool_calls,
                call_id=message.call_id,
                name=message.name,
                listed=listed,
                reasoning=message.reasoning,
                seals=message.seals,
                failed=message.failed,
                cache=message.cache,
            )
        ]

    def _heard(self, message: Message, voice: _Voice) -> list[Segment]:
        """One segment for each part of a message that cannot steer."""
        if message.role is Role.ASSISTANT:
            _refuse_labels(message)
        origin = self._tool(message) if message.role is Role.TOOL else voice.origin
        return [
            History(id=part.id or self._new_id(), text=part.text, cache=part.cache)
            if isinstance(part, TextPart) and message.role is Role.ASSISTANT
            else self._apart(part, origin)
            for part in message.parts
        ]

    def _spoken(self, message: Message, voice: _Voice, trust: Trust) -> list[Segment]:
        """One segment for each part; more where a user's text holds other systems' marks.

        What stands between these is data, even where one opens in a part and closes in another.
        """
        marks: Sequence[tuple[Span, ...]] = [()] * len(message.parts)
        if message.role is Role.USER:
            for part in message.parts:
                if isinstance(part, TextPart) and "<" in part.text:
                    marks = marked_parts([part.text if isinstance(part, TextPart) else "" for part in message.parts])
                    break
        segments: list[Segment] = []
        for part, spans in zip(message.parts, marks, strict=True):
            if not isinstance(part, TextPart):
                segments.append(self._apart(part, voice.name))
                continue
            own = trust if part.trust is None else min(trust, part.trust)
            if spans:
                pieces = self._by_marked(part.text, spans, own, voice.origin, part.subject)
                segments += [*pieces[:-1], replace(pieces[-1], cache=part.cache)]
            else:
                origin = part.origin or voice.origin
                segments.append(self._text(part.text, own, origin, part.id, subject=part.subject, cache=part.cache))
        return segments

    def _by_template(self, message: Message, voice: _Voice, trust: Trust, spans: tuple[Span, ...]) -> list[Segment]:
        """Holes and literals; what other systems' marks enclose is data even in a user's hole or in a literal."""
        self.cut = True
        texts = [part for part in message.parts if isinstance(part, TextPart)]
        label = min((part.trust for part in texts if part.trust is not None), default=trust)
        text = "".join([part.text for part in texts])
        pieces = _pieces(spans)
        told = ["" if piece.channel == "data" else text[piece.start : piece.end] for piece in pieces]
        # Marks within a data hole are the data's own words: they open and close nothing.
        marks = marked_parts(told) if message.role is Role.USER else [()] * len(told)
        segments: list[Segment] = []
        for piece, words, marked in zip(pieces, told, marks, strict=True):
            if piece.channel == "data":
                segments.append(self._text(text[piece.start : piece.end], Trust.UNTRUSTED, piece.origin, None))
            elif marked:
                segments += self._by_marked(words, marked, label, "template")
            else:
                segments.append(self._text(words, label, "template", None))
        # The texts were one to the template: a cache mark behind any of them stands behind all.
        cache = next((part.cache for part in reversed(texts) if part.cache is not None), None)
        if cache is not None and segments:
            segments[-1] = replace(segments[-1], cache=cache)
        segments += [self._apart(part, voice.name) for part in message.parts if not isinstance(part, TextPart)]
        return segments

    def _template_spans(self, message: Message) -> tuple[Span, ...] | None:
        """Where a template's holes lie in the message's whole text; None where no template has a say."""
        role = "user" if message.role is Role.USER else "system"
        templates = [t for t in self.model.templates if t.role == role]
        texts = [part.text for part in message.parts if isinstance(part, TextPart)]
        if not templates or not texts:
            return None
        spans = match_templates("".join(texts), templates, param=message.path)
        if spans is None and not self.model.allow_unmatched:
            raise InvalidField(
                "this message matches none of the model's templates; send its data apart, add a template, or set "
                "allow_unmatched on the model",
                param=message.path,
            )
        return spans

    def _by_marked(
        self, text: str, spans: tuple[Span, ...], trust: Trust, origin: str, subject: str | None = None
    ) -> list[Instruction | Data]:
        """Cut ``text`` at its marks, which themselves say nothing any more once the data travels apart."""
        self.cut = True
        return [
            self._text(
                text[piece.start : piece.end],
                Trust.UNTRUSTED if piece.channel == "data" else trust,
                piece.origin if piece.channel == "data" else origin,
                None,
                subject=subject,
            )
            for piece in _pieces(tuple(span for span in spans if span.channel != "literal"))
        ]

    def _text(
        self,
        text: str,
        trust: Trust,
        origin: str,
        identifier: str | None,
        *,
        subject: str | None = None,
        cache: CacheLife | None = None,
    ) -> Instruction | Data:
        named = identifier or self._new_id()
        if trust is Trust.UNTRUSTED:
            return Data(id=named, origin=origin, text=text, subject=subject, cache=cache)
        return Instruction(id=named, origin=origin, text=text, trust=trust, subject=subject, cache=cache)

    def _apart(self, part: Part, origin: str) -> Data | Media | History:
        """A part that is no instruction whatever its message's role."""
        match part:
            case TextPart() | DataPart():
                return Data(
                    id=part.id or self._new_id(),
                    origin=part.origin or origin,
                    text=part.text,
                    subject=part.subject,
                    cache=part.cache,
                )
            case MediaPart():
                return Media(
                    id=part.id or self._new_id(),
                    origin=part.origin or part.kind.value,
                    kind=part.kind,
                    mime=part.mime,
                    content=part.content,
                    attributes=part.attributes,
                    subject=part.subject,
                    cache=part.cache,
                )
            case RefusalPart():
                return History(id=self._new_id(), text=part.text, refusal=True, cache=part.cache)
            case _:
                assert_never(part)

    def _tool(self, message: Message) -> str:
        """The origin of a tool's result."""
        name = message.name or self.tool_names.get(message.call_id or "")
        return "tool" if name is None else tool_origin(name)

    def _new_id(self) -> str:
        """The next id of ours that the client does not use."""
        while True:
            self.count += 1
            identifier = f"s{self.count}"
            if identifier not in self.taken:
                return identifier


def _says_the_same(segments: Sequence[Segment], parts: Sequence[Part]) -> bool:
    return [s.text for s in segments if not isinstance(s, Media)] == [
        part.text for part in parts if not isinstance(part, MediaPart)
    ]


def _refuse_labels(message: Message) -> None:
    """An assistant's words are history whoever wrote them: a label on them would promise what it does not do."""
    for part in message.parts:
        if isinstance(part, TextPart) and part.trust is not None:
            raise InvalidField(
                "a trust label means nothing on an assistant's words, which are filtered like data anyway; leave it "
                "out, or send the text as data",
                param=f"{part.path}.trust",
            )


def _pieces(spans: tuple[Span, ...]) -> list[Span]:
    """The data spans, and one span over each run of others between them."""
    pieces: list[Span] = []
    for apart, run in groupby(spans, key=lambda span: span.channel == "data"):
        together = tuple(run)
        pieces += together if apart else [replace(together[0], end=together[-1].end)]
    return pieces
