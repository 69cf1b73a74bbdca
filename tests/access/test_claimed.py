from collections.abc import Callable
from typing import Any

import pytest

from gateway.access.claimed import caller_of
from gateway.configuration.values import OidcSettings
from gateway.domain.errors import InvalidToken
from gateway.domain.identity import Caller, Role
from gateway.domain.prompt import Trust

OidcOf = Callable[..., OidcSettings]
MODELS = ("m", "team-a")
CLAIMS: dict[str, Any] = {"iss": "https://login.example", "sub": "joe@planted.example"}


def made(settings: OidcSettings, **claims: Any) -> Caller:
    return caller_of({**CLAIMS, **claims}, settings, MODELS)


def test_without_a_word_a_caller_has_a_pseudonym_and_may_call_models(oidc_of: OidcOf) -> None:
    caller = made(oidc_of())
    assert caller == Caller(key=caller.key, tenant="default", method="oidc")
    name, _, pseudonym = caller.key.partition(":")
    assert (name, len(pseudonym)) == ("corp", 16)
    assert "planted" not in caller.key
    assert made(oidc_of()).key == caller.key
    assert made(oidc_of(), sub="eve").key != caller.key
    assert made(oidc_of(issuer="https://other.example")).key != caller.key


def test_what_is_fixed_holds_for_each(oidc_of: OidcOf) -> None:
    settings = oidc_of(
        tenant="t", roles=["auditor"], models=["team-a"], routes=["split"], max_trust="user", require_data=True
    )
    caller = made(settings, roles=["admin"], tenant="other", models=["m"])
    assert (caller.tenant, caller.roles, caller.models) == ("t", {Role.AUDITOR}, {"team-a"})
    assert (caller.routes, caller.max_trust, caller.require_data) == ({"split"}, Trust.USER, True)


def test_an_application_is_called_as_a_claim_says(oidc_of: OidcOf) -> None:
    settings = oidc_of(claims={"key": "azp"})
    assert made(settings, azp="billing-app").key == "corp:billing-app"
    for wrong in (None, "", "a b", "x" * 65, 7, ["a"], "joe@planted.example"):
        with pytest.raises(InvalidToken, match="`azp`") as caught:
            made(settings, azp=wrong)
        assert "planted" not in str(caught.value)


def test_a_tenant_is_named_as_it_is_or_by_what_the_configuration_makes_of_it(oidc_of: OidcOf) -> None:
    as_it_is = oidc_of(claims={"tenant": "org"})
    assert made(as_it_is, org="acme").tenant == "acme"
    for wrong in (None, "", "a b", 7):
        with pytest.raises(InvalidToken, match="`org`"):
            made(as_it_is, org=wrong)
    mapped = oidc_of(claims={"tenant": "org.id"}, tenants={"8f0c!": "acme"})
    assert made(mapped, org={"id": "8f0c!"}).tenant == "acme"
    for wrong in ({"id": "acme"}, {"id": None}, {}, "8f0c!", ["8f0c!"], {"id": ["8f0c!"]}):
        with pytest.raises(InvalidToken, match=r"`org\.id`"):
            made(mapped, org=wrong)


@pytest.mark.rows
@pytest.mark.parametrize(
    ("groups", "roles"),
    [
        (["llm-users"], {Role.APP}),
        (["llm-users", "llm-root", "x"], {Role.APP, Role.ADMIN}),
        ("llm-root", {Role.ADMIN}),
        ("llm-users llm-root", set[Role]()),
        (["admin", "app"], set[Role]()),
        ([["llm-root"]], set[Role]()),
        ({"llm-root": True}, set[Role]()),
        ([], set[Role]()),
        (None, set[Role]()),
        (True, set[Role]()),
    ],
)
def test_a_role_comes_of_a_value_that_the_configuration_names_and_of_nothing_else(
    oidc_of: OidcOf, groups: Any, roles: set[Role]
) -> None:
    settings = oidc_of(claims={"roles": "groups"}, role_values={"llm-users": "app", "llm-root": "admin"})
    assert made(settings, groups=groups).roles == roles


@pytest.mark.rows
@pytest.mark.parametrize(
    ("bound", "said", "models"),
    [
        ([], ["team-*"], {"team-a"}),
        ([], "m", {"m"}),
        ([], ["*"], {"m", "team-a"}),
        ([], ["gone"], set[str]()),
        ([], [], set[str]()),
        ([], None, set[str]()),
        ([], ["[m]", "", 7], set[str]()),
        (["team-*"], ["*"], {"team-a"}),
        (["team-*"], ["m"], set[str]()),
    ],
)
def test_a_claim_names_models_within_what_the_configuration_allows(
    oidc_of: OidcOf, bound: list[str], said: Any, models: set[str]
) -> None:
    assert made(oidc_of(claims={"models": "llm_models"}, models=bound), llm_models=said).models == models
