"""Which names may conditions use, beside those of detectors?

``gateway/pipeline/subjects.py`` fills these facts; detectors declare theirs beside their code. ``docs/policies.md``
shows both.
"""

from typing import Final

from gateway.domain.detection import INPUT_STAGES, Fact, FactType, Stage, Vocabulary

_SEGMENTS: Final = frozenset({Stage.INSTRUCTIONS, Stage.DATA})
_TOOLS: Final = frozenset({Stage.TOOLS, Stage.TOOL_CALL})
_CALL: Final = frozenset({Stage.TOOL_CALL})
_OUTPUT: Final = frozenset({Stage.OUTPUT})

_FACTS: Final = (
    Fact(name="request.tenant", type=FactType.STRING, doc="The caller's tenant.", longest=0),
    Fact(name="request.key", type=FactType.STRING, doc="The name of the caller's key.", longest=0),
    Fact(name="request.model", type=FactType.STRING, doc="The model's name, as the client asked for it.", longest=0),
    Fact(
        name="request.route",
        type=FactType.STRING,
        doc="The dialect: `split`, `openai_chat`, `openai_responses`, `anthropic_messages`.",
        longest=0,
    ),
    Fact(name="request.stream", type=FactType.BOOL, doc="Whether the answer is streamed.", longest=0),
    Fact(name="request.tools", type=FactType.INT, doc="How many tools the request offers.", longest=0),
    Fact(name="request.segments", type=FactType.INT, doc="How many segments the request holds.", longest=0),
    Fact(name="request.chars", type=FactType.INT, doc="Characters of all segments together.", longest=0),
    Fact(
        name="tainted",
        type=FactType.BOOL,
        doc="Whether the request's context holds data, or history that the gateway does not know as untainted.",
        longest=0,
    ),
    Fact(name="segment.id", type=FactType.STRING, doc="The segment's id.", stages=_SEGMENTS, longest=0),
    Fact(
        name="segment.origin",
        type=FactType.STRING,
        doc="Where it comes from: `email`, `web`, `tool:search`, `document.title`, `user`, `operator`, `history`.",
        stages=_SEGMENTS,
        longest=0,
    ),
    Fact(
        name="segment.trust",
        type=FactType.STRING,
        doc="`operator`, `user` or `untrusted`.",
        stages=_SEGMENTS,
        longest=0,
    ),
    Fact(
        name="segment.kind",
        type=FactType.STRING,
        doc="`text`, `history` (what the client says the assistant said), `arguments` (of a call in the history), "
        "`image`, `audio` or `file`.",
        stages=_SEGMENTS,
        longest=0,
    ),
    Fact(
        name="segment.opaque",
        type=FactType.BOOL,
        doc="Whether no detector can read it: images, sounds, files.",
        stages=_SEGMENTS,
        longest=0,
    ),
    Fact(name="tool.name", type=FactType.STRING, doc="The tool's name.", stages=_TOOLS, longest=0),
    Fact(
        name="tool.effect",
        type=FactType.STRING,
        doc="`read`, `write` or `egress`, as policies declare it; a tool that none declares counts as `egress`.",
        stages=_TOOLS,
        longest=0,
    ),
    Fact(name="tool.declared", type=FactType.BOOL, doc="Whether a policy declares it.", stages=_TOOLS, longest=0),
    Fact(
        name="tool.offered",
        type=FactType.BOOL,
        doc="Whether the request offered a tool of this name.",
        stages=_CALL,
        longest=0,
    ),
    Fact(
        name="tool.valid",
        type=FactType.BOOL,
        doc="Whether the arguments are one strict JSON object: no duplicate keys, no NaN.",
        stages=_CALL,
    ),
    Fact(
        name="tool.derived",
        type=FactType.BOOL,
        doc="Whether, in a tainted request, some sink argument may stem from data: its whole value stands neither in "
        "operator or user text nor in a list that the tool's entry names.",
        stages=_CALL,
    ),
    Fact(
        name="tool.derived_args",
        type=FactType.STRINGS,
        doc="The names of those arguments.",
        stages=_CALL,
    ),
    Fact(
        name="output.channel",
        type=FactType.STRING,
        doc="`text`, `reasoning` or `refusal`.",
        stages=_OUTPUT,
        longest=0,
    ),
)

BASE: Final[Vocabulary] = {fact.name: fact for fact in _FACTS}

# Facts of the request alone: the same at every stage.
REQUEST_FACTS: Final = frozenset(name for name, fact in BASE.items() if fact.stages >= INPUT_STAGES)
