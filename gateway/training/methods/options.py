"""What can be chosen about the methods?"""

from math import pi

from gateway.domain.value import value


@value
class MethodOptions:
    """``beta`` and ``answer_weight`` are secalign's, ``angle`` (radians) and ``ramp`` (steps) aside's.

    ``answer_weight`` is the share of the plain answer loss beside the preference; ``full_layers`` learn whole.
    """

    beta: float = 0.1
    answer_weight: float = 0.0
    angle: float = pi / 2
    ramp: int = 0
    full_layers: int = 0
