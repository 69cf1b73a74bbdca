"""Limits, budgets and prices of the file: what they come to, and what is refused."""

from collections.abc import Callable

import pytest

from gateway.configuration.limits import refuse_undividable
from gateway.domain.limits import FREE, Allowance, LimitRule, Limits, Per, Price
from gateway.domain.quota import Calendar, InProgress, Measure, Sliding
from gateway.settings import Settings
from gateway.yamlfile.problems import InvalidConfiguration, Problem

SettingsOf = Callable[..., Settings]
Problems = Callable[..., tuple[Problem, ...]]
TARGET = 'provider: openai_compatible, base_url: "https://h.example/v1"'
MODELS = (
    f"models: {{m: {{targets: [{{{TARGET}, model: big-model, id: t}}]}}, e: {{targets: [{{provider: embedded}}]}}}}\n"
)
DIGEST = "f" * 64
KEYS = f"keys: [{{name: app, tenant: team, sha256: {DIGEST}}}]\n"


def limits(rules: str = "", prices: str = "", more: str = "") -> str:
    return f"{MODELS}limits: {{rules: [{rules}], prices: {{{prices}}}{more}}}\n"


def test_nothing_said_is_nothing_limited(settings_of: SettingsOf) -> None:
    assert settings_of(MODELS).limits.rules == ()


def test_all_of_it_is_read(settings_of: SettingsOf) -> None:
    rule = (
        "{name: r, per: [model, key], keys: [app, a*], tenants: [team], models: [m], routes: [split, openai_*], "
        "requests: [60/minute, 5000/day], tokens: [1000/hour], concurrent: 3, money: ['12.5/month']}"
    )
    price = "big-model: {input: 2.5, output: 10, cached_input: 1.25}"
    read = settings_of(KEYS + limits(rule, price, ", currency: EUR, assumed_output_tokens: 7")).limits
    assert read == Limits(
        rules=(
            LimitRule(
                name="r",
                per=(Per.KEY, Per.MODEL),
                keys=("app", "a*"),
                tenants=("team",),
                models=("m",),
                routes=frozenset({"split", "openai_chat", "openai_responses", "openai_embeddings"}),
                allows=(
                    Allowance(measure=Measure.REQUESTS, window=Sliding(seconds=60), amount=60),
                    Allowance(measure=Measure.REQUESTS, window=Calendar(unit="day"), amount=5000),
                    Allowance(measure=Measure.TOKENS, window=Sliding(seconds=3600), amount=1000),
                    Allowance(measure=Measure.MONEY, window=Calendar(unit="month"), amount=12_500_000),
                    Allowance(measure=Measure.CONCURRENT, window=InProgress(), amount=3),
                ),
            ),
        ),
        prices={
            "t": Price(input=2_500_000, output=10_000_000, cached_input=1_250_000, cache_write=2_500_000),
            "e/1": FREE,
        },
        currency="EUR",
        assumed_output_tokens=7,
    )


def test_one_word_may_say_for_whom(settings_of: SettingsOf) -> None:
    assert settings_of(limits("{name: r, per: gateway, concurrent: 1}")).limits.rules[0].per == (Per.GATEWAY,)
    assert settings_of(limits("{name: r, concurrent: 1}")).limits.rules[0].per == (Per.KEY,)


def test_the_exact_name_counts_before_globs_and_these_in_their_order(settings_of: SettingsOf) -> None:
    some = "{input: 1, output: 0}, big-*: {input: 2, output: 0}, b*: {input: 3, output: 0}"
    assert settings_of(limits(prices=f"'*x': {some}")).limits.prices["t"].input == 2_000_000
    exact = "big-model: {input: 9, output: 0}"
    assert settings_of(limits(prices=f"'*': {some}, {exact}")).limits.prices["t"].input == 9_000_000


def test_the_embedded_model_costs_nothing_unless_it_is_said(settings_of: SettingsOf) -> None:
    assert settings_of(limits()).limits.prices == {"e/1": FREE}
    assert settings_of(limits(prices="'*': {input: 1, output: 1}")).limits.prices["e/1"].input == 1_000_000
    settings_of(limits("{name: r, models: [e], money: [1/day]}"))


def test_a_budget_over_a_model_without_a_price_is_refused_by_the_targets_name(problems_of: Problems) -> None:
    (problem,) = problems_of(limits("{name: r, money: [1/day]}"))
    assert "target t has no price" in problem.message
    assert "`big-model`" in problem.message


@pytest.mark.parametrize("rule", ["models: [m], money: [1/day]", "models: ['*'], money: [1/day]"])
def test_so_is_one_that_may_cover_it(problems_of: Problems, rule: str) -> None:
    assert "target t has no price" in problems_of(limits(f"{{name: r, {rule}}}"))[0].message


@pytest.mark.parametrize("rule", ["money: [1/day]", "models: [m], money: [1/day]"], ids=["all", "one"])
def test_a_priced_one_is_taken(settings_of: SettingsOf, rule: str) -> None:
    assert settings_of(limits(f"{{name: r, {rule}}}", "'big*': {input: 0, output: 0}")).limits.rules


@pytest.mark.rows
@pytest.mark.parametrize(
    ("rule", "fault"),
    [
        ("name: r", "a rule allows something"),
        ("name: r, requests: []", "a rule allows something"),
        ("name: r, per: [key, gateway], concurrent: 1", "`gateway` only alone"),
        ("name: r, per: [key, key], concurrent: 1", "each word may stand once"),
        ("name: r, per: somebody, concurrent: 1", "must be 'key', 'tenant', 'model' or 'gateway'"),
        ("name: r, per: [], concurrent: 1", "must not be empty"),
        ("name: r, concurrent: 0", "must be at least 1"),
        ("name: r, requests: [60]", "must be text"),
        ("name: r, requests: ['600']", "`600` is no rate"),
        ("name: r, requests: [60/minute, 50/minute]", "two amounts for this window"),
        ("name: r, models: [x], concurrent: 1", "no model is called `x`"),
        ("name: r, routes: [x], concurrent: 1", "no route is called `x`"),
        ("name: r, keys: [app-2], concurrent: 1", "no key matches `app-2`; there are app"),
        ("name: r, tenants: [teem], concurrent: 1", "no tenant matches `teem`; there are team"),
        ("name: r, burst: 1", "there is no key `burst` here"),
        ("name: r/1, concurrent: 1", "may hold letters"),
    ],
)
def test_what_cannot_be_meant_is_refused(problems_of: Problems, rule: str, fault: str) -> None:
    assert fault in problems_of(KEYS + limits(f"{{{rule}}}"))[0].message


def test_two_rules_of_one_name_are_refused(problems_of: Problems) -> None:
    one = "{name: r, concurrent: 1}"
    assert "the rule name `r` stands twice" in problems_of(limits(f"{one}, {one}"))[0].message


@pytest.mark.rows
@pytest.mark.parametrize(
    ("price", "fault"),
    [
        ("big-model: {input: 1}", "the key `output` is missing"),
        ("big-model: {input: -1, output: 1}", "must be at least 0"),
        ("'big model': {input: 1, output: 1}", "a model's name at the upstream"),
    ],
)
def test_prices_that_cannot_be_are_refused(problems_of: Problems, price: str, fault: str) -> None:
    assert fault in problems_of(limits(prices=price))[0].message


def test_names_of_keys_that_come_from_elsewhere_are_not_known_here(settings_of: SettingsOf) -> None:
    rule = "{name: r, keys: [corp:*], tenants: [theirs], concurrent: 1}"
    assert settings_of("keys_file: keys.jsonl\n" + limits(rule)).limits.rules


def test_what_cannot_be_divided_among_the_workers_is_refused(settings_of: SettingsOf) -> None:
    read = settings_of(limits("{name: r, concurrent: 2, requests: [3/minute, 1/day]}")).limits
    refuse_undividable(read, 2, "f")
    with pytest.raises(InvalidConfiguration) as caught:
        refuse_undividable(read, 3, "f")
    assert [problem.message.partition(";")[0] for problem in caught.value.problems] == [
        "the limit `r` of 2 requests at once cannot be divided among 3 workers, each of which counts for itself"
    ]
