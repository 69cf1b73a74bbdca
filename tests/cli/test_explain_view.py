from collections.abc import Callable
from dataclasses import replace

import pytest

from gateway.cli.explain_view import Explanation, Outcome, lines
from gateway.domain.card import Bar, Card, Scores
from gateway.domain.detection import Stage
from gateway.domain.identity import ANONYMOUS
from gateway.domain.isolation import Isolation
from gateway.domain.model import Model
from gateway.domain.prompt import Data, History, Instruction, Media, MediaKind, Prompt, Speaker, ToolCall, Trust, Turn
from gateway.domain.request import ClientRequest
from gateway.domain.target import Endpoint, Layout, Removal, Target
from gateway.domain.verdict import Action, Block, Findings, Hit, Verdict, Weight
from policies.engine.applicable import Applicable, applicable_of
from policies.engine.evaluate import CLEAR

TARGET = Target(
    id="m/1", provider="openai_compatible", base_url="https://h/v1", model="up", format="secalign", family="all"
)
LAYOUT = Layout(format="secalign", endpoint=Endpoint.CHAT, body={}, isolation=Isolation.NATIVE)

NO_POLICIES = applicable_of((), "sha256:0")


@pytest.fixture
def shown() -> Callable[..., str]:
    """What is printed for one target and these turns."""

    def show(
        *turns: Turn,
        target: Target = TARGET,
        layout: Layout | None = LAYOUT,
        body: bytes | None = b'{"a":1}',
        policies: Applicable = NO_POLICIES,
        verdict: Verdict = CLEAR,
    ) -> str:
        explanation = Explanation(
            request=ClientRequest(dialect="split", model="m", messages=(), min_isolation=Isolation.CHANNEL),
            model=Model(name="m", targets=(target,)),
            caller=ANONYMOUS,
            prompt=Prompt(turns=turns),
            policies=policies,
            verdict=verdict,
            floor=Isolation.CHANNEL,
            outcomes=(Outcome(target=target, layout=layout, refusal=None, body=body),),
        )
        return "\n".join(line.plain for line in lines(explanation, full=True, width=None))

    return show


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"needs_probe": True}, "isolation native, if its render probe at start succeeds"),
        ({"assumed": True}, "isolation native, on the configuration's word"),
        (
            {"assumed": True, "needs_probe": True},
            "isolation native, on the configuration's word, if its render probe at start succeeds",
        ),
        ({}, "isolation native\n"),
    ],
)
def test_native_says_what_it_rests_on(shown: Callable[..., str], change: dict[str, bool], said: str) -> None:
    target = replace(TARGET, **change) if change else TARGET
    assert said in shown(target=target)


def test_lower_levels_rest_on_nothing(shown: Callable[..., str]) -> None:
    layout = replace(LAYOUT, isolation=Isolation.WRAPPED)
    assert "isolation wrapped\n" in shown(layout=layout, target=replace(TARGET, needs_probe=True))


def test_what_was_measured_of_a_target_is_told(shown: Callable[..., str], card: Card) -> None:
    text = shown(target=replace(TARGET, card=card))
    assert "measured  separation 0.960 (0.930 to 0.980), attack success 0.020 (0.010 to 0.050)\n" in text
    silent = shown(target=replace(TARGET, card=replace(card, scores=Scores())))
    assert "measured  neither separation nor attack success\n" in silent
    assert "measured" not in shown()


def test_what_is_asked_of_a_card_is_told(shown: Callable[..., str]) -> None:
    asking = replace(NO_POLICIES, bar=Bar(min_separation=0.9))
    assert "card    min_separation 0.9 (the model or a policy asks for it)\n" in shown(policies=asking)
    assert "max_attack_success" not in shown(policies=asking)
    assert "card    " not in shown()


def test_removals_and_notes_are_told(shown: Callable[..., str]) -> None:
    removals = (Removal(where="s1", count=1), Removal(where="tools", count=2))
    text = shown(layout=replace(LAYOUT, removals=removals, notes=("operator-user-merged",)))
    assert "  1 reserved token taken out of s1\n" in text
    assert "  2 reserved tokens taken out of tools\n" in text
    assert "  operator-user-merged\n" in text
    assert "nothing" not in text.partition("changed on the way")[2]


def test_the_upstreams_address_is_told(shown: Callable[..., str]) -> None:
    assert "POST https://h/v1/chat/completions" in shown()
    assert "POST the embedded model, chat/completions" in shown(target=replace(TARGET, provider="embedded"))
    assert "POST the litellm process, chat/completions" in shown(target=replace(TARGET, provider="bedrock"))


def test_a_target_without_a_layout_has_no_body(shown: Callable[..., str]) -> None:
    assert "upstream body" not in shown(layout=None, body=None)


def test_every_kind_of_segment_has_its_word_and_gutter(shown: Callable[..., str]) -> None:
    instruction = Instruction(id="i", origin="operator", text="Do.", trust=Trust.OPERATOR)
    media = Media(id="p", origin="image", kind=MediaKind.IMAGE, mime="image/png", content="AAAA", attributes={})
    call = ToolCall(id="c", name="f", arguments='{"q": "\x1b"}')
    text = shown(
        Turn(speaker=Speaker.SYSTEM, segments=(instruction,)),
        Turn(speaker=Speaker.ASSISTANT, segments=(History(id="h", text="said"),), tool_calls=(call,)),
        Turn(speaker=Speaker.INPUT, segments=(Data(id="d", origin="web", text="page\n"), media)),
    )
    expected = [
        "1 INSTRUCTION  operator · turn system · id i · origin operator",
        "  » Do.",
        "2 HISTORY  the assistant's, as the client tells it · turn assistant · id h",
        "  < said",
        "· TOOL CALL  f · id c",
        '  < {"q": "\\x1b"}',
        "3 DATA  untrusted · turn input · id d · origin web",
        "  ┆ page",
        "  ┆ ",
        "4 DATA  untrusted · turn input · id p · origin image",
        "  ┆ (image, image/png, 4 characters of base64)",
    ]
    assert "\n".join(expected) in text


def test_what_is_asked_for_is_told(shown: Callable[..., str]) -> None:
    assert "floor   channel (the request asks for channel, the model for wrapped)" in shown()


def test_the_verdict_and_each_rule_that_hit_are_told(shown: Callable[..., str]) -> None:
    hit = Hit(
        policy="p",
        rule="no-mail",
        stage=Stage.DATA,
        where="s2",
        action=Action.BLOCK,
        weight=Weight.ACTS,
        points=0,
        message="Send no mail.",
    )
    watching = replace(hit, rule="seen", weight=Weight.SHADOW)
    told = shown(verdict=Block(found=Findings(hits=(hit, watching))))
    assert "block · none that is evaluated · revision sha256:0" in told
    assert "no-mail · s2 · block\n    Send no mail." in told
    assert "seen · s2 · block, but only shadow" in told


def test_the_floor_that_policy_asks_for_is_told(shown: Callable[..., str]) -> None:
    assert "policy for native)" in shown(policies=replace(NO_POLICIES, min_isolation=Isolation.NATIVE))
    assert "policy for" not in shown()


def test_the_address_is_the_providers_own(shown: Callable[..., str]) -> None:
    assert "POST https://h/v1/chat/completions" in shown()
    azure = replace(TARGET, provider="azure", base_url="https://r.test", api_version="2024-10-21")
    assert "POST https://r.test/openai/deployments/up/chat/completions?api-version=2024-10-21" in shown(target=azure)
    assert "POST the embedded model, chat/completions" in shown(target=replace(TARGET, provider="embedded"))
