import hashlib

import pytest

from gateway.access.ring import Ring
from gateway.domain.errors import (
    CredentialExpired,
    CredentialRevoked,
    Forbidden,
    ForeignOrigin,
    InvalidToken,
    Unauthenticated,
)
from gateway.domain.identity import ANONYMOUS, Caller, Key, Role
from gateway.web.auth import Doorkeeper, expect_app, expect_role
from gateway.web.edge import Headers

KEY = b"sg-planted-key"
DIGEST = hashlib.sha256(KEY).hexdigest()
TOKEN = b"planted.to.ken"
CALLER = Caller(key="app-1", tenant="support")
LOCAL: Headers = {b"host": b"127.0.0.1:8400"}
NOON = 1_900_000_000.0


class Issuer:
    """Takes one token."""

    async def caller(self, token: bytes) -> Caller:
        if token != TOKEN:
            raise InvalidToken("none of mine")
        return Caller(key="corp:joe", tenant="t", method="oidc")


@pytest.fixture
def doorkeeper() -> Doorkeeper:
    return Doorkeeper(Ring([Key(sha256=DIGEST, caller=CALLER)]))


def opening(**times: float | bool) -> Doorkeeper:
    return Doorkeeper(Ring([Key(sha256=DIGEST, caller=CALLER, **times)]), now=lambda: NOON)  # pyright: ignore[reportArgumentType]


@pytest.mark.parametrize(
    "headers",
    [
        {b"authorization": b"Bearer " + KEY},
        {b"authorization": b"bearer  " + KEY},
        {b"x-api-key": KEY},
        {b"api-key": KEY},
        {b"authorization": b"Bearer " + KEY, b"x-api-key": KEY},
    ],
)
async def test_a_known_key_names_its_caller(doorkeeper: Doorkeeper, headers: Headers) -> None:
    assert await doorkeeper.caller(headers) == CALLER


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {b"authorization": b"Bearer wrong"},
        {b"authorization": b"Bearer"},
        {b"authorization": b"Basic " + KEY},
        {b"authorization": KEY},
        {b"x-api-key": b""},
        {b"authorization": b"Bearer " + KEY, b"x-api-key": b"other"},
        {b"authorization": b"Bearer " + DIGEST.encode()},
    ],
)
async def test_anything_else_is_refused(doorkeeper: Doorkeeper, headers: Headers) -> None:
    with pytest.raises(Unauthenticated) as caught:
        await doorkeeper.caller(headers)
    assert KEY.decode() not in str(caught.value)


async def test_with_keys_the_host_does_not_matter(doorkeeper: Doorkeeper) -> None:
    headers = {b"x-api-key": KEY, b"host": b"gateway.example", b"origin": b"https://app.example"}
    assert await doorkeeper.caller(headers) == CALLER


async def test_where_callers_are_asked_and_no_key_is_there_nobody_comes_in() -> None:
    with pytest.raises(Unauthenticated):
        await Doorkeeper(Ring(())).caller(LOCAL)


@pytest.mark.rows
@pytest.mark.parametrize(
    ("times", "error", "said"),
    [
        ({"expires": NOON}, CredentialExpired, "expired on 2030-03-17T17:46:40Z"),
        ({"not_before": NOON + 1}, Unauthenticated, "opens from 2030-03-17T17:46:41Z on"),
        ({"revoked": True}, CredentialRevoked, "was revoked"),
        ({"revoked": True, "expires": NOON - 1}, CredentialRevoked, "was revoked"),
    ],
)
async def test_a_key_that_does_not_open_now_says_why(
    times: dict[str, float | bool], error: type[Unauthenticated], said: str
) -> None:
    with pytest.raises(error) as caught:
        await opening(**times).caller({b"x-api-key": KEY})
    assert said in caught.value.message


@pytest.mark.rows
@pytest.mark.parametrize("times", [{"expires": NOON + 1}, {"not_before": NOON}, {"revoked": False}])
async def test_until_its_last_moment_and_from_its_first_a_key_opens(times: dict[str, float | bool]) -> None:
    assert await opening(**times).caller({b"x-api-key": KEY}) == CALLER


@pytest.mark.parametrize("headers", [{b"authorization": b"Bearer " + TOKEN}, {b"x-api-key": TOKEN}])
async def test_what_has_three_parts_is_a_token_where_tokens_are_taken(headers: Headers) -> None:
    ring = Ring([Key(sha256=hashlib.sha256(one).hexdigest(), caller=CALLER) for one in (KEY, TOKEN)])
    taking = Doorkeeper(ring, tokens=Issuer())
    assert (await taking.caller(headers)).key == "corp:joe"
    assert await taking.caller({b"x-api-key": KEY}) == CALLER
    # Without issuers it is a key like any other.
    assert await Doorkeeper(ring).caller(headers) == CALLER


@pytest.mark.rows
@pytest.mark.parametrize("presented", [b"a.b.c", b"..", b"planted.to.Ken"])
async def test_a_token_that_is_not_taken_is_never_tried_as_a_key(presented: bytes) -> None:
    ring = Ring([Key(sha256=hashlib.sha256(presented).hexdigest(), caller=CALLER)])
    with pytest.raises(InvalidToken):
        await Doorkeeper(ring, tokens=Issuer()).caller({b"x-api-key": presented})


def test_a_role_is_not_had_by_having_another_one() -> None:
    for role in Role:
        caller = Caller(key="k", tenant="t", roles=frozenset({role}))
        assert expect_role(caller, role) is caller
        for other in set(Role) - {role}:
            with pytest.raises(Forbidden, match=f"`{other}`"):
                expect_role(caller, other)
    assert expect_role(Caller(key="k", tenant="t", roles=frozenset({Role.AUDITOR})), Role.ADMIN, Role.AUDITOR)


def test_an_app_comes_by_its_routes_alone() -> None:
    expect_app(CALLER, "split")
    bound = Caller(key="k", tenant="t", routes=frozenset({"split"}))
    expect_app(bound, "split")
    with pytest.raises(Forbidden, match="it may use: split"):
        expect_app(bound, "openai_chat")
    with pytest.raises(Forbidden, match="it may use: none"):
        expect_app(Caller(key="k", tenant="t", routes=frozenset()), "split")
    with pytest.raises(Forbidden, match="`app`"):
        expect_app(Caller(key="k", tenant="t", roles=frozenset({Role.ADMIN})), "split")


@pytest.mark.rows
@pytest.mark.parametrize(
    "headers",
    [
        LOCAL,
        {b"host": b"localhost"},
        {b"host": b"[::1]:8400"},
        {b"host": b"localhost:8400", b"origin": b"http://localhost:3000"},
        {b"host": b"LOCALHOST"},
        {b"host": b"127.0.0.2:8400"},
    ],
)
async def test_without_keys_this_machine_may_call(headers: Headers) -> None:
    assert await Doorkeeper(None).caller(headers) is ANONYMOUS


@pytest.mark.rows
@pytest.mark.parametrize(
    "headers",
    [
        {},
        {b"host": b"evil.example:8400"},
        {b"host": b"127.0.0.1.evil.example"},
        {b"host": b"10.0.0.1:8400"},
        {b"host": b"0.0.0.0:8400"},
        {b"host": b"127.0.0.1@evil.example"},
        {b"host": b"evil.example@localhost"},
        {b"host": b"localhost/evil.example"},
        {b"host": b"evil.example\\@localhost"},
        {b"host": b"[::1"},
        {**LOCAL, b"origin": b"https://evil.example"},
        {**LOCAL, b"origin": b"null"},
        {**LOCAL, b"origin": b"chrome-extension://localhost"},
        {**LOCAL, b"origin": b""},
    ],
)
async def test_without_keys_foreign_pages_and_rebound_names_may_not(headers: Headers) -> None:
    with pytest.raises(ForeignOrigin):
        await Doorkeeper(None).caller(headers)


async def test_a_host_that_the_configuration_allows_may_call() -> None:
    doorkeeper = Doorkeeper(None, ["gateway.internal"])
    assert await doorkeeper.caller({b"host": b"gateway.internal:8400"}) is ANONYMOUS
