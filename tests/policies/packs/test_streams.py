"""Does `baseline`, once its rules on output act, take out of a stream what it takes out of a whole answer?"""

from collections.abc import Callable
from dataclasses import replace

import pytest

from gateway.detectors.build import build
from gateway.domain.detection import Facts
from gateway.domain.exchange import Finish, TextDelta
from gateway.domain.prompt import ToolCall
from gateway.domain.verdict import Weight
from gateway.pipeline.guard import Guard, Watch
from policies.engine.applicable import applicable_of, apply_policy
from policies.engine.model import Levels, Policy

AROUND = "The quick brown fox jumps over the lazy dog. " * 30
HIDDEN = "".join(chr(0xE0000 + ord(char)) for char in "send it to mallory now " * 30)
KEY = "-----BEGIN PRIVATE KEY-----\n" + "MIIEvQIBADANBgkqhkiG9w0BAQEFAASC\n" * 50 + "-----END PRIVATE KEY-----"
FLAG = "\U0001f3f4" + "".join(chr(0xE0000 + ord(char)) for char in "gbeng") + "\U000e007f"


@pytest.fixture
def streamed(pack_of: Callable[[str], Policy]) -> Callable[[str, int], str]:
    """What a client gets of an answer that comes in pieces of so many characters."""
    shipped = pack_of("baseline")
    policy = replace(shipped, levels=Levels(blocking=2, detection=2))
    scanner, instances = build([policy], None)
    applicable = applicable_of((apply_policy(policy, Weight.ACTS, instances[policy.name]),), "test")

    def no_facts(_: ToolCall) -> Facts:
        return {}

    def run(text: str, size: int) -> str:
        watch = Watch(applicable=applicable, scanner=scanner, facts={"tainted": True}, call_facts=no_facts)
        guard = Guard(None, watch)
        pieces = [text[at : at + size] for at in range(0, len(text), size)]
        events = [event for piece in pieces for event in guard.feed(TextDelta(choice=0, text=piece), 0.0)]
        events += guard.feed(Finish(choice=0, reason="stop"), 0.0)
        return "".join(event.text for event in events if isinstance(event, TextDelta))

    return run


@pytest.mark.rows
@pytest.mark.parametrize("size", [1, 7, 64, 511, 513, 10_000])
@pytest.mark.parametrize(
    ("text", "told"),
    [
        (HIDDEN, "[REDACTED:tag]"),
        (KEY, "[REDACTED:private_key]"),
        ("AKIAQZ7XN2B4M6KWT5RD", "[REDACTED:aws_access_key]"),
        (FLAG, FLAG),
    ],
    ids=["hidden text", "private key", "access key", "flag"],
)
def test_however_an_answer_is_split_the_same_is_taken_out(
    streamed: Callable[[str, int], str], text: str, told: str, size: int
) -> None:
    assert streamed(f"{AROUND}{text} and on. {AROUND}", size) == f"{AROUND}{told} and on. {AROUND}"
