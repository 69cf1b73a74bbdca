"""Which parts of the documentation are made from the code?

``python -m gateway.reference docs/api.md docs/formats.md`` writes them anew, each between marks of its name:
``<!-- fields: begin -->`` and ``<!-- fields: end -->``. A test fails where a document says something else.
"""

import re
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Final

from gateway.configuration.reference import card_tables, tables
from gateway.reference.controls import control_map
from gateway.reference.layouts import EXAMPLES, best, families, layout, request
from gateway.reference.lifted import lifted, lifted_items, messages_lifted
from gateway.reference.metrics import metrics
from gateway.reference.policies import actions, facts, limits, policy_keys
from gateway.reference.tables import embedding_fields, errors, fields, messages_fields, responses_fields
from gateway.reference.wires import (
    chat_error,
    messages_error,
    messages_reply,
    messages_stream,
    native_blocked,
    native_error,
    native_held,
    native_reply,
    native_stream,
)

BLOCKS: Final[Mapping[str, Callable[[], str]]] = {
    "keys": tables,
    "card keys": card_tables,
    "fields": fields,
    "responses fields": responses_fields,
    "embedding fields": embedding_fields,
    "errors": errors,
    "lifted": lifted,
    "messages fields": messages_fields,
    "messages lifted": messages_lifted,
    "messages reply": messages_reply,
    "messages stream": messages_stream,
    "messages error": messages_error,
    "lifted items": lifted_items,
    "native reply": native_reply,
    "native stream": native_stream,
    "native held": native_held,
    "native blocked": native_blocked,
    "native error": native_error,
    "chat error": chat_error,
    "request": request,
    "best isolation": best,
    "families": families,
    "control map": control_map,
    "policy keys": policy_keys,
    "policy facts": facts,
    "policy actions": actions,
    "condition limits": limits,
    "metrics": metrics,
    **{f"example {name}": (lambda name=name: layout(name)) for name in EXAMPLES},
}

_BLOCK: Final = re.compile(r"<!-- (?P<name>[a-z -]+): begin -->\n.*?<!-- (?P=name): end -->", re.DOTALL)


def splice(document: str) -> str:
    """``document`` with each of its marked parts made anew."""
    return _BLOCK.sub(_made, document)


def _made(found: "re.Match[str]") -> str:
    name = found["name"]
    return f"<!-- {name}: begin -->\n{BLOCKS[name]()}\n<!-- {name}: end -->"


def main(paths: Sequence[str]) -> None:
    """Rewrite the marked parts of the files that are named."""
    for path in map(Path, paths):
        path.write_text(splice(path.read_text(encoding="utf-8")), encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
