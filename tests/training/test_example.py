import json
import random
from pathlib import Path

import pytest

from gateway.training.example import BadExamples, Example, place, read_examples, with_attacks

DRAWN = random.Random(0)  # noqa: S311 -- no secret
TASKS = tuple(
    [
        Example(instruction=f"Do task {number}.", data=f"Some text of number {number}.", answer=f"answer {number}")
        for number in range(40)
    ]
)


def test_an_instruction_set_is_read_in_split_form(tmp_path: Path) -> None:
    path = tmp_path / "set.jsonl"
    lines = [
        {"instruction": "Sum up.", "input": "A long text.", "output": "Short."},
        {"instruction": "Say hello.", "input": "", "output": "Hello."},
        {"instruction": "Name it.", "data": "A.", "answer": "A", "rejected": "B", "kind": "name", "attack": "naive"},
    ]
    path.write_text("\n".join(map(json.dumps, lines)) + "\n\n")
    assert read_examples(path) == (
        Example(instruction="Sum up.", data="A long text.", answer="Short."),
        Example(instruction="Say hello.", data="", answer="Hello."),
        Example(instruction="Name it.", data="A.", answer="A", rejected="B", kind="name", attack="naive"),
    )


def test_only_a_line_feed_ends_a_line_and_a_mark_of_the_encoding_is_none_of_the_first(tmp_path: Path) -> None:
    path = tmp_path / "set.jsonl"
    lines = [{"instruction": "Sum up.", "input": "One\u2028two\x85three", "output": word} for word in ("a", "b")]
    path.write_text("\r\n".join(json.dumps(line, ensure_ascii=False) for line in lines), encoding="utf-8-sig")
    assert [(one.data, one.answer) for one in read_examples(path)] == [
        ("One\u2028two\x85three", "a"),
        ("One\u2028two\x85three", "b"),
    ]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "holds no examples"),
        ("{", "line 1 is not JSON"),
        ("[]", "line 1 is not an object"),
        ('{"instruction": "a", "output": "b"}\n{"instruction": "a", "output": " "}', "line 2 lacks a text"),
    ],
)
def test_what_is_no_instruction_set_is_refused_with_its_line(text: str, message: str, tmp_path: Path) -> None:
    path = tmp_path / "set.jsonl"
    path.write_text(text)
    with pytest.raises(BadExamples, match=message):
        read_examples(path)


def test_a_file_that_cannot_be_read_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadExamples, match="give a JSONL file"):
        read_examples(tmp_path / "none.jsonl")


def test_an_attacked_example_keeps_its_own_answer_and_knows_the_other_one() -> None:
    attacked = with_attacks(TASKS, seed=1, share=1.0)
    changed = [(own, made) for own, made in zip(TASKS, attacked, strict=True) if made.attack]
    assert len(changed) > 30
    assert {made.attack for _, made in changed} == {"naive", "ignore", "completion"}
    for own, made in changed:
        assert (made.instruction, made.answer) == (own.instruction, own.answer)
        other = next(task for task in TASKS if task.answer == made.rejected)
        assert other.instruction in made.data
        assert other is not own


def test_a_share_is_attacked_and_none_without_data_or_with_an_attack() -> None:
    half = sum(made.attack is not None for made in with_attacks(TASKS * 10, seed=2, share=0.5))
    assert 150 < half < 250
    assert with_attacks(TASKS, seed=2, share=0.0) == TASKS
    bare = (Example(instruction="Go.", data="", answer="a"), Example(instruction="Go on.", data="", answer="b"))
    assert with_attacks(bare, seed=2, share=1.0) == bare
    done = with_attacks(TASKS, seed=2, share=1.0)
    assert [one.attack for one in with_attacks(done, seed=3, share=1.0) if one.attack] != []
    assert all(
        again == one for one, again in zip(done, with_attacks(done, seed=3, share=1.0), strict=True) if one.attack
    )


def test_the_seed_decides() -> None:
    assert with_attacks(TASKS, seed=4, share=0.5) == with_attacks(TASKS, seed=4, share=0.5)
    assert with_attacks(TASKS, seed=4, share=0.5) != with_attacks(TASKS, seed=5, share=0.5)


@pytest.mark.parametrize(
    ("position", "placed"), [("start", "X\none two"), ("middle", "one\nX\ntwo"), ("end", "one two\nX")]
)
def test_an_injection_goes_where_it_is_wanted(position: str, placed: str) -> None:
    assert place("one two", "X", position, DRAWN) == placed


def test_data_of_one_word_has_no_middle() -> None:
    assert place("one", "X", "middle", DRAWN) == "one\nX"
