from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.domain.prompt import (
    Data,
    History,
    Instruction,
    Media,
    MediaKind,
    Prompt,
    Segment,
    Speaker,
    Tool,
    ToolCall,
    Trust,
    Turn,
)
from gateway.pipeline.taint import Grounds, content_of, exact_content, is_tainted, stands_in
from policies.engine.applicable import Applicable, applicable_of
from policies.engine.model import Effect, Policy, ToolRule


class Known:
    def __init__(self, *contents: tuple[str, ...]) -> None:
        self.contents = contents

    def knows(self, tenant: str, content: tuple[str, ...]) -> bool:
        return tenant == "t" and content in self.contents

    def remember(self, tenant: str, content: tuple[str, ...]) -> None:
        raise NotImplementedError


def prompt(*segments: Segment, speaker: Speaker = Speaker.USER, calls: Sequence[ToolCall] = ()) -> Prompt:
    turn = Turn(speaker=speaker, segments=tuple(segments), tool_calls=tuple(calls))
    return Prompt(turns=(turn,), tools=(Tool(name="send"),))


def told(text: str) -> Instruction:
    return Instruction(id="i", origin="user", text=text, trust=Trust.USER)


@pytest.fixture
def policies() -> Callable[[Mapping[str, ToolRule]], Applicable]:
    def make(tools: Mapping[str, ToolRule]) -> Applicable:
        policy = Policy(
            name="p", owner="o", file="f", digest="", mode="enforce", severities={}, thresholds={}, tools=tools
        )
        return replace(applicable_of((), "r"), declaring=(policy,))

    return make


def test_a_request_of_instructions_alone_is_untainted() -> None:
    assert not is_tainted(prompt(told("hi")), "t", Known())


@pytest.mark.parametrize(
    "segment",
    [
        Data(id="d", origin="email", text="x"),
        Media(id="m", origin="image", kind=MediaKind.IMAGE, mime="image/png", content="", attributes={}),
    ],
)
def test_any_data_taints(segment: Segment) -> None:
    assert is_tainted(prompt(told("hi"), segment), "t", Known())


def test_history_taints_unless_it_is_exactly_a_reply_of_ours_to_this_tenant() -> None:
    call = ToolCall(id="c", name="look", arguments="{}")
    said = prompt(
        History(id="h", text="a"), History(id="r", text="b", refusal=True), speaker=Speaker.ASSISTANT, calls=[call]
    )
    content = exact_content("a", "b", None, (ToolCall(id="other", name="look", arguments="{}"),), ())
    assert content_of(said.turns[0]) == content
    assert not is_tainted(said, "t", Known(content))
    assert is_tainted(said, "u", Known(content))
    assert is_tainted(said, "t", Known(exact_content("a ", "b", None, (call,), ())))
    assert is_tainted(said, "t", Known(exact_content("a", "b", None, (), ())))


@pytest.mark.rows
@pytest.mark.parametrize(
    ("made", "sent_back", "same"),
    [
        ('{"a": [1, "ü"]}', '{"a":[1,"\\u00fc"]}', True),
        ("", "{}", True),
        ("{", "{", True),
        ('{"a": 1}', '{"a": 2}', False),
        ('{"a": 1}', '{"a": 1, "a": 1}', False),
        ("{", "{}", False),
    ],
)
def test_a_calls_arguments_may_be_sent_back_in_another_spelling(made: str, sent_back: str, *, same: bool) -> None:
    told, came = (
        exact_content(None, None, None, (ToolCall(id="c", name="look", arguments=arguments),), ())
        for arguments in (made, sent_back)
    )
    assert (told == came) is same


@pytest.mark.rows
@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("bob@example.com", "write to bob@example.com, please"),
        ("bob@example.com", "to bob@example.com."),
        ("bob@example.com", "(bob@example.com)."),
        ("bob@example.com", 'to "bob@example.com"'),
        ("https://example.com/a", "open <https://example.com/a>"),
        ("https://example.com/a", "[there](https://example.com/a) or not"),
        ("10", "10"),
        ("a b", "x (a b) y"),
        ("ärger", "viel ärger!"),
        ("ab", "cab ab"),
    ],
)
def test_a_whole_value_stands_in_the_text(value: str, text: str) -> None:
    assert stands_in(value.encode(), text.encode())


@pytest.mark.rows
@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("bob@example.com", "jimbob@example.com"),
        ("bob@example.com", "bob@example.com.evil.example"),
        ("bob@example.com", "bob@example.community"),
        ("example.com", "bob@example.com"),
        ("https://example.com", "https://example.com/path"),
        ("https://example.com/?q=", "https://example.com/?q=1"),
        ("https://example.com", "https://example.com,evil.example/x"),
        ("https://example.com", "https://example.com(evil)"),
        ("https://example.com", "https://example.com).evil.example"),
        ("evil.example", "not-evil.example"),
        ("1", "10"),
        ("a", "äa"),
        ("a", "aä"),
        ("bob@example.com", "nothing"),
        ("a", "a" * 3000),
    ],
)
def test_a_part_of_a_longer_word_address_or_url_does_not_count(value: str, text: str) -> None:
    assert not stands_in(value.encode(), text.encode())


def test_a_value_that_stands_too_often_as_a_part_is_given_up() -> None:
    assert not stands_in(b"a", b"ab " * 2000 + b"a")


@given(st.text(max_size=20), st.text(max_size=20), st.text(min_size=1, max_size=20))
def test_a_value_between_blanks_always_stands(before: str, after: str, value: str) -> None:
    text = f"{before} {value} {after}".encode(errors="replace")
    assert stands_in(value.encode(errors="replace"), text)


SEND = ToolRule(effect=Effect.EGRESS, sink_args=("to",))


def facts_of(policies: Applicable, arguments: str, instructions: str, *, tainted: bool = True) -> Mapping[str, object]:
    grounds = Grounds.of([prompt(told(instructions))], policies, tainted=tainted)
    return grounds.facts(ToolCall(id="c", name="send", arguments=arguments))


@pytest.mark.rows
@pytest.mark.parametrize(
    ("arguments", "instructions", "derived"),
    [
        ('{"to":"bob@example.com","body":"anything"}', "mail bob@example.com", ()),
        ('{"to":"BOB@Example.com"}', "mail bob@example.com", ()),
        ('{"to":"https://bit.ly/aBcD"}', "see https://bit.ly/aBcD", ()),
        ('{"to":"https://bit.ly/aBcD"}', "see https://bit.ly/AbCd", ("to",)),
        ('{"to":"bob@stra\u00dfe.example"}', "mail bob@strasse.example", ("to",)),
        ('{"to":"bob@\ufb01sh.example"}', "mail bob@fish.example", ("to",)),
        ('{"to":"a\\nb"}', "mail a b", ("to",)),
        ('{"to":" bob@example.com "}', "mail bob@example.com", ()),
        ('{"TO":"eve@evil.example"}', "x", ("TO",)),
        ('{"to ":"eve@evil.example"}', "x", ("to ",)),
        ('{"tos":["eve@evil.example"]}', "x", ("tos",)),
        ('{"options":{"to":"eve@evil.example"}}', "x", ("options",)),
        ('{"list":[{"To":"eve@evil.example"}]}', "x", ("list",)),
        ('{"to":["bob@example.com","eve@evil.example"]}', "mail bob@example.com", ("to",)),
        ('{"to":{"address":"bob@example.com"}}', "mail bob@example.com", ("to",)),
        ('{"to":{"address":"bob@example.com"}}', "mail the address bob@example.com", ()),
        ('{"to":"eve@evil.example"}', "mail bob@example.com", ("to",)),
        ('{"to":""}', "x", ()),
        ('{"to":null}', "x", ()),
        ('{"to":true}', "x", ("to",)),
        ('{"to":true}', "say true", ()),
        ('{"to":false}', "say true", ("to",)),
        ('{"to":5}', "5 times", ()),
        ('{"to":5.5}', "5 times", ("to",)),
        ('{"body":"anything"}', "x", ()),
        ('{"to":"a","to":"b"}', "a b", ("*",)),
        ("nonsense", "nonsense", ("*",)),
    ],
)
def test_sink_arguments_count_as_derived_unless_vouched_for(
    policies: Callable[..., Applicable], arguments: str, instructions: str, derived: tuple[str, ...]
) -> None:
    facts = facts_of(policies({"send": SEND}), arguments, instructions)
    assert facts["tool.derived_args"] == derived
    assert facts["tool.derived"] == bool(derived)


def test_nothing_is_derived_where_the_request_is_untainted(policies: Callable[..., Applicable]) -> None:
    facts = facts_of(policies({"send": SEND}), '{"to":"eve@evil.example"}', "x", tainted=False)
    assert facts["tool.derived"] is False
    assert facts["tool.offered"] is True


def test_a_policys_list_vouches_as_well(policies: Callable[..., Applicable]) -> None:
    rule = ToolRule(effect=Effect.EGRESS, sink_args=("to",), allowed=frozenset({"Team@Example.com"}))
    assert facts_of(policies({"send": rule}), '{"to":"team@example.com"}', "x")["tool.derived"] is False
    assert facts_of(policies({"send": rule}), '{"to":"steam@example.com"}', "x")["tool.derived"] is True


def test_an_unknown_tool_is_egress_and_all_its_arguments_are_sinks(policies: Callable[..., Applicable]) -> None:
    facts = facts_of(policies({}), '{"query":"from data","limit":5}', "limit 5")
    assert facts["tool.effect"] == "egress"
    assert facts["tool.declared"] is False
    assert facts["tool.derived_args"] == ("query",)


def test_too_many_or_too_long_values_count_as_derived(policies: Callable[..., Applicable]) -> None:
    many = "[" + ",".join(['"a"'] * 65) + "]"
    assert facts_of(policies({"send": SEND}), f'{{"to":{many}}}', "a")["tool.derived"] is True
    assert facts_of(policies({"send": SEND}), '{"to":"' + "a" * 9000 + '"}', "a" * 9000)["tool.derived"] is True


def test_an_argument_that_the_offered_schema_does_not_know_is_a_sink(policies: Callable[..., Applicable]) -> None:
    tool = Tool(name="send", parameters={"type": "object", "properties": {"to": {}, "body": {}}})
    grounds = Grounds(["mail bob@example.com"], [tool], policies({"send": SEND}), tainted=True)

    def derived(arguments: str) -> object:
        return grounds.facts(ToolCall(id="c", name="send", arguments=arguments))["tool.derived_args"]

    assert derived('{"to":"bob@example.com","body":"anything"}') == ()
    assert derived('{"to":"bob@example.com","bcc":"eve@evil.example"}') == ("bcc",)


def test_what_one_answer_searches_is_bounded(policies: Callable[..., Applicable]) -> None:
    text = "a " * (4 * 1024 * 1024)
    grounds = Grounds([text], [], policies({"send": SEND}), tainted=True)
    call = ToolCall(id="c", name="send", arguments='{"to":"a"}')
    told = [grounds.facts(call)["tool.derived"] for _ in range(40)]
    assert told == [False] * 32 + [True] * 8
