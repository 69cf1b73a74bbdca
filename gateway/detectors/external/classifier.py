"""Which format does a configured classifier speak?

The rule: without a client every question fails, and none is taken for answered.
"""

from collections.abc import Callable

from gateway.detectors.external._call import External, Wire, facts
from gateway.detectors.external.azure_prompt_shields import PromptShields
from gateway.detectors.external.lakera import LakeraGuard
from gateway.detectors.external.webhook import Webhook
from gateway.domain.errors import UpstreamUnreachable
from gateway.domain.ports import UpstreamClient
from policies.engine.model import ExternalSettings

__all__ = ["classifier", "facts"]


def classifier(settings: ExternalSettings, client: Callable[[], UpstreamClient] | None) -> External:
    """The slow detector for these settings; ``client`` is called at the first question."""
    return External(settings, _wire(settings), client or _nobody)


def _wire(settings: ExternalSettings) -> Wire:
    match settings.kind:
        case "azure_prompt_shields":
            return PromptShields()
        case "lakera":
            return LakeraGuard()
        case "webhook":
            return Webhook()


def _nobody() -> UpstreamClient:
    raise UpstreamUnreachable("There is no client to reach classifiers with: run the gateway.", target="classifier")
