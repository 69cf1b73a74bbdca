import inspect
from collections.abc import Mapping
from itertools import pairwise

import pytest

from gateway.dialects._anthropic_messages_fields import FIELDS as MESSAGES_FIELDS
from gateway.dialects._fields import REFERENCES, Field
from gateway.dialects._openai_chat_fields import FIELDS
from gateway.dialects._openai_responses_fields import FIELDS as RESPONSES_FIELDS
from gateway.domain import errors as domain
from gateway.domain.errors import GatewayError, RequestError
from gateway.reference.tables import errors, fields, messages_fields, responses_fields
from gateway.web.problems import STATUS, status_of

KINDS = [kind for _, kind in inspect.getmembers(domain, inspect.isclass) if issubclass(kind, GatewayError)]


TABLES = pytest.mark.parametrize(
    ("page", "known"),
    [(fields(), FIELDS), (messages_fields(), MESSAGES_FIELDS), (responses_fields(), RESPONSES_FIELDS)],
)


@TABLES
def test_every_field_has_its_row_and_each_treatment_stands_together(page: str, known: Mapping[str, Field]) -> None:
    rows = [row.split(" | ") for row in page.split("\n\n", maxsplit=1)[0].split("\n")[2:]]
    assert sorted(name for name, _, _ in rows) == sorted(f"| `{name}`" for name in known)
    treatments = [treatment for _, treatment, _ in rows]
    assert sorted(treatments) == sorted(field.treatment.value for field in known.values())
    assert len([1 for above, below in pairwise(treatments) if above != below]) == 2


@TABLES
def test_every_reference_is_named(page: str, known: Mapping[str, Field]) -> None:
    assert not [name for name in REFERENCES if f"`{name}`" not in page]
    assert known


@pytest.mark.rows
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
