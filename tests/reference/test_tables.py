import inspect
from itertools import pairwise

import pytest

from gateway.dialects._fields import REFERENCES
from gateway.dialects._openai_chat_fields import FIELDS
from gateway.domain import errors as domain
from gateway.domain.errors import GatewayError, RequestError
from gateway.reference.tables import errors, fields
from gateway.web.problems import STATUS, status_of

KINDS = [kind for _, kind in inspect.getmembers(domain, inspect.isclass) if issubclass(kind, GatewayError)]


def test_every_field_has_its_row_and_each_treatment_stands_together() -> None:
    rows = [row.split(" | ") for row in fields().split("\n\n")[0].split("\n")[2:]]
    assert sorted(name for name, _, _ in rows) == sorted(f"| `{name}`" for name in FIELDS)
    treatments = [treatment for _, treatment, _ in rows]
    assert sorted(treatments) == sorted(field.treatment.value for field in FIELDS.values())
    assert len([1 for above, below in pairwise(treatments) if above != below]) == 2


def test_every_reference_is_named() -> None:
    assert not [name for name in REFERENCES if f"`{name}`" not in fields()]


@pytest.mark.parametrize("kind", KINDS)
def test_every_error_that_a_client_meets_has_its_row(kind: type[GatewayError]) -> None:
    met = kind.code not in {"invalid_configuration", "upstream_error"}
    assert (f"| `{kind.code}` | " in errors()) is met


def test_a_row_tells_the_status_that_is_sent() -> None:
    for kind in (kind for kind in KINDS if issubclass(kind, RequestError)):
        assert f"| `{kind.code}` | {status_of(kind('m'))} | " in errors()
    assert f"| `internal_error` | {STATUS[GatewayError]} | " in errors()


def test_meanings_are_a_sentence_without_attributes() -> None:
    for row in errors().split("\n")[2:]:
        meaning = row.split(" | ")[2]
        assert meaning.endswith(". |")
        assert not {"`phase`", "`reason`", "`retry_after`"} & set(meaning.split())
