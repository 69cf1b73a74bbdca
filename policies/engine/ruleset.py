"""Which policies stand for this request, and which of them act?

One ``Ruleset`` is one revision of all policies and never changes: a reload makes another. A request that no policy
matches gets the fallback, never nothing; a policy that is ``off`` matches no request. Who wants less than the fallback
writes a policy that says less, which answers then name.
"""

import fnmatch
import hashlib
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Final, TypeAlias, TypeVar

from gateway.domain.detection import Stage
from gateway.domain.value import value
from gateway.domain.verdict import Weight
from policies.engine.applicable import Applicable, applicable_of, apply_policy
from policies.engine.model import ExceptionRule, Match, Policy

# Names of models come from clients: what is remembered of them is bounded.
_MOST_REMEMBERED: Final = 4096


@value
class Asker:
    """Who asks for which model by which route.

    ``digest`` is of the request's content: with it a percentage of requests is drawn. Without one (``b""``) a policy
    that is rolled out to any part acts.
    """

    tenant: str
    key: str
    model: str
    route: str
    digest: bytes = b""


Identity: TypeAlias = tuple[str, str, str, str]
_Key = TypeVar("_Key")
_Made = TypeVar("_Made")


class Names:
    """Exact names and globs; none given: every name. Globs are those of ``fnmatch.fnmatchcase``."""

    __slots__ = ("_every", "_exact", "_globs")

    def __init__(self, names: Sequence[str]) -> None:
        self._every = not names
        self._exact = frozenset(name for name in names if not any(sign in name for sign in "*?["))
        self._globs = tuple(re.compile(fnmatch.translate(name)) for name in names if name not in self._exact)

    def __contains__(self, name: str) -> bool:
        return self._every or name in self._exact or any(glob.match(name) for glob in self._globs)


class Matcher:
    """A ``Match`` made ready to be asked."""

    __slots__ = ("_names",)

    def __init__(self, match: Match) -> None:
        self._names = tuple(map(Names, (match.tenants, match.keys, match.models, match.routes)))

    def matches(self, identity: Identity) -> bool:
        return all(name in names for name, names in zip(identity, self._names, strict=True))


@value
class _Standing:
    """A policy with its patterns compiled."""

    policy: Policy
    matcher: Matcher
    # None: the roll-out names no tenants, and None is not everybody.
    pilots: Names | None
    exceptions: tuple[tuple[Matcher, ExceptionRule], ...]


@value
class _Choice:
    """What an identity gets: its policies with the exceptions that match, made up where no lot is drawn."""

    standing: tuple[tuple[_Standing, tuple[ExceptionRule, ...]], ...]
    settled: Applicable | None


class Ruleset:
    """All policies of one revision.

    ``instances`` maps a policy's name to the instance keys of its detectors, by the detector's name. ``revision`` is
    ``sha256:`` and the hexadecimal digest over name and digest of every policy, the fallback included.

    Raises:
        ValueError: two different policies have one name, or an instance is missing.
    """

    def __init__(
        self, policies: Sequence[Policy], instances: Mapping[str, Mapping[str, str]], fallback: Policy
    ) -> None:
        self.policies = tuple(policies)
        self.fallback = fallback
        self.revision = _revision((*self.policies, fallback))
        self._instances = instances
        # One that is off stands for nothing, not even for being there.
        self._standing = tuple(_standing(policy) for policy in self.policies if policy.mode != "off")
        self._last = (_standing(fallback),) if fallback.mode != "off" else ()
        self._choices: dict[Identity, _Choice] = {}
        self._made: dict[tuple[object, ...], Applicable] = {}
        # Whether any policy draws its requests, so that `Asker.digest` is worth computing.
        self.needs_digest = any(0 < (policy.rollout.percent or 0) < 100 for policy in (*self.policies, fallback))
        for policy in (*self.policies, fallback):
            apply_policy(policy, Weight.SHADOW, self._instances_of(policy))

    @property
    def all_policies(self) -> tuple[Policy, ...]:
        """Every policy once, the fallback among them."""
        return tuple({policy.name: policy for policy in (*self.policies, self.fallback)}.values())

    def looks_of(self, name: str) -> Mapping[Stage, frozenset[str]]:
        """The instance keys of the detectors that look where the policy ``name`` stands, by stage."""
        policy = next(policy for policy in self.all_policies if policy.name == name)
        applied = apply_policy(policy, Weight.SHADOW, self._instances_of(policy))
        return {stage: frozenset(part.keys.values()) for stage, part in applied.parts.items() if part.keys}

    def applicable(self, asker: Asker, *, bypass: str | None = None) -> Applicable:
        """What stands for this request; with ``bypass``, the reason of a break-glass grant, nothing acts."""
        identity = (asker.tenant, asker.key, asker.model, asker.route)
        choice = self._choices.get(identity)
        if choice is None:
            choice = self._choose(identity)
        if choice.settled is not None and not bypass:
            return choice.settled
        weights = (Weight.BYPASSED if bypass else _weight(one, asker) for one, _ in choice.standing)
        return self._made_of(choice.standing, tuple(weights))

    def _choose(self, identity: Identity) -> _Choice:
        matching = [one for one in self._standing if one.matcher.matches(identity)] or self._last
        standing = tuple(
            (one, tuple(exception for matcher, exception in one.exceptions if matcher.matches(identity)))
            for one in matching
        )
        settled = None
        if not any(_draws(one, identity[0]) for one, _ in standing):
            tenant, key, model, route = identity
            asker = Asker(tenant=tenant, key=key, model=model, route=route)
            settled = self._made_of(standing, tuple(_weight(one, asker) for one, _ in standing))
        return _remember(self._choices, identity, _Choice(standing=standing, settled=settled))

    def _made_of(
        self, standing: Sequence[tuple[_Standing, tuple[ExceptionRule, ...]]], weights: Sequence[Weight]
    ) -> Applicable:
        """Equal choices share one ``Applicable``, whoever asks."""
        chosen = [(one.policy, weight, excepted) for (one, excepted), weight in zip(standing, weights, strict=True)]
        signature = tuple((policy.name, weight, tuple(map(id, excepted))) for policy, weight, excepted in chosen)
        made = self._made.get(signature)
        if made is None:
            applied = (
                apply_policy(policy, weight, self._instances_of(policy), some) for policy, weight, some in chosen
            )
            made = self._made.setdefault(signature, applicable_of(tuple(applied), self.revision))
        return made

    def _instances_of(self, policy: Policy) -> Mapping[str, str]:
        return self._instances.get(policy.name, {})


def drawn(policy: str, digest: bytes, percent: float) -> bool:
    """Whether the request with ``digest`` is among the ``percent`` that ``policy`` acts on.

    The first eight bytes of SHA-256(name, a zero byte, digest) are a number below 2⁶⁴; it is drawn when it lies in the
    lowest ``percent``. Raising the percentage keeps all that were drawn before.
    """
    if percent <= 0 or percent >= 100 or not digest:
        return percent > 0
    number = int.from_bytes(hashlib.sha256(policy.encode() + b"\0" + digest).digest()[:8])
    return number < int(percent / 100 * 2**64)


def _standing(policy: Policy) -> _Standing:
    return _Standing(
        policy=policy,
        matcher=Matcher(policy.match),
        pilots=Names(policy.rollout.tenants) if policy.rollout.tenants else None,
        exceptions=tuple((Matcher(exception.match), exception) for exception in policy.exceptions),
    )


def _weight(one: _Standing, asker: Asker) -> Weight:
    if one.policy.mode != "enforce":
        return Weight.SHADOW
    percent = one.policy.rollout.percent
    if percent is None and one.pilots is None:
        return Weight.ACTS
    if one.pilots is not None and asker.tenant in one.pilots:
        return Weight.ACTS
    return Weight.ACTS if drawn(one.policy.name, asker.digest, percent or 0.0) else Weight.SHADOW


def _draws(one: _Standing, tenant: str) -> bool:
    """Whether what becomes of this tenant's requests hangs on each request's digest."""
    percent = one.policy.rollout.percent
    pilot = one.pilots is not None and tenant in one.pilots
    return one.policy.mode == "enforce" and percent is not None and 0 < percent < 100 and not pilot


def _remember(known: dict[_Key, _Made], key: _Key, made: _Made) -> _Made:
    if len(known) >= _MOST_REMEMBERED:
        known.clear()
    known[key] = made
    return made


def _revision(policies: Iterable[Policy]) -> str:
    digests: dict[str, str] = {}
    for policy in policies:
        if digests.setdefault(policy.name, policy.digest) != policy.digest:
            raise ValueError(f"two policies are named {policy.name}: give one of them another metadata.name")
    lines = "".join(f"{name}\0{digest}\n" for name, digest in sorted(digests.items()))
    return f"sha256:{hashlib.sha256(lines.encode()).hexdigest()}"
