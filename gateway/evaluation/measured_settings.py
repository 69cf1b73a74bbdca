"""With which settings is a model measured?

With those of the configuration, less everything that is not the model and its format: nobody is asked for a key,
nothing is limited, recorded or kept, a floor of ``none`` lets every format answer, and each format is a model of its
own name. Policies are off unless they are to be measured too. The rule: nothing here reads or writes a file but the
folder for state that it is given.
"""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

from adapters.registry import FORMATS
from gateway.configuration.crowd import Crowd
from gateway.configuration.other_format import with_format
from gateway.configuration.values import EmbeddedSettings, PolicySettings, Server, TelemetrySettings
from gateway.domain.isolation import Isolation
from gateway.domain.limits import Limits
from gateway.domain.model import Model, Persistence
from gateway.domain.target import BreakerLimits, Target
from gateway.evaluation.stopped import CannotMeasure
from gateway.settings import Settings

# Stands for every request, so that the fallback does not.
_NO_POLICY: Final = """apiVersion: splitgate/v1
kind: Policy
metadata: {name: measuring}
spec: {mode: enforce}
"""
# What fails is asked again by whoever measures, who also decides when to give up.
_FORGIVING: Final = BreakerLimits(failures=0, longest_rest_s=0.0)


def target_of(settings: Settings, name: str, wanted: str | None = None) -> Target:
    """The target of the model ``name`` that is measured: its first, or the one of the id ``wanted``.

    Raises:
        CannotMeasure: there is no such model or target.
    """
    model = settings.models.get(name)
    if model is None:
        raise CannotMeasure(f"no model is called `{name}`; there are {', '.join(settings.models)}")
    found = [target for target in model.targets if wanted in {None, target.id}]
    if not found:
        ids = ", ".join(target.id for target in model.targets)
        raise CannotMeasure(f"no target of `{name}` is called `{wanted}`; there are {ids}")
    return found[0]


def formats_of(target: Target, wanted: Sequence[str]) -> tuple[str, ...]:
    """The formats to measure: those named, the target's own if none is, and with ``all`` every one that it can take.

    Raises:
        CannotMeasure: the target cannot be sent one of them.
    """
    if not wanted:
        return (target.format,)
    if "all" in wanted:
        return tuple([name for name in sorted(FORMATS) if _unfit(target, name) is None])
    names = tuple(dict.fromkeys(wanted))
    for name in names:
        wrong = _unfit(target, name) if name in FORMATS else f"no format is called `{name}`"
        if wrong is not None:
            fitting = ", ".join([one for one in sorted(FORMATS) if _unfit(target, one) is None])
            raise CannotMeasure(f"{wrong}; {target.id} can be measured with {fitting}")
    return names


def _unfit(target: Target, name: str) -> str | None:
    """Why the target cannot be measured with this format, if it cannot."""
    try:
        with_format(target, name)
    except ValueError as error:
        return f"{target.id} cannot be sent the format `{name}`: {error}"
    return None


def measured(
    settings: Settings, target: Target, formats: Sequence[str], state_dir: Path, *, policies: bool
) -> Settings:
    """The settings of a gateway that has a model for each of ``formats``; ``state_dir`` is an empty folder."""
    return replace(
        settings,
        server=Server(
            host="127.0.0.1",
            port=0,
            max_body_bytes=settings.server.max_body_bytes,
            compressed_bodies=False,
            record_recent=0,
            record_recent_bytes=0,
            allowed_hosts=(),
            crowd=Crowd(),
        ),
        keys=(),
        keys_file=None,
        oidc=(),
        models={name: _model(target, name) for name in formats},
        embedded=EmbeddedSettings(start="at_start" if target.provider == "embedded" else "first_use"),
        policies=replace(settings.policies, watch=False) if policies else _no_policies(state_dir),
        audit=replace(settings.audit, enabled=False, ship=(), anchors=()),
        telemetry=_no_telemetry(settings.telemetry),
        state_dir=state_dir,
        limits=Limits(),
        redis=None,
    )


def _model(target: Target, name: str) -> Model:
    laid_out = replace(with_format(target, name), id=f"{target.id}:{name}", breaker=_FORGIVING, health=None)
    return Model(
        name=name,
        targets=(laid_out,),
        min_isolation=Isolation.NONE,
        persistence=Persistence(retries=0, max_wait_s=0.0),
    )


def _no_policies(folder: Path) -> PolicySettings:
    file = folder / "measuring.yaml"
    file.write_text(_NO_POLICY, encoding="utf-8")
    return PolicySettings(packs=(), paths=(file,), watch=False)


def _no_telemetry(telemetry: TelemetrySettings) -> TelemetrySettings:
    return replace(
        telemetry,
        metrics=replace(telemetry.metrics, enabled=False),
        traces=replace(telemetry.traces, endpoint=None),
    )
