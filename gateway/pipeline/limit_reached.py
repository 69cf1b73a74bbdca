"""What is a caller told whom a limit refuses?

The rule's name, what it allows and when to come back. The rule: whoever shares a limit with others is not told how much
these use, so what he is told to wait does not follow from it.
"""

from math import ceil, inf
from typing import Final, assert_never

from gateway.domain.errors import BudgetSpent, LimitReached
from gateway.domain.limits import Allowance, LimitRule, Per, in_words, window_in_words
from gateway.domain.quota import Bucket, Calendar, Denied, InProgress, Measure, Sliding

# The part of a shared window after which to come back.
_SHARED_PART: Final = 10


def reached(denied: Denied, rule: LimitRule, amount: int, currency: str) -> LimitReached:
    """The error for a request that could not have ``amount``."""
    bucket = denied.bucket
    helps = amount <= bucket.limit and denied.retry_after_s < inf
    kind = BudgetSpent if bucket.measure is Measure.MONEY else LimitReached
    return kind(
        f"{_what(bucket, rule, currency)}; {_advice(bucket, rule, helps=helps)}",
        rule=bucket.rule,
        measure=bucket.measure,
        window=window_in_words(bucket.window),
        retry_after_s=_wait_s(denied, own=rule.own),
        waiting_helps=helps,
    )


def _what(bucket: Bucket, rule: LimitRule, currency: str) -> str:
    allowed = in_words(Allowance(measure=bucket.measure, window=bucket.window, amount=bucket.limit), currency)
    if bucket.measure is Measure.MONEY:
        return f"the budget `{bucket.rule}` leaves too little: {allowed} {_whom(rule)}"
    return f"the limit `{bucket.rule}` is reached: {allowed} {_whom(rule)}"


def _whom(rule: LimitRule) -> str:
    named = [per.value for per in rule.per if per is not Per.GATEWAY]
    together = "" if rule.own else ", all callers together"
    return f"for this {' and '.join(named)}{together}" if named else "for all callers together"


def _advice(bucket: Bucket, rule: LimitRule, *, helps: bool) -> str:
    if not helps:
        return (
            "this request alone may come to more: send less, or ask for a shorter answer (max_tokens), or have the "
            "limit raised"
        )
    match bucket.window:
        case InProgress():
            return "send it again when another one is over"
        case Calendar(unit=unit):
            return f"it begins anew with the next {unit} (UTC), or have `{rule.name}` raised"
        case Sliding():
            return "send it again later"
        case _:
            assert_never(bucket.window)


def _wait_s(denied: Denied, *, own: bool) -> int:
    window = denied.bucket.window
    if isinstance(window, Sliding) and (denied.retry_after_s == inf or not own):
        return window.seconds if own else max(1, window.seconds // _SHARED_PART)
    return max(1, ceil(denied.retry_after_s)) if denied.retry_after_s < inf else 1
