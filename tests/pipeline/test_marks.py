import re
import time
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.pipeline.unmix import Span, marked_parts, marked_spans

OPEN = "<amazon-bedrock-guardrails-guardContent_xyz>"
CLOSE = "</amazon-bedrock-guardrails-guardContent_xyz>"
HOSTILE = st.lists(
    st.sampled_from(
        [
            "<documents>",
            "</documents>",
            "</Documents >",
            "< / documents",
            '"""',
            OPEN,
            CLOSE,
            CLOSE.upper(),
            "<",
            ">",
            "\n",
            "obey",
        ]
    ),
    max_size=10,
).map("".join)


def pieces(text: str, spans: tuple[Span, ...]) -> list[tuple[str, str]]:
    return [(span.channel, text[span.start : span.end]) for span in spans]


def of(text: str) -> list[tuple[str, str]]:
    return pieces(text, marked_spans(text))


def test_the_documented_azure_block_is_data_between_its_marks() -> None:
    text = 'Sum this up: """ <documents>\nDear all\n</documents> """ In one line.'
    assert of(text) == [
        ("user", "Sum this up: "),
        ("literal", '""" <documents>'),
        ("data", "\nDear all\n"),
        ("literal", '</documents> """'),
        ("user", " In one line."),
    ]
    assert {span.origin for span in marked_spans(text)} == {"message", "azure-documents"}


def test_guard_content_tags_are_data_between_their_marks() -> None:
    text = f"Rules. {OPEN}How many?{CLOSE} End."
    assert of(text) == [
        ("user", "Rules. "),
        ("literal", OPEN),
        ("data", "How many?"),
        ("literal", CLOSE),
        ("user", " End."),
    ]
    assert "bedrock-guard-content" in {span.origin for span in marked_spans(text)}


@pytest.mark.rows
@pytest.mark.parametrize(
    "text",
    [
        "plain",
        "a < b",
        "<p>html</p>",
        "<document>x</document>",
        "<documents-x>",
        "</documents> only",
        "my documents",
        "",
    ],
)
def test_unmarked_text_has_no_spans(text: str) -> None:
    assert marked_spans(text) == ()


def test_without_a_closing_data_goes_to_the_end() -> None:
    assert of("Read: <documents>a b") == [("user", "Read: "), ("literal", "<documents>"), ("data", "a b")]
    assert of("</documents>x<documents>y") == [("user", "</documents>x"), ("literal", "<documents>"), ("data", "y")]


def test_several_blocks_are_data_from_the_first_opening_to_the_last_closing() -> None:
    assert of("<documents>a</documents> and <documents>b</documents>?") == [
        ("literal", "<documents>"),
        ("data", "a</documents> and <documents>b"),
        ("literal", "</documents>"),
        ("user", "?"),
    ]


def test_case_and_blanks_do_not_matter_and_attributes_count_as_data() -> None:
    assert of("<DOCUMENTS>a</Documents>") == [("literal", "<DOCUMENTS>"), ("data", "a"), ("literal", "</Documents>")]
    assert of('x < documents src="a>b">c</ documents z>d') == [
        ("user", "x "),
        ("data", '< documents src="a>b">c</ documents z>'),
        ("user", "d"),
    ]
    assert of("<documents>a</documents b") == [("literal", "<documents>"), ("data", "a</documents b")]


def test_an_empty_block_has_no_data() -> None:
    assert of("a<documents></documents>b") == [("user", "a"), ("literal", "<documents></documents>"), ("user", "b")]


def test_any_suffix_opens_and_closes() -> None:
    assert of(f"{OPEN}a</amazon-bedrock-guardrails-guardContent_other>b")[1:] == [
        ("data", "a"),
        ("literal", "</amazon-bedrock-guardrails-guardContent_other>"),
        ("user", "b"),
    ]


def test_blocks_of_both_kinds_are_united() -> None:
    text = f"q <documents>a {OPEN}b</documents> c{CLOSE} r"
    assert [channel for channel, _ in of(text)] == ["user", "literal", "data", "data", "literal", "user"]
    assert "".join(said for channel, said in of(text) if channel == "data") == f"a {OPEN}b</documents> c"


@given(HOSTILE, st.sampled_from([("<documents>", "</documents>"), (OPEN, CLOSE)]))
@settings(max_examples=2 * settings().max_examples)
def test_whatever_stands_inside_a_block_is_data(hostile: str, marks: tuple[str, str]) -> None:
    opening, closing = marks
    text = f"Before. {opening}{hostile}{closing} After."
    begin, end = len("Before. ") + len(opening), len(text) - len(closing) - len(" After.")
    spans = marked_spans(text)
    assert "".join(text[span.start : span.end] for span in spans) == text
    for span in spans:
        if span.channel != "data":
            assert span.end <= begin or span.start >= end or span.channel == "literal"
        if span.channel == "user":
            assert span.end <= begin or span.start >= end
    assert pieces(text, spans)[0] == ("user", "Before. ")


@given(HOSTILE, st.lists(st.integers(0, 200), max_size=4))
@settings(max_examples=2 * settings().max_examples)
def test_a_split_into_parts_changes_no_channel(text: str, cuts: list[int]) -> None:
    edges = sorted({0, len(text), *(cut for cut in cuts if cut < len(text))})
    texts = [text[start:end] for start, end in pairwise(edges)] or [text]
    whole = [span.channel for span in marked_spans(text) for _ in range(span.start, span.end)]
    apart = [span.channel for spans in marked_parts(texts) for span in spans for _ in range(span.start, span.end)]
    assert apart == whole
    for part, spans in zip(texts, marked_parts(texts), strict=True):
        assert not spans or "".join(part[span.start : span.end] for span in spans) == part


def test_a_block_may_open_in_one_part_and_close_in_another() -> None:
    texts = ["Sum up: <documents>", "", "mail text", "</documents> Now."]
    assert [pieces(text, spans) for text, spans in zip(texts, marked_parts(texts), strict=True)] == [
        [("user", "Sum up: "), ("literal", "<documents>")],
        [],
        [("data", "mail text")],
        [("literal", "</documents>"), ("user", " Now.")],
    ]
    assert marked_parts(["a", "b"]) == ((), ())


def test_hostile_marks_take_linear_time() -> None:
    began = time.process_time()
    for text in (
        "<documents>" + "</documents " * 80_000,
        "< " * 500_000,
        '""" ' * 250_000 + "<documents>",
        "<" + " " * 1_000_000,
    ):
        marked_spans(text)
    assert time.process_time() - began < 10


def test_spans_name_no_text() -> None:
    assert re.fullmatch(r"[a-z-]+", marked_spans("<documents>secret")[-1].origin)
