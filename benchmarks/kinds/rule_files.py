"""What does a policy of so many rules look like?

Conditions as the packs have them, over facts and what detectors saw, at every stage, each with names and limits of its
own. None of them hits what the benchmark sends: what is measured is being asked. The first ten need every detector that
the others need, so that from ten on more rules are nothing but more rules.
"""

from collections.abc import Mapping, Sequence
from typing import Final

# Stage, condition: ``{n}`` is the rule's number.
_CONDITIONS: Final[Sequence[tuple[str, str]]] = (
    ("data", "det.injection.override && det.injection.score >= 5 && segment.origin != 'archive-{n}'"),
    ("instructions", "det.invisible.tags || det.invisible.injection || request.chars > 9000000 + {n}"),
    ("output", "det.secrets.found && request.tenant == 'tenant-{n}'"),
    ("data", "segment.origin.startsWith('tool:search-{n}') && det.injection.score >= 3"),
    ("output", "tainted && det.urls.external && request.key in ['app-{n}', 'batch-{n}']"),
    ("tool_call", "tool.declared && tool.effect == 'egress' && tool.derived && tool.name == 'send-{n}'"),
    ("data", "(det.size.chars > 5000000 + {n} || det.size.tokens > 2000000) && segment.trust == 'untrusted'"),
    ("instructions", "request.model.matches('^model-{n}(-[0-9]+)?$') && request.tools > 8"),
    ("data", "det.secrets.count > 3 + {n} || (det.urls.count > 200 && det.urls.opaque_data)"),
    ("output", "output.channel == 'reasoning' && (det.injection.leak || det.invisible.count > {n})"),
)


def rules_of(count: int) -> Mapping[str, object]:
    """A policy of ``count`` rules, as its file would hold it."""
    return {
        "apiVersion": "splitgate/v1",
        "kind": "Policy",
        "metadata": {"name": f"rules-{count}", "owner": "benchmarks"},
        "spec": {"mode": "enforce", "streaming": {"mode": "hold"}, "rules": [_rule(n) for n in range(count)]},
    }


def _rule(number: int) -> Mapping[str, object]:
    stage, condition = _CONDITIONS[number % len(_CONDITIONS)]
    return {
        "id": f"rule-{number}",
        "stage": stage,
        "severity": "error",
        "when": condition.format(n=number),
        "action": "block",
        "message": "Never said: no request of the benchmark is hit.",
    }
