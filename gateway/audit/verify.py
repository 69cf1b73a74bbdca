"""Is this folder of journals what was written, and has nothing of it been removed?

Nothing but the folder, the public keys and, if there are any, anchors of another owner are read, and nothing is
written. The order matters while gateways write on: first how far each journal has come, then the registry.
"""

from collections.abc import Iterable, Sequence
from pathlib import Path

from gateway.audit._verify_anchors import Anchors, read_anchors
from gateway.audit._verify_epoch import Case, EpochVerifier, Outcome, Snapshot, snapshot
from gateway.audit._verify_registry import RegistryView, Standing, read_registry
from gateway.audit.note import VerifierKey
from gateway.audit.places import Places
from gateway.audit.verdict import REGISTRY, Finding, Kind, Report, ordered


def verify(
    places: Places,
    keys: Sequence[VerifierKey],
    anchors: Sequence[Path] = (),
    *,
    clock_tolerance_s: float = 1.0,
) -> Report:
    """Verify all epochs and the registry; ``anchors`` are folders of checkpoints.

    Raises:
        OSError: something that is there cannot be read.
        ValueError: no key is given.
    """
    if not keys:
        raise ValueError("nothing is verified without a public key")
    begun = {one.epoch: snapshot(one) for one in places.epochs()}
    kept = read_anchors(anchors, keys)
    registry = read_registry(places, keys, kept.of.get(REGISTRY, ()), clock_tolerance_s)
    findings = [*kept.findings, *registry.findings, *_unknown(kept, {*begun, *registry.epochs})]
    outcomes: list[Outcome] = []
    for name in sorted({*begun, *registry.epochs}):
        case = Case(
            places=places.epoch(name),
            standing=registry.epochs.get(name, Standing()),
            snapshot=_snapshot(places, name, begun, registry),
            keys=keys,
            anchors=kept.of.get(name, ()),
            registry=registry,
            tolerance_s=clock_tolerance_s,
        )
        outcomes.append(EpochVerifier(case).verify())
        findings += outcomes[-1].findings
    findings += _registry_cut(registry, outcomes, has_epochs=bool(begun))
    return Report(
        epochs=len(outcomes),
        records=sum(outcome.records for outcome in outcomes),
        signed=sum(outcome.signed for outcome in outcomes),
        anchored=sum(outcome.anchored for outcome in outcomes),
        findings=tuple(ordered(findings)),
    )


def _snapshot(places: Places, name: str, begun: dict[str, Snapshot], registry: RegistryView) -> Snapshot:
    standing = registry.epochs.get(name, Standing())
    there = places.epoch(name)
    if standing.end is not None or standing.pruned is not None:
        # It has ended, perhaps since it was looked at, and changes no more.
        return snapshot(there)
    if name not in begun and there.journal.is_file():
        # Opened since: what it holds is not looked at.
        return Snapshot(checkpoints=b"", journal=0)
    return begun.get(name, Snapshot(checkpoints=None, journal=None))


def _unknown(anchors: Anchors, known: set[str]) -> Iterable[Finding]:
    for log, kept in anchors.of.items():
        if log != REGISTRY and log not in known:
            told = f"{kept[0].source} is of an epoch that is neither here nor in the registry: history was cut off"
            yield Finding(kind=Kind.ANCHOR_MISMATCH, epoch=log, position=None, message=told)


def _registry_cut(registry: RegistryView, outcomes: Iterable[Outcome], *, has_epochs: bool) -> Iterable[Finding]:
    if not registry.size and has_epochs:
        told = "there is no registry: nobody can tell which epochs there were"
        yield Finding(kind=Kind.MISSING_SHARD, epoch=REGISTRY, position=None, message=told)
    ahead = max([outcome.ahead for outcome in outcomes], default=0)
    if ahead > registry.size:
        told = f"records know of {ahead} entries, and there are {registry.size}: the registry was cut off"
        yield Finding(
            kind=Kind.MISSING_SHARD,
            epoch=REGISTRY,
            position=registry.size + 1,
            message=told,
            count=ahead - registry.size,
        )
