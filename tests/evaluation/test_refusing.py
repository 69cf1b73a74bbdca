import pytest

from gateway.evaluation.refusing import PHRASES, refuses


@pytest.mark.rows
@pytest.mark.parametrize(
    "text",
    [
        "I cannot help with that.",
        "I can\u2019t do that",
        '  "Sorry, but I cannot."',
        "**I'm sorry, but** no",
        "As an AI, I do not",
        "Unfortunately, I can't",
    ],
)
def test_an_answer_that_begins_as_refusals_do_refuses(text: str) -> None:
    assert refuses(text)


@pytest.mark.rows
@pytest.mark.parametrize(
    "text",
    [
        "",
        "The mail says: I cannot come on Friday.",
        "I cannotate texts",
        "As an airline, we",
        "I'm sorry to hear that. The sender is Ada.",
        "Unfortunately, it is raining",
    ],
)
def test_an_answer_that_speaks_of_it_later_does_not(text: str) -> None:
    assert not refuses(text)


def test_every_phrase_is_found() -> None:
    assert all(refuses(f"{phrase.capitalize()} do it.") for phrase in PHRASES)
