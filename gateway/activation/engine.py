"""Which engine reads the policies of a running gateway, gives them detectors and tries them?"""

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Protocol, runtime_checkable

from gateway.activation.assemble import Engine, Instances
from gateway.activation.rehearse import scanning
from gateway.detectors.build import build, vocabulary
from gateway.domain.ports import Scanner, UpstreamClient
from gateway.pipeline.trial import case_runner
from policies.engine.cases import CaseResult, run_cases
from policies.engine.load import load_policy
from policies.engine.model import Policy


@runtime_checkable
class Closable(Protocol):
    """A scanner that keeps something running."""

    async def close(self) -> None: ...


def engine(environ: Mapping[str, str], client: Callable[[], UpstreamClient]) -> Engine:
    """The one there is; ``client`` reaches the services of external classifiers."""

    def load(file: str, raw: bytes) -> Policy:
        return load_policy(file, raw, vocabulary, environ)

    def make(policies: Sequence[Policy]) -> tuple[Scanner, Instances]:
        return build(policies, client)

    return Engine(load=load, build=make, run_tests=run_tests, close=close)


def run_tests(policy: Policy, scanner: Scanner, instances: Mapping[str, str], /) -> Sequence[CaseResult]:
    """The policy's cases, with its own ``instances`` of detectors.

    Language models belong to the event loop that asks them, and cases run beside it: they get models of their own. No
    service is asked: of those a case says itself what they see.
    """
    if not policy.detectors.pii.ner:
        return run_cases(policy, case_runner(scanner, {policy.name: instances}, time.time()))
    with scanning([policy], ask=False) as (asking, own):
        return run_cases(policy, case_runner(asking, own, time.time()))


async def close(scanner: Scanner) -> None:
    """End what its detectors keep running."""
    if isinstance(scanner, Closable):
        await scanner.close()
