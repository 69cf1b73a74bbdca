"""How do texts get before the detectors while nothing is served: a file's own cases, a command's corpus?

In the same way as a request's, but one at a time and at once: language models on this machine are asked here and now,
services only where that was asked for.
"""

import asyncio
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace

from gateway.activation.assemble import Instances
from gateway.detectors.build import build
from gateway.domain.detection import Detections, Subject
from gateway.domain.ports import Scanner, UpstreamClient
from policies.engine.model import Policy


class Asking:
    """A ``Scanner`` whose ``scan`` also waits for the detectors that must be asked, except for those of ``never``."""

    def __init__(self, scanner: Scanner, runner: asyncio.Runner, never: frozenset[str]) -> None:
        self._scanner = scanner
        self._runner = runner
        self._never = never

    def scan(self, subject: Subject, wanted: frozenset[str]) -> Detections:
        seen = self._scanner.scan(subject, wanted)
        if not self.asks(wanted):
            return seen
        answers = self._runner.run(self.ask([subject], wanted))
        return {**seen, **answers[0]}

    def asks(self, wanted: frozenset[str]) -> bool:
        return self._scanner.asks(wanted - self._never)

    async def ask(self, subjects: Sequence[Subject], wanted: frozenset[str]) -> Sequence[Detections]:
        return await self._scanner.ask(subjects, wanted - self._never)


@contextmanager
def scanning(policies: Sequence[Policy], *, ask: bool) -> Generator[tuple[Scanner, Instances]]:
    """Detectors for ``policies``, and the instances of each; what they keep running ends with the context."""
    with asyncio.Runner() as runner:
        client = _Client()
        detectors, instances = build(policies if ask else [_without_credentials(one) for one in policies], client.open)
        never = frozenset[str]() if ask else _services(policies, instances)
        try:
            yield Asking(detectors, runner, never), instances
        finally:
            runner.run(detectors.close())
            runner.run(client.close())


def external(policy: Policy) -> frozenset[str]:
    """The names of detectors that would ask a service."""
    return frozenset(one.name for one in policy.detectors.external)


def _services(policies: Sequence[Policy], instances: Mapping[str, Mapping[str, str]]) -> frozenset[str]:
    return frozenset(
        key for policy in policies for name, key in instances[policy.name].items() if name in external(policy)
    )


def _without_credentials(policy: Policy) -> Policy:
    """The policy for detectors that never ask: its credentials may not be there."""
    services = tuple(replace(one, key=None) for one in policy.detectors.external)
    return replace(policy, detectors=replace(policy.detectors, external=services))


class _Client:
    """Opens a connection when the first service is asked."""

    def __init__(self) -> None:
        self._client: UpstreamClient | None = None

    def open(self) -> UpstreamClient:
        from adapters.transport.httpx_client import HttpxClient  # noqa: PLC0415 - few commands ask services

        if self._client is None:
            self._client = HttpxClient()
        return self._client

    async def close(self) -> None:
        if self._client is not None:
            await self._client.close()
