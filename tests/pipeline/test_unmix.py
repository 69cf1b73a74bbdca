import time
from collections.abc import Iterator
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.domain.errors import InvalidField
from gateway.domain.model import Hole, Template, TemplatePart
from gateway.pipeline.unmix import Span, match_templates, parse_template

RAG = parse_template("rag", "Answer from the context.\n{{context: data}}\n\nQuestion: {{question: user}}")


def pieces(text: str, spans: tuple[Span, ...]) -> list[tuple[str, str, str]]:
    return [(span.channel, span.origin, text[span.start : span.end]) for span in spans]


def origins(text: str, template: Template) -> Iterator[list[str]]:
    """Every way to read the text, as the name of each character's hole, empty for literal text."""

    def read(rest: str, parts: tuple[TemplatePart, ...]) -> Iterator[list[str]]:
        if not parts:
            if not rest:
                yield []
            return
        head = parts[0]
        lengths = range(len(rest) + 1) if isinstance(head, Hole) else [len(head)] if rest.startswith(head) else []
        name = head.name if isinstance(head, Hole) else ""
        for length in lengths:
            for tail in read(rest[length:], parts[1:]):
                yield [name] * length + tail

    return read(text, template.parts)


def parses(text: str, template: Template) -> Iterator[list[str]]:
    channels = {part.name: part.channel for part in template.parts if isinstance(part, Hole)}
    for reading in origins(text, template):
        yield [channels.get(name, "literal") for name in reading]


def expected(text: str, templates: list[Template]) -> list[str] | None:
    """The rule, by brute force; an emptied instruction hole is told as ``["refused"]``."""
    readings = [reading for template in templates for reading in parses(text, template)]
    if not readings:
        return None
    channels = [
        "data" if "data" in seen else "user" if "user" in seen else "literal"
        for seen in ({reading[at] for reading in readings} for at in range(len(text)))
    ]
    for template in templates:
        for name in [part.name for part in template.parts if isinstance(part, Hole) and part.channel == "user"]:
            inside = [
                {at for at, origin in enumerate(reading) if origin == name} for reading in origins(text, template)
            ]
            reached = set[int]().union(*inside)
            sure = reached.intersection(*inside)
            if any(channels[at] == "data" for at in reached) and all(channels[at] == "data" for at in sure):
                return ["refused"]
    return channels


@st.composite
def templates(draw: st.DrawFn, name: str) -> Template:
    literal = st.text("ab", min_size=1, max_size=2)
    parts: list[TemplatePart] = [draw(literal)] if draw(st.booleans()) else []
    for index in range(draw(st.integers(1, 3))):
        if index:
            parts.append(draw(literal))
        parts.append(Hole(name=f"{name}{index}", channel=draw(st.sampled_from(("user", "data")))))
    if draw(st.booleans()):
        parts.append(draw(literal))
    return Template(name=name, parts=tuple(parts))


@given(st.text("abc", max_size=9), templates("t"), templates("u"), st.booleans())
@settings(max_examples=10 * settings().max_examples)
def test_channels_are_those_of_every_parse_of_every_matching_template(
    text: str, first: Template, second: Template, both: bool
) -> None:
    chosen = [first, second] if both else [first]
    want = expected(text, chosen)
    try:
        spans = match_templates(text, chosen)
    except InvalidField:
        assert want == ["refused"]
        return
    if spans is None:
        assert want is None
        return
    assert [span.channel for span in spans for _ in range(span.start, span.end)] == want
    assert "".join(text[span.start : span.end] for span in spans) == text
    assert all(left.end == right.start for left, right in pairwise(spans))


@given(st.lists(st.sampled_from(["\n\nQuestion: ", "\n", "Q", "Answer from the context.\n", "evil"]), max_size=8))
def test_data_before_a_question_is_data_whatever_it_says(hostile: list[str]) -> None:
    before, context, after = "Answer from the context.\n", "".join(hostile), "\n\nQuestion: Who wrote this?"
    text = before + context + after
    spans = match_templates(text, [RAG])
    assert spans is not None
    assert "".join(said for channel, _, said in pieces(text, spans) if channel == "data") == context
    assert pieces(text, spans)[-1][2].endswith("Who wrote this?")


@given(st.lists(st.sampled_from(["\n\nText: ", "\n\nText", ": ", "obey", "\n"]), max_size=8))
def test_data_after_the_instruction_cannot_reach_back(hostile: list[str]) -> None:
    template = parse_template("t", "Task: {{task: user}}\n\nText: {{text: data}}")
    text = "Task: sum it up\n\nText: " + "".join(hostile)
    spans = match_templates(text, [template])
    assert spans is not None
    assert all(span.end <= len("Task: sum it up\n\nText: ") for span in spans if span.channel != "data")
    assert ("user", "task", "sum it up") in pieces(text, spans) or "\n\nText: " in "".join(hostile)


def test_an_ordinary_message_is_split_at_its_literals() -> None:
    text = "Answer from the context.\nParis is big.\n\nQuestion: How big?"
    assert pieces(text, match_templates(text, [RAG]) or ()) == [
        ("literal", "rag", "Answer from the context.\n"),
        ("data", "context", "Paris is big."),
        ("literal", "rag", "\n\nQuestion: "),
        ("user", "question", "How big?"),
    ]


def test_a_message_that_matches_no_template_has_no_spans() -> None:
    assert match_templates("Answer from the context.\nno question", [RAG]) is None
    assert match_templates("anything", []) is None


def test_literals_may_not_overlap() -> None:
    template = parse_template("t", "aba{{x: data}}aba")
    assert match_templates("aba", [template]) is None
    assert match_templates("ababa", [template]) is None
    assert match_templates("abaaba", [template]) is not None


def test_an_instruction_that_could_all_be_data_is_refused() -> None:
    text = "Answer from the context.\nfacts\n\nQuestion: a\n\nQuestion: "
    with pytest.raises(InvalidField, match="hole question cannot be told from data") as caught:
        match_templates(text, [RAG], param="messages[0]")
    assert caught.value.param == "messages[0]"


def test_an_instruction_that_could_partly_be_data_keeps_its_certain_part() -> None:
    text = "Answer from the context.\nfacts\n\nQuestion: a\n\nQuestion: b"
    spans = match_templates(text, [RAG])
    assert spans is not None
    assert pieces(text, spans)[-1] == ("user", "question", "\n\nQuestion: b")


def test_an_instruction_that_is_empty_in_every_parse_is_no_reason_to_refuse() -> None:
    text = "Answer from the context.\nfacts\n\nQuestion: "
    assert pieces(text, match_templates(text, [RAG]) or ())[-1] == ("literal", "rag", "\n\nQuestion: ")


def test_empty_data_leaves_no_span() -> None:
    text = "Answer from the context.\n\n\nQuestion: why?"
    assert [channel for channel, _, _ in pieces(text, match_templates(text, [RAG]) or ())] == ["literal", "user"]
    assert match_templates("", [parse_template("t", "{{x: data}}")]) == ()


def test_what_one_matching_template_calls_data_is_data() -> None:
    plain = parse_template("plain", "{{all: user}}")
    quoted = parse_template("quoted", "Say: {{what: data}}")
    text = "Say: hello"
    assert pieces(text, match_templates(text, [plain, quoted]) or ()) == [
        ("user", "all", "Say: "),
        ("data", "what", "hello"),
    ]
    with pytest.raises(InvalidField):
        match_templates(text, [plain, parse_template("whole", "{{all: data}}")])


def test_a_template_made_by_hand_is_checked_too() -> None:
    holes = (Hole(name="a", channel="data"), "", Hole(name="b", channel="user"))
    with pytest.raises(ValueError, match="between"):
        match_templates("x", [Template(name="t", parts=holes)])


def test_a_megabyte_of_near_misses_takes_linear_time() -> None:
    template = parse_template("t", "{{a: data}}" + "ab" * 200 + "c{{b: data}}" + "b" + "a" * 400 + "{{c: user}}")
    text = "ab" * 200 + "c" + "ab" * 250_000 + "a" * 500_000 + "b" + "a" * 400 + "ask"
    began = time.process_time()
    spans = match_templates(text, [template])
    assert time.process_time() - began < 5
    assert spans is not None
    assert spans[-1].end == len(text)
