"""Which measurement is this?

Everything on which an answer hangs: if any of it differs, answers of before are another measurement's.
"""

import hashlib

from gateway.activation.sources import Sources
from gateway.configuration.other_format import with_format
from gateway.domain.jsonvalue import JsonObject
from gateway.evaluation.measurement import Measurement
from gateway.evaluation.revision import revision
from gateway.evaluation.weights import adapter_of, weights_of
from gateway.settings import Settings
from gateway.version import VERSION


def described(measurement: Measurement) -> JsonObject:
    """As it stands beside the answers.

    Raises:
        CannotMeasure: the embedded model's weights are not installed.
        ConfigError: a policy file that is to be measured cannot be read.
    """
    target, sampling = measurement.target, measurement.sampling
    return {
        "model": measurement.model,
        "target": target.id,
        "provider": target.provider,
        "address": target.base_url,
        "upstream": target.model,
        "weights": weights_of(target),
        "adapter": adapter_of(target),
        "dataset": measurement.data.digest,
        "max_tokens": sampling.max_tokens,
        "temperature": sampling.temperature,
        "seed": sampling.seed,
        "policies": _policies(measurement.settings) if measurement.policies else None,
        "version": VERSION,
        # Between two versions the code that asks changes as well.
        "revision": revision(),
        "formats": {name: dict(with_format(target, name).format_options) for name in measurement.formats},
    }


def _policies(settings: Settings) -> str:
    digest = hashlib.sha256()
    for file in Sources(settings.policies).read():
        digest.update(hashlib.sha256(file.raw).digest())
    return f"sha256:{digest.hexdigest()}"
