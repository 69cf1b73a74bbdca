"""What the supervisor is told to start."""

from pathlib import Path

import pytest

from gateway.main import plan
from gateway.settings import load

EMBEDDED = "models: {m: {targets: [{provider: embedded}]}}\n"


def key(name: str, tenant: str) -> str:
    return f'{{name: {name}, sha256: "{name * 64}", tenant: {tenant}}}'


ISSUER = "auth: {oidc: [{name: corp, issuer: 'https://login.example', audience: [s], %s}]}\n"


@pytest.mark.parametrize(
    ("callers", "forgets"),
    [
        ("", False),
        (f"keys: [{key('a', 'one')}, {key('b', 'one')}]\n", False),
        (ISSUER % "tenant: one", False),
        (f"keys: [{key('a', 'one')}, {key('b', 'two')}]\n", True),
        (f"keys: [{key('a', 'one')}]\n" + ISSUER % "tenant: two", True),
        (ISSUER % "claims: {tenant: org}", True),
        # Its keys may become others while the gateway runs.
        ("keys_file: keys.jsonl\n", True),
    ],
)
def test_the_embedded_model_keeps_nothing_of_a_prompt_where_tenants_share_it(
    tmp_path: Path, callers: str, forgets: bool
) -> None:
    (tmp_path / "splitgate.yaml").write_text(callers + EMBEDDED, encoding="utf-8")
    (embedded,) = plan(load(tmp_path / "splitgate.yaml", {}), None, 1).on_demand
    assert ("--forget" in embedded.command) == forgets
