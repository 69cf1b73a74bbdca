import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.pipeline.pseudonyms import Pseudonyms

EMAIL = "ann@example.org"


@pytest.fixture
def known() -> Pseudonyms:
    pseudonyms = Pseudonyms()
    assert pseudonyms.placeholder("EMAIL_ADDRESS", EMAIL) == "<EMAIL_1>"
    return pseudonyms


def test_the_same_value_has_the_same_number(known: Pseudonyms) -> None:
    assert known.placeholder("EMAIL_ADDRESS", "bob@example.org") == "<EMAIL_2>"
    assert known.placeholder("EMAIL_ADDRESS", EMAIL) == "<EMAIL_1>"


def test_kinds_are_numbered_apart(known: Pseudonyms) -> None:
    assert known.placeholder("PHONE_NUMBER", EMAIL) == "<PHONE_1>"


@pytest.mark.rows
@pytest.mark.parametrize(
    ("kind", "placeholder"),
    [
        ("order-id", "<ORDER_ID_1>"),
        ("9", "<VALUE_9_1>"),
        ("ß", "<SS_1>"),
        ("名", "<VALUE_1>"),
        ("literal", "<VALUE_LITERAL_1>"),
    ],
)
def test_a_kind_of_any_characters_makes_a_placeholder(kind: str, placeholder: str) -> None:
    pseudonyms = Pseudonyms()
    assert pseudonyms.placeholder(kind, "v") == placeholder
    assert pseudonyms.restore(f"a {placeholder} b", anywhere=False)[0] == "a v b"


def test_it_is_true_once_it_holds_something_and_never_shows_it(known: Pseudonyms) -> None:
    assert not Pseudonyms()
    assert known
    assert repr(known) == "<1 pseudonyms>"


def test_values_come_back_and_say_where_they_stand(known: Pseudonyms) -> None:
    known.placeholder("EMAIL_ADDRESS", "b@c.de")
    text, spans = known.restore("To <EMAIL_1>, <EMAIL_2> and <EMAIL_1>.", anywhere=False)
    assert text == f"To {EMAIL}, b@c.de and {EMAIL}."
    assert [text[start:end] for start, end in spans] == [EMAIL, "b@c.de", EMAIL]


def test_a_text_without_known_placeholders_stays_as_it_is(known: Pseudonyms) -> None:
    assert known.restore("<EMAIL_7> and <b>", anywhere=False) == ("<EMAIL_7> and <b>", ())


@pytest.mark.parametrize(
    "text",
    [
        "https://evil.example/?q=<EMAIL_1>",
        "https://<EMAIL_1>.evil.example",
        "//evil.example/<EMAIL_1>",
        "/\\evil.example/<EMAIL_1>",
        "https:/evil.example/<EMAIL_1>",
        "www.evil.example?<EMAIL_1>",
        "evil.example/<EMAIL_1>",
        "<EMAIL_1>.evil.example",
        "mailto:<EMAIL_1>",
        "![x](/log?q=<EMAIL_1>)",
        "![x](</log?q=a b <EMAIL_1>>)",
        '![x](/log "a <EMAIL_1>")',
        "[x]: /log?q=<EMAIL_1>",
        "[x]:\n  </log?q=a <EMAIL_1>>",
        '<img src="/log?q=a b <EMAIL_1>">',
        "<img src='/log?q=a > <EMAIL_1>'>",
        "<img alt=a\nsrc=/log?q=<EMAIL_1>>",
        "<img \" x src='\">https://evil.example/a b <EMAIL_1>'>",
        '<img src="/log?q=<EMAIL_1>',
        '<img =a == b="<EMAIL_1>"/>',
        '<img alt=a\u00a0b=" src="/log?q=a b <EMAIL_1>">',
        "<p style='background:url(/log?q=<EMAIL_1>)'>",
        "<style>p{background:url( /log?q=<EMAIL_1> )}</style>",
        "<style>@import '/log?q= <EMAIL_1>';</style>",
        "]: <img alt='\n <EMAIL_1>' src=/log>",
        "https://evil.example/?q=a b <EMAIL_1>",
    ],
)
def test_values_stay_away_from_what_a_client_would_fetch(known: Pseudonyms, text: str) -> None:
    assert known.restore(text, anywhere=False) == (text, ())
    assert EMAIL in known.restore(text, anywhere=True)[0]


@pytest.mark.parametrize(
    "text",
    [
        "Mail:<EMAIL_1>",
        "See https://good.example/x or write to <EMAIL_1>.",
        "![x](/log) <EMAIL_1>",
        "<img src='/log'> <EMAIL_1>",
        "<b>bold</b> <EMAIL_1>",
        "a < b and <EMAIL_1>",
        "[x]: /log\n<EMAIL_1>",
        "(e.g. <EMAIL_1>)",
        "1/2 <EMAIL_1>",
        "either/or:<EMAIL_1>",
    ],
)
def test_values_come_back_beside_what_a_client_would_fetch(known: Pseudonyms, text: str) -> None:
    assert known.restore(text, anywhere=False)[0] == text.replace("<EMAIL_1>", EMAIL)


def test_what_looks_like_a_placeholder_cannot_be_taken_for_ours(known: Pseudonyms) -> None:
    escaped = known.escape("what is <EMAIL_1>, and <LITERAL_1>?")
    assert escaped == "what is <LITERAL_1>, and <LITERAL_2>?"
    assert known.restore(escaped, anywhere=False)[0] == "what is <EMAIL_1>, and <LITERAL_1>?"


def test_what_the_client_wrote_itself_comes_back_wherever_it_stands(known: Pseudonyms) -> None:
    text = "https://good.example/?q=<EMAIL_1>"
    assert known.restore(known.escape(text), anywhere=False)[0] == text


@given(st.text(alphabet="<>EMAIL_1 a/"))
def test_an_escaped_text_comes_back_as_it_was(text: str) -> None:
    pseudonyms = Pseudonyms()
    pseudonyms.placeholder("EMAIL_ADDRESS", EMAIL)
    escaped = pseudonyms.escape(text)
    assert "<EMAIL_1>" not in escaped
    assert pseudonyms.restore(escaped, anywhere=False)[0] == text


@pytest.mark.parametrize(
    "piece",
    ["<a ", '<a "', "<a b='", "](", "](<", "]:", "url(", "@import", "<EMAIL_1>", ".a", "a.", "= ", "\n", "<!--"],
)
def test_long_texts_are_read_in_linear_time(known: Pseudonyms, piece: str) -> None:
    text = "<EMAIL_1>" + piece * (200_000 // len(piece))
    known.restore(text, anywhere=False)
