"""Why can a training not begin, or not go on?

What is raised is a sentence for whoever started it, and says what to do.
"""


class CannotTrain(Exception):
    """A model cannot be trained like that."""
