"""How long is a case as it would be sent?"""

from collections.abc import Callable

import orjson

from gateway.compose import Layouts
from gateway.dialects import split
from gateway.domain.errors import RequestError
from gateway.domain.identity import ANONYMOUS
from gateway.evaluation.asking import Sampling, request_of
from gateway.evaluation.case import Case
from gateway.pipeline.lift import lift
from gateway.settings import Settings


def length_of(settings: Settings, sampling: Sampling) -> Callable[[Case, str], int]:
    """Counts the characters of a case in a format, by the settings of ``measured_settings``; no model is called."""
    layouts = Layouts(tuple(target for model in settings.models.values() for target in model.targets))

    def length(case: Case, name: str) -> int:
        model = settings.models[name]
        request = split.read(request_of(case, name, sampling))
        try:
            layout, _ = layouts(model.targets[0], lift(request, model, ANONYMOUS), request.options)
        except RequestError:
            # It will not be sent.
            return 0
        return len(orjson.dumps(layout.body))

    return length
