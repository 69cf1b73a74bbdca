"""Why can a measurement not begin, or not go on?

Both are sentences for whoever started it, and say what to do.
"""


class CannotMeasure(Exception):
    """What was asked for cannot be measured like that; nothing was sent."""


class MeasurementStopped(Exception):
    """The model could not be reached, or an answer not be kept: what was answered until then is kept."""
