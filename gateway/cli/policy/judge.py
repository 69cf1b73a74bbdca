"""What do policies make of one request or text?

A request goes the way of a live one as far as the verdict: lifted by its model's entry, its texts found, scanned,
evaluated. Nothing is remembered from one to the next.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Protocol

from gateway.cli.policy.corpus import Entry
from gateway.cli.policy.sample import Sample, asker_of, subject_of
from gateway.domain.detection import Scanned, Subject
from gateway.domain.identity import Caller
from gateway.domain.model import Model
from gateway.domain.ports import Scanner
from gateway.domain.prompt import Prompt
from gateway.domain.request import ClientRequest
from gateway.domain.verdict import Verdict, Weight
from gateway.pipeline.admit import request_digest
from gateway.pipeline.lift import lift
from gateway.pipeline.scan import common_facts, look
from gateway.pipeline.subjects import subjects_of
from gateway.pipeline.taint import is_tainted
from policies.engine.applicable import Applicable, applicable_of, apply_policy
from policies.engine.cases import rehearsed
from policies.engine.evaluate import evaluate
from policies.engine.model import Policy
from policies.engine.ruleset import Asker, Ruleset


class Choose(Protocol):
    """Says which policies stand for an asker."""

    def __call__(self, asker: Asker, /) -> Applicable: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Judge:
    """Policies, detectors, and on whose behalf they are asked."""

    choose: Choose
    scanner: Scanner
    caller: Caller
    models: Mapping[str, Model]
    now: float

    def look(self, entry: Entry) -> tuple[Applicable, tuple[Scanned, ...]]:
        """The policies that stand, and what detectors see.

        Raises:
            RequestError: the request would be refused before any policy is asked.
        """
        policies, subjects = self._sample(entry) if isinstance(entry, Sample) else self._request(entry)
        return policies, look(subjects, policies, self.scanner)

    def verdict(self, entry: Entry) -> Verdict:
        """What they decide. Raises as ``look``."""
        policies, scanned = self.look(entry)
        return evaluate(policies, scanned, self.now)

    def _sample(self, sample: Sample) -> tuple[Applicable, tuple[Subject, ...]]:
        asker = asker_of(sample, self.caller, next(iter(self.models), ""))
        policies = self.choose(asker)
        return policies, subject_of(sample, asker, policies)

    def _request(self, request: ClientRequest) -> tuple[Applicable, tuple[Subject, ...]]:
        policies = self.choose(_asker(request, self.caller))
        # A model that the configuration does not have is lifted by roles and marks alone.
        model = self.models.get(request.model, Model(name=request.model, targets=()))
        prompt: Prompt = lift(request, model, self.caller)
        tainted = is_tainted(prompt, self.caller.tenant, _NobodyKnows())
        facts = common_facts(request, self.caller, prompt, tainted=tainted)
        return policies, subjects_of(prompt, request.options, facts, policies)


def _asker(request: ClientRequest, caller: Caller) -> Asker:
    digest = bytes.fromhex(request_digest(request))
    return Asker(tenant=caller.tenant, key=caller.key, model=request.model, route=request.dialect, digest=digest)


class _NobodyKnows:
    """No reply was ever given here: history is tainted, as after a restart."""

    def knows(self, tenant: str, content: tuple[str, ...]) -> bool:  # noqa: ARG002 - the port's signature
        return False

    def remember(self, tenant: str, content: tuple[str, ...]) -> None:
        """Nothing is sent here, so nothing comes back."""


def as_written(policies: Iterable[Policy], instances: Mapping[str, Mapping[str, str]]) -> Choose:
    """Policies stand for whom they say, with the weight that they have; where none does, nothing stands."""
    return Ruleset(tuple(policies), instances, _NOTHING).applicable


def as_enforced(policies: Iterable[Policy], instances: Mapping[str, Mapping[str, str]]) -> Choose:
    """Every policy acts for everybody, without exceptions."""
    acting = tuple(apply_policy(rehearsed(one), Weight.ACTS, instances.get(one.name, {})) for one in policies)
    every = applicable_of(acting, "rehearsed")

    def choose(_asker: Asker, /) -> Applicable:
        return every

    return choose


_NOTHING = Policy(name="", owner="", file="", digest="", mode="off", severities={}, thresholds={})
