"""Which kinds of tasks are there?"""

from gateway.evaluation.builtin.kinds.faithful import FAITHFUL
from gateway.evaluation.builtin.kinds.finding import FINDING
from gateway.evaluation.builtin.kinds.sorting import SORTING

__all__ = ["FAITHFUL", "PLAIN"]

PLAIN = (*FINDING, *SORTING)
