"""Which of the policies that are tried would have stood for a request?

The time, the asker and a break-glass grant count as they did then. Whom a percentage of a roll-out draws depends on the
request's content, which no record holds: that is known only as far as the policy's own record tells.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from gateway.audit.line import Fields
from gateway.audit.looked import Stood, Then
from gateway.audit.recall import Doubts, Recall
from gateway.audit.search import object_of, objects_of, tenant_of, text_of
from gateway.domain.detection import FactType
from gateway.domain.value import value
from policies.engine.applicable import Applicable
from policies.engine.doubt import bound
from policies.engine.model import Policy, Rollout
from policies.engine.ruleset import Asker, Names, Ruleset


@value
class Standing:
    """The policies for one request, with those in doubt watching in ``least`` and acting in ``most``.

    ``undecided`` names those; without any both are the same.
    """

    least: Applicable
    most: Applicable
    undecided: tuple[str, ...]


class Tried:
    """The policies that are tried.

    ``fallback`` stands where none of them does. ``instances`` are the instance keys of their detectors as
    ``keys_of`` gives them, ``types`` those of the facts that their conditions can read.
    """

    def __init__(
        self,
        policies: Sequence[Policy],
        fallback: Policy,
        instances: Mapping[str, Mapping[str, str]],
        types: Mapping[str, FactType],
    ) -> None:
        self._types = types
        self._services = frozenset([one.name for policy in policies for one in policy.detectors.external])
        self._policies = tuple(policies)
        self._fallback = fallback
        self._instances = instances
        self._every = {policy.name: policy for policy in (*policies, fallback)}
        self._drawing = [policy for policy in self._every.values() if _draws(policy)]
        self._rulesets: dict[tuple[bool, ...], Ruleset] = {}
        self._bounds: dict[tuple[int, bool], tuple[Applicable, Applicable]] = {}
        self.revision = self._ruleset([False] * len(self._drawing)).revision

    def standing(self, fields: Fields, then: Then) -> Standing:
        """What would have stood for the request that ``fields`` tell of."""
        asker = Asker(
            tenant=tenant_of(fields),
            key=text_of(object_of(fields, "actor"), "key"),
            model=text_of(fields, "model"),
            route=text_of(fields, "dialect"),
        )
        bypass = text_of(fields, "bypass") or None
        drawn = [_drawn(policy, asker.tenant, then.policies.get(policy.name)) for policy in self._drawing]
        least = self._ruleset([one or False for one in drawn]).applicable(asker, bypass=bypass)
        undecided = [policy.name for policy, one in zip(self._drawing, drawn, strict=True) if one is None]
        standing = {applied.policy.name for applied in least.policies}
        if bypass is not None or standing.isdisjoint(undecided):
            return Standing(least=least, most=least, undecided=())
        most = self._ruleset([one is not False for one in drawn]).applicable(asker)
        return Standing(least=least, most=most, undecided=tuple([name for name in undecided if name in standing]))

    def recall(self, fields: Fields, then: Then, policies: Applicable, doubts: Doubts, *, canary: bool) -> Recall:
        """What recalls, for ``policies``, what was judged under those of then, by the record ``fields``."""
        return Recall(
            types=self._types,
            services=self._services,
            then=then,
            policies=policies,
            doubts=doubts,
            canary=canary,
            findings=objects_of(fields, "findings"),
            same=text_of(fields, "revision") == self.revision,
        )

    def bound(self, of: Applicable, *, otherwise: bool) -> Applicable:
        """``of`` for facts of which some are not known."""
        # With its key stays what the key is the identity of.
        kept = self._bounds.get((id(of), otherwise))
        if kept is None:
            kept = self._bounds[id(of), otherwise] = (of, bound(of, otherwise=otherwise))
        return kept[1]

    def _ruleset(self, drawn: Sequence[bool]) -> Ruleset:
        signature = tuple(drawn)
        made = self._rulesets.get(signature)
        if made is None:
            pairs = zip(self._drawing, drawn, strict=True)
            settled = {policy.name: _settled(policy, acts=one) for policy, one in pairs}
            policies = [settled.get(policy.name, policy) for policy in self._policies]
            fallback = settled.get(self._fallback.name, self._fallback)
            made = self._rulesets[signature] = Ruleset(policies, self._instances, fallback)
        return made


def _draws(policy: Policy) -> bool:
    return policy.mode == "enforce" and 0 < (policy.rollout.percent or 0) < 100


def _settled(policy: Policy, *, acts: bool) -> Policy:
    """The policy where its share draws every request, or none."""
    return replace(policy, rollout=Rollout(percent=100.0 if acts else 0.0, tenants=policy.rollout.tenants))


def _drawn(policy: Policy, tenant: str, then: Stood | None) -> bool | None:
    """Whether a request was drawn, as far as what the policy of this name did with it tells."""
    if policy.rollout.tenants and tenant in Names(policy.rollout.tenants):
        return False
    if then is None or then.mode == "bypassed" or then.by_file != "enforce":
        return None
    acted = then.mode == "enforce"
    if then.digest == policy.digest:
        return acted
    if then.percent is None or (then.pilots and tenant in Names(then.pilots)):
        return None
    percent = policy.rollout.percent or 0.0
    if acted and percent >= then.percent:
        return True
    return False if not acted and percent <= then.percent else None
