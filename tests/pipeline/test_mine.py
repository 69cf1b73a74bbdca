import time

from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.pipeline.mine import Proposal, propose
from gateway.pipeline.unmix import match_templates, parse_template

FACTS = ["Paris has parks.\nAnd a river.", "Mail from Bo:\n\nplease pay", "x = 1", "", "Über alles: 42"]
ASKED = ["How big?", "Who wrote it, and why?", "Solve for x.", "Say hi", "What now"]


def rag(facts: str, asked: str) -> str:
    return f"You are helpful. Answer from the context only.\n\nContext:\n{facts}\n\nQuestion: {asked}"


def test_messages_of_one_template_give_it_back() -> None:
    texts = [rag(facts, asked) for facts, asked in zip(FACTS, ASKED, strict=True)]
    assert propose(texts) == (
        Proposal(
            source="You are helpful. Answer from the context only.\n\nContext:\n{{context: data}}\n\n"
            "Question: {{question: user}}",
            covered=5,
        ),
    )


def test_a_message_too_long_to_learn_from_is_still_counted() -> None:
    texts = [rag(facts, asked) for facts, asked in zip(FACTS, ASKED, strict=True)]
    assert propose([*texts, rag("long " * 10_000, "And this?")])[0].covered == 6
    assert propose([rag("long " * 10_000 + str(index), "And this?") for index in range(4)]) == ()


def test_the_proposed_template_tells_data_from_question() -> None:
    texts = [rag(facts, asked) for facts, asked in zip(FACTS, ASKED, strict=True)]
    template = parse_template("t", propose(texts)[0].source)
    for text, facts, asked in zip(texts, FACTS, ASKED, strict=True):
        spans = match_templates(text, [template])
        assert spans is not None
        data = "".join(text[span.start : span.end] for span in spans if span.channel == "data")
        assert data == facts
        assert [text[span.start : span.end] for span in spans if span.channel == "user"] == [asked]


def test_two_templates_are_told_apart_and_counted() -> None:
    mails = [
        f"Summarise this mail in one sentence.\n---\n{fact} {index}\n---\n" for index, fact in enumerate(FACTS * 2)
    ]
    texts = [rag(facts, asked) for facts, asked in zip(FACTS, ASKED, strict=True)] + mails
    assert [proposal.covered for proposal in propose(texts)] == [10, 5]


def test_a_template_that_begins_with_data_is_found_by_its_end() -> None:
    texts = [f"{fact} {index} of many\n\nTranslate the text above into French." for index, fact in enumerate(FACTS)]
    (proposal,) = propose(texts)
    assert proposal.covered == 5
    assert proposal.source.startswith("{{text: data}}")
    assert proposal.source.endswith("Translate the text above into French.")


def test_unrelated_few_or_equal_messages_give_nothing() -> None:
    assert propose([]) == ()
    assert propose(["hello there", "what is up", "tell me a joke", " "]) == ()
    assert propose([rag("a", "b"), rag("c", "d")]) == ()
    assert propose(["always the very same message"] * 5) == ()
    assert propose(["Hi to us a", "Hi to us b", "Hi to us c"]) == ()
    assert propose(["Hi all: a", "Hi all: b", "Hi all: c"]) == ()


def test_braces_and_backslashes_of_the_shared_text_are_kept_apart_from_holes() -> None:
    texts = [f"Fill the template {{{{name}}}} for \\{name} now please" for name in ("ann", "bob", "cleo", "dan")]
    (proposal,) = propose(texts)
    assert proposal.covered == 4
    assert "\\{{name}}" in proposal.source


def test_a_shared_backslash_before_a_hole_is_left_to_the_hole() -> None:
    texts = [f"Read the registry below HKEY\\ {name}" for name in ("ann", "bob", "cleo", "dan")]
    texts = [text.replace("\\ ", "\\\n") for text in texts]
    assert propose(texts)[0].covered == 4


def test_a_shared_text_that_cannot_be_written_as_a_literal_is_not_proposed() -> None:
    begins = "I want these things listed"
    assert propose([f"{begins} a {{", f"{begins} b {{\nmore", f"{begins} c {{"]) == ()
    assert propose([f"{begins} a (", f"{begins} b (\nmore", f"{begins} c ("])[0].covered == 3


def test_holes_after_the_same_word_get_their_own_names() -> None:
    texts = [f"The first text:\n{a}\nThen comes the other text:\n{b}!" for a, b in zip("abcd", "wxyz", strict=True)]
    (proposal,) = propose(texts)
    assert proposal.covered == 4
    assert parse_template("t", proposal.source).parts


def test_messages_that_would_be_refused_are_not_counted() -> None:
    texts = [rag(facts, asked) for facts, asked in zip(FACTS, ASKED, strict=True)]
    doubtful = rag("x", "y") + "\n\nQuestion: "
    assert propose([*texts, rag("x" * 30_000, "y") + "\n\nQuestion: "])[0].covered == 5
    assert propose([*texts, doubtful, "Other"])[0].covered >= 5


def test_at_most_eight_templates_are_proposed() -> None:
    texts = [
        f"This is kind {kind} of the message, about {what}" for kind in range(12) for what in ("ann", "bob", "cleo")
    ]
    texts = [f"{text.split()[3]} {text}" for text in texts]
    assert len(propose(texts)) == 8


@given(st.lists(st.text("ab \n{}\\", max_size=20), max_size=8), st.text("\n{}\\a", max_size=6))
@settings(max_examples=2 * settings().max_examples)
def test_every_proposal_is_a_template_that_covers_what_it_says(texts: list[str], shared: str) -> None:
    texts = [f"{shared}Answer from this:\n{shared}{text}{shared}\nThat was it.{shared}{text}" for text in texts]
    for proposal in propose(texts):
        template = parse_template("t", proposal.source)
        assert sum(match_templates(text, [template]) is not None for text in texts) >= proposal.covered >= 3


def test_long_repetitive_messages_take_bounded_time() -> None:
    texts = ["Read this now: " + "a b " * 5000 + str(index) for index in range(40)]
    texts += ["Read this long: " + "word " * 100_000 + str(index) for index in range(5)]
    began = time.process_time()
    propose(texts)
    assert time.process_time() - began < 30
