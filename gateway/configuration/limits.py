"""What do limits, budgets and prices of the file mean together?

The rule: a budget that may cover a model is refused while any of the model's targets has no price, since what is not
priced would be free.
"""

from collections.abc import Collection, Mapping, Sequence
from fnmatch import fnmatchcase
from typing import Final

from gateway.configuration.callers import expect_models, routes_of
from gateway.configuration.rates import budget_of, rate_of
from gateway.configuration.schema_limits import LimitRuleSection, LimitsSection, PriceSection
from gateway.domain.identity import ANONYMOUS, Key
from gateway.domain.limits import FREE, MILLION, Allowance, LimitRule, Limits, Per, Price, in_words, is_long
from gateway.domain.model import Model
from gateway.domain.quota import InProgress, Measure, Window
from gateway.domain.target import Target
from gateway.domain.value import value
from gateway.yamlfile.problems import Loc, Problem, refuse
from gateway.yamlfile.report import Report

_LOC: Final[Loc] = ("limits",)


@value
class Callers:
    """Who may call; ``closed`` says that nobody else does, so that a name that is not there is misspelt."""

    keys: Collection[str]
    tenants: Collection[str]
    closed: bool


def callers_of(keys: Sequence[Key], *, asks: bool, closed: bool) -> Callers:
    """By the keys of the file; ``asks`` says whether callers are asked who they are."""
    known = [key.caller for key in keys] if asks else [ANONYMOUS]
    return Callers(keys={one.key for one in known}, tenants={one.tenant for one in known}, closed=closed)


def build_limits(section: LimitsSection, report: Report, models: Mapping[str, Model], callers: Callers) -> Limits:
    """The section's values."""
    prices = {target.id: price for target in _targets(models) if (price := _price_of(target, section.prices))}
    names: set[str] = set()
    rules: list[LimitRule] = []
    for index, one in enumerate(section.rules):
        loc: Loc = (*_LOC, "rules", index)
        report.expect_unique(names, one.name, (*loc, "name"), f"the rule name `{one.name}`")
        rules.append(_rule(one, loc, report, models, callers))
        _expect_prices(rules[-1], (*loc, "money"), report, models, prices)
    return Limits(
        rules=tuple(rules),
        prices=prices,
        currency=section.currency,
        assumed_output_tokens=section.assumed_output_tokens,
    )


def refuse_undividable(limits: Limits, workers: int, file: str) -> None:
    """Make sure that each of ``workers`` has a part of what is divided among them.

    Raises:
        ConfigError: a limit is less than one for each.
    """
    problems = [
        Problem(
            file=file,
            message=f"the limit `{rule.name}` of {in_words(allows, limits.currency)} cannot be divided among {workers} "
            f"workers, each of which counts for itself; start at most {allows.amount}, or raise it",
        )
        for rule in limits.rules
        for allows in rule.allows
        if not is_long(allows.window) and allows.amount < workers
    ]
    if problems:
        refuse(problems)


def _targets(models: Mapping[str, Model]) -> list[Target]:
    return [target for model in models.values() for target in model.targets]


def _price_of(target: Target, prices: Mapping[str, PriceSection]) -> Price | None:
    found = prices.get(target.model) or next(
        (price for glob, price in prices.items() if fnmatchcase(target.model, glob)), None
    )
    if found is None:
        return FREE if target.provider == "embedded" else None
    return Price(
        input=_millionths(found.input),
        output=_millionths(found.output),
        cached_input=_millionths(found.input if found.cached_input is None else found.cached_input),
        cache_write=_millionths(found.input if found.cache_write is None else found.cache_write),
    )


def _millionths(amount: float) -> int:
    return round(amount * MILLION)


def _rule(
    section: LimitRuleSection, loc: Loc, report: Report, models: Mapping[str, Model], callers: Callers
) -> LimitRule:
    expect_models(section.models, (*loc, "models"), report, models)
    if callers.closed:
        _expect_names(section.keys, (*loc, "keys"), "key", report, callers.keys)
        _expect_names(section.tenants, (*loc, "tenants"), "tenant", report, callers.tenants)
    per = tuple([one for one in Per if one.value in section.per])
    if len(per) < len(section.per) or (Per.GATEWAY in per and len(per) > 1):
        report.add((*loc, "per"), "each word may stand once, and `gateway` only alone: it counts everybody together")
    return LimitRule(
        name=section.name,
        per=per,
        allows=_allows(section, loc, report),
        keys=section.keys or None,
        tenants=section.tenants or None,
        models=section.models or None,
        routes=routes_of(section.routes, (*loc, "routes"), report),
    )


def _expect_names(globs: Sequence[str], loc: Loc, what: str, report: Report, names: Collection[str]) -> None:
    for index, glob in enumerate(globs):
        if not any(fnmatchcase(name, glob) for name in names):
            report.add((*loc, index), f"no {what} matches `{glob}`; there are {', '.join(sorted(names)) or 'none'}")


def _allows(section: LimitRuleSection, loc: Loc, report: Report) -> tuple[Allowance, ...]:
    allows: list[Allowance] = []
    for measure, rates in (
        (Measure.REQUESTS, section.requests),
        (Measure.TOKENS, section.tokens),
        (Measure.MONEY, section.money),
    ):
        read = budget_of if measure is Measure.MONEY else rate_of
        windows: list[Window] = []
        for index, text in enumerate(rates):
            where: Loc = (*loc, measure.value, index)
            try:
                amount, window = read(text)
            except ValueError as error:
                report.add(where, f"`{measure}`: {error}")
                continue
            if window in windows:
                report.add(where, f"`{measure}` has two amounts for this window; keep the lower one")
            windows.append(window)
            allows.append(Allowance(measure=measure, window=window, amount=amount))
    if section.concurrent is not None:
        allows.append(Allowance(measure=Measure.CONCURRENT, window=InProgress(), amount=section.concurrent))
    if not (allows or section.requests or section.tokens or section.money) and report.sound(loc):
        report.add(loc, "a rule allows something: give `requests`, `tokens`, `concurrent` or `money`")
    return tuple(allows)


def _expect_prices(
    rule: LimitRule, loc: Loc, report: Report, models: Mapping[str, Model], prices: Mapping[str, Price]
) -> None:
    if not any(allows.measure is Measure.MONEY for allows in rule.allows):
        return
    covered = [model for name, model in models.items() if rule.covers(name)]
    for target in (target for model in covered for target in model.targets if target.id not in prices):
        report.add(
            loc,
            f"target {target.id} has no price, and without one nobody knows what is spent; add `{target.model}` to "
            "`limits.prices`, or name the models that the budget is for",
        )
