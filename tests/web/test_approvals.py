"""The approval routes over ASGI, on a store of files and the real dialects."""

import asyncio
import hashlib
import json
import logging
import sqlite3
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import httpx
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response

from gateway.access.ring import Ring
from gateway.audit.events import Events
from gateway.audit.journal import Phase
from gateway.audit.line import Value
from gateway.dialects import openai_chat, openai_responses, split
from gateway.domain.approval import Approval, ApprovalStatus, HeldReply
from gateway.domain.errors import AuditUnavailable, GatewayError, PoliciesNotLoaded
from gateway.domain.exchange import AppliedRevision, Choice, Handling, Reply, Usage
from gateway.domain.finding import Finding
from gateway.domain.identity import ANONYMOUS, Caller, Key, Role
from gateway.domain.prompt import ToolCall
from gateway.stores.approvals import SqliteApprovals
from gateway.web.approvals import ApprovalDesk, Writer, approval_routes
from gateway.web.auth import Doorkeeper
from gateway.web.problems import status_of

DECIDES = frozenset({Role.APP, Role.APPROVER})
ASKER = Caller(key="asker", tenant="t")
BOSS = Caller(key="boss", tenant="t", roles=DECIDES)
CHIEF = Caller(key="chief", tenant="t", roles=frozenset({Role.APPROVER}))
PEER = Caller(key="peer", tenant="t", roles=frozenset({Role.APP, Role.ADMIN, Role.AUDITOR}))
STRANGER = Caller(key="stranger", tenant="u", roles=DECIDES)
NAMESAKE = Caller(key="asker", tenant="u", roles=DECIDES)
CALLERS = (ASKER, BOSS, CHIEF, PEER, STRANGER)
ID = "a1-b2_c3"
PATH = f"/v1/approvals/{ID}"
REVISION = "sha256:1"
CALL = ToolCall(id="c1", name="send_email", arguments='{"to":"planted-argument"}')
REPLY = Reply(
    id="chatcmpl-1",
    model="upstream",
    created=7,
    choices=(Choice(index=0, text="planted-text", finish_reason="tool_calls", tool_calls=(CALL,)),),
    usage=Usage(input_tokens=1, output_tokens=2),
)
HANDLING = Handling(
    request_id="r1",
    model="m",
    created=7,
    isolation="channel",
    format="plain",
    target="target-1",
    decision="require_approval",
    policy=AppliedRevision(names=("agents",), revision=REVISION),
    findings=(Finding(rule="egress", where="call", count=1),),
)
HELD = HeldReply(
    approval=Approval(
        id=ID, tenant="t", key="asker", dialect="split", model="m", request_digest="d" * 64, calls=(CALL,),
        tools=(CALL.name,), rules=("egress",), revision=REVISION, created=1000.0, expires=2000.5,
    ),
    reply=REPLY,
    handling=HANDLING,
)  # fmt: skip
YES = {"decision": "approve", "reason": "the customer asked for it"}
NO = {"decision": "deny", "reason": "the recipient is nobody we know"}


class Journalled(Events):
    """Keeps what is recorded; ``full`` has it refuse, as a full disk does."""

    def __init__(self) -> None:
        super().__init__(None)
        self.full = False
        self.told: list[tuple[str, Mapping[str, object]]] = []

    def expect(self) -> None:
        if self.full:
            raise AuditUnavailable("the disk is full")

    async def write(self, phase: Phase, what: str, fields: Mapping[str, Value]) -> None:
        assert phase == "decision"
        self.expect()
        self.told.append((what, fields))


class House:
    """The time, the policies in force, and a store that goes by that time."""

    def __init__(self, file: Path) -> None:
        self.file = file
        self.now = 1000.0
        self.revision: str | None = REVISION
        self.store = SqliteApprovals(file, lambda: self.now, patience_s=30.0)
        self.events = Journalled()

    def in_force(self) -> str:
        if self.revision is None:
            raise PoliciesNotLoaded("wait")
        return self.revision


@pytest.fixture
def house(tmp_path: Path) -> House:
    return House(tmp_path / "state" / "approvals.sqlite3")


Client = Callable[..., httpx.AsyncClient]
DIALECTS: Mapping[str, Writer] = {"split": split, "openai_chat": openai_chat, "openai_responses": openai_responses}


@pytest.fixture
def client(house: House) -> Client:
    async def told(_: Request, error: Exception) -> Response:
        assert isinstance(error, GatewayError)
        return Response(split.error_body(error, status_of(error)), status_of(error))

    def make(callers: Sequence[Caller] = CALLERS, dialects: Sequence[str] = tuple(DIALECTS)) -> httpx.AsyncClient:
        keys = [Key(sha256=hashlib.sha256(secret(one).encode()).hexdigest(), caller=one) for one in callers]
        desk = ApprovalDesk(
            doorkeeper=Doorkeeper(Ring(keys) if keys else None),
            store=house.store,
            revision=house.in_force,
            dialects={name: DIALECTS[name] for name in dialects},
            events=house.events,
        )
        app = Starlette(routes=approval_routes(desk), exception_handlers={GatewayError: told})
        return httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://127.0.0.1")

    return make


@pytest.fixture
def audit(caplog: pytest.LogCaptureFixture) -> Callable[[], list[dict[str, object]]]:
    caplog.set_level(logging.INFO, "splitgate.audit")
    return lambda: [json.loads(r.getMessage()) for r in caplog.records if r.name == "splitgate.audit"]


def secret(caller: Caller) -> str:
    return f"{caller.tenant}-{caller.key}"


def by(caller: Caller) -> dict[str, str]:
    return {"authorization": f"Bearer {secret(caller)}"}


def problem(answer: httpx.Response) -> tuple[int, str]:
    """The status and the code of a refusal, which tells nothing of what was held."""
    assert "planted" not in answer.text
    return answer.status_code, answer.json()["code"]


@pytest.mark.parametrize("dialect", ["split", "openai_chat", "openai_responses"])
async def test_an_approved_answer_is_handed_out_once_in_the_dialect_in_which_it_was_asked_for(
    client: Client, house: House, dialect: str
) -> None:
    await house.store.hold(replace(HELD, approval=replace(HELD.approval, dialect=dialect)))
    async with client() as http:
        waiting = await http.get(PATH, headers=by(ASKER))
        assert waiting.status_code == 202
        assert waiting.json() == {
            "approval": ID, "status": "pending", "expires": 2000, "tools": ["send_email"], "url": PATH,
        }  # fmt: skip
        decided = await http.post(PATH, headers=by(BOSS), json=YES)
        assert (decided.status_code, decided.json()) == (200, waiting.json() | {"status": "approved"})
        given = await http.get(PATH, headers=by(ASKER))
        assert (given.status_code, given.content) == (200, DIALECTS[dialect].write(REPLY, HANDLING))
        assert given.headers["content-type"] == "application/json"
        assert given.headers["x-splitgate-decision"] == "require_approval"
        assert given.headers["x-splitgate-findings"] == "egress=1"
        assert {answer.headers["cache-control"] for answer in (waiting, decided, given)} == {"no-store"}
        assert problem(await http.get(PATH, headers=by(ASKER))) == (410, "approval_gone")


async def test_names_beyond_latin_letters_stand_in_the_headers_as_they_do_in_every_reply(
    client: Client, house: House
) -> None:
    await house.store.hold(replace(HELD, handling=replace(HANDLING, target="目标")))
    async with client() as http:
        await http.post(PATH, headers=by(BOSS), json=YES)
        given = await http.get(PATH, headers=by(ASKER))
    assert given.status_code == 200
    assert (b"x-splitgate-target", "目标".encode()) in given.headers.raw


async def test_decision_and_hand_out_are_recorded_with_who_did_what(client: Client, house: House) -> None:
    await house.store.hold(HELD)
    async with client() as http:
        await http.post(PATH, headers=by(BOSS), json=YES)
        await http.get(PATH, headers=by(ASKER))
    assert [what for what, _ in house.events.told] == ["approval.decided", "approval.handed_out"]
    assert [fields["actor"] for _, fields in house.events.told] == [
        {"key": caller.key, "tenant": caller.tenant, "method": "api_key"} for caller in (BOSS, ASKER)
    ]
    assert "planted" not in str(house.events.told)


async def test_who_hangs_up_while_deciding_leaves_a_record_before_the_yes_counts(client: Client, house: House) -> None:
    await house.store.hold(HELD)
    recorded = asyncio.Event()

    async def hangs(phase: Phase, what: str, fields: Mapping[str, Value]) -> None:
        del phase, fields
        house.events.told.append((what, {}))
        recorded.set()
        await asyncio.sleep(30)

    house.events.write = hangs  # pyright: ignore[reportAttributeAccessIssue]  one event of a running desk
    async with client() as http:
        deciding = asyncio.create_task(http.post(PATH, headers=by(BOSS), json=YES))
        await recorded.wait()
        deciding.cancel()
        await asyncio.gather(deciding, return_exceptions=True)
        assert [what for what, _ in house.events.told] == ["approval.decided"]
        assert (await http.get(PATH, headers=by(ASKER))).status_code == 202


async def test_while_nothing_can_be_recorded_nothing_is_decided_nor_handed_out(client: Client, house: House) -> None:
    await house.store.hold(HELD)
    async with client() as http:
        house.events.full = True
        assert problem(await http.post(PATH, headers=by(BOSS), json=YES)) == (503, "audit_unavailable")
        house.events.full = False
        assert (await http.post(PATH, headers=by(BOSS), json=YES)).status_code == 200
        house.events.full = True
        assert problem(await http.get(PATH, headers=by(ASKER))) == (503, "audit_unavailable")
        house.events.full = False
        assert (await http.get(PATH, headers=by(ASKER))).status_code == 200


async def test_many_who_fetch_at_once_get_it_once(client: Client, house: House) -> None:
    await house.store.hold(HELD)
    async with client() as http:
        await http.post(PATH, headers=by(BOSS), json=YES)
        answers = await asyncio.gather(*(http.get(PATH, headers=by(ASKER)) for _ in range(12)))
    assert sorted(answer.status_code for answer in answers) == [200, *[410] * 11]


async def test_an_approver_sees_what_is_asked_and_looking_consumes_nothing(client: Client, house: House) -> None:
    await house.store.hold(HELD)
    terms = {
        "approval": ID,
        "status": "pending",
        "expires": 2000,
        "tools": ["send_email"],
        "url": PATH,
        "requested_by": "asker",
        "model": "m",
        "dialect": "split",
        "request_digest": "d" * 64,
        "rules": ["egress"],
        "revision": REVISION,
        "created": 1000,
        "calls": [{"name": "send_email", "arguments": '{"to":"planted-argument"}'}],
        "decided_by": None,
        "reason": None,
    }
    async with client() as http:
        for _ in range(2):
            seen = await http.get(PATH, params={"view": "terms"}, headers=by(BOSS))
            assert (seen.status_code, seen.json()) == (200, terms)
        await http.post(PATH, headers=by(CHIEF), json=YES)
        decided = terms | {"status": "approved", "decided_by": "chief", "reason": YES["reason"]}
        assert (await http.get(PATH, params={"view": "terms"}, headers=by(BOSS))).json() == decided
        assert (await http.get(PATH, headers=by(ASKER))).status_code == 200
        over = (await http.get(PATH, params={"view": "terms"}, headers=by(BOSS))).json()
    assert (over["status"], over["calls"]) == ("consumed", [{"name": "send_email", "arguments": ""}])


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("sk-planted/name", "sk-planted/name"),
        ("planted \u202e name", '"planted \\u202e name"'),
        ("x " * 500, '"' + "x " * 127 + "x…"),
    ],
)
async def test_a_name_that_nobody_offered_is_shown_to_the_approver_alone(
    client: Client, house: House, name: str, shown: str
) -> None:
    odd = replace(CALL, name=name)
    reply = replace(REPLY, choices=(replace(REPLY.choices[0], tool_calls=(odd,)),))
    approval = replace(HELD.approval, calls=(odd,), tools=("tool_call",))
    await house.store.hold(replace(HELD, approval=approval, reply=reply))
    async with client() as http:
        waiting = await http.get(PATH, headers=by(ASKER))
        assert waiting.json()["tools"] == ["tool_call"]
        assert name not in waiting.text
        terms = (await http.get(PATH, params={"view": "terms"}, headers=by(BOSS))).json()
        assert (terms["tools"], terms["calls"]) == (["tool_call"], [{"name": shown, "arguments": odd.arguments}])
        await http.post(PATH, headers=by(BOSS), json=NO)
        assert (await http.get(PATH, params={"view": "terms"}, headers=by(BOSS))).json()["calls"] == [
            {"name": "tool_call", "arguments": ""}
        ]


async def test_what_was_denied_is_refused_for_good(client: Client, house: House) -> None:
    await house.store.hold(HELD)
    async with client() as http:
        assert (await http.post(PATH, headers=by(BOSS), json=NO)).json()["status"] == "denied"
        assert problem(await http.get(PATH, headers=by(ASKER))) == (403, "approval_denied")
        assert problem(await http.post(PATH, headers=by(CHIEF), json=YES)) == (400, "approval_decided")
        assert problem(await http.get(PATH, headers=by(ASKER))) == (403, "approval_denied")


async def test_the_first_decision_stands(client: Client, house: House) -> None:
    await house.store.hold(HELD)
    async with client() as http:
        await http.post(PATH, headers=by(BOSS), json=YES)
        assert problem(await http.post(PATH, headers=by(CHIEF), json=NO)) == (400, "approval_decided")
        assert (await http.get(PATH, headers=by(ASKER))).status_code == 200
        assert problem(await http.post(PATH, headers=by(CHIEF), json=NO)) == (400, "approval_decided")


async def test_nobody_decides_on_what_their_own_key_asked_for_nor_sees_it_before(client: Client, house: House) -> None:
    await house.store.hold(replace(HELD, approval=replace(HELD.approval, key="boss")))
    async with client() as http:
        assert problem(await http.post(PATH, headers=by(BOSS), json=YES)) == (403, "not_an_approver")
        assert problem(await http.get(PATH, params={"view": "terms"}, headers=by(BOSS))) == (403, "not_an_approver")
        assert (await http.get(PATH, headers=by(BOSS))).status_code == 202
        assert (await http.post(PATH, headers=by(CHIEF), json=YES)).status_code == 200
        assert (await http.get(PATH, headers=by(BOSS))).status_code == 200


@pytest.mark.parametrize("caller", [ASKER, PEER])
async def test_a_key_that_is_no_approvers_decides_nothing_and_sees_no_terms(
    client: Client, house: House, caller: Caller
) -> None:
    await house.store.hold(HELD)
    async with client() as http:
        for path in (PATH, "/v1/approvals/other"):
            assert problem(await http.post(path, headers=by(caller), json=YES)) == (403, "not_an_approver")
            looked = await http.get(path, params={"view": "terms"}, headers=by(caller))
            assert problem(looked) == (403, "not_an_approver")
        assert (await http.get(PATH, headers=by(ASKER))).status_code == 202


@pytest.mark.parametrize("caller", [STRANGER, NAMESAKE])
async def test_of_another_tenants_approvals_nothing_is_known(client: Client, house: House, caller: Caller) -> None:
    await house.store.hold(HELD)
    async with client((ASKER, BOSS, caller)) as http:
        await http.post(PATH, headers=by(BOSS), json=YES)
        unknown = await http.get("/v1/approvals/other", headers=by(caller))
        for answer in (
            await http.get(PATH, headers=by(caller)),
            await http.get(PATH, params={"view": "terms"}, headers=by(caller)),
            await http.post(PATH, headers=by(caller), json=YES),
        ):
            assert problem(answer) == (404, "approval_not_found")
            assert answer.content == unknown.content
        assert (await http.get(PATH, headers=by(ASKER))).status_code == 200


@pytest.mark.parametrize("caller", [PEER, BOSS])
async def test_the_answer_goes_to_the_key_that_asked_and_to_no_other(
    client: Client, house: House, caller: Caller
) -> None:
    await house.store.hold(HELD)
    async with client() as http:
        await http.post(PATH, headers=by(BOSS), json=YES)
        assert problem(await http.get(PATH, headers=by(caller))) == (404, "approval_not_found")
        assert (await http.get(PATH, headers=by(ASKER))).status_code == 200


async def test_whoever_may_call_no_model_any_more_gets_no_answer_of_one(client: Client, house: House) -> None:
    await house.store.hold(HELD)
    async with client([replace(ASKER, roles=frozenset({Role.APPROVER, Role.ADMIN})), BOSS]) as http:
        await http.post(PATH, headers=by(BOSS), json=YES)
        assert problem(await http.get(PATH, headers=by(ASKER))) == (403, "forbidden")
    async with client() as http:
        assert (await http.get(PATH, headers=by(ASKER))).status_code == 200


async def test_who_decided_by_a_token_is_recorded_so(client: Client, house: House) -> None:
    await house.store.hold(HELD)
    async with client([replace(BOSS, method="oidc")]) as http:
        assert (await http.post(PATH, headers=by(BOSS), json=YES)).status_code == 200
    ((_, fields),) = house.events.told
    assert fields["actor"] == {"key": "boss", "tenant": "t", "method": "oidc"}


async def test_without_a_key_nothing_is_told(client: Client, house: House) -> None:
    await house.store.hold(HELD)
    async with client() as http:
        assert problem(await http.get(PATH)) == (401, "invalid_api_key")
        assert problem(await http.post(PATH, json=YES)) == (401, "invalid_api_key")


@pytest.mark.parametrize("holder", ["anonymous", "somebody"])
async def test_while_no_keys_are_configured_nobody_approves(client: Client, house: House, holder: str) -> None:
    approval = replace(HELD.approval, tenant=ANONYMOUS.tenant, key=holder)
    await house.store.hold(replace(HELD, approval=approval))
    async with client(()) as http:
        refused = await http.post(PATH, json=YES)
        assert problem(refused) == (403, "not_an_approver")
        assert "role `approver`" in refused.json()["detail"]
        assert problem(await http.get(PATH, params={"view": "terms"})) == (403, "not_an_approver")
        foreign = await http.get(PATH, headers={"origin": "https://evil.example"})
        assert problem(foreign) == (403, "foreign_origin")
    assert (await house.store.look(ID, "local")).status is ApprovalStatus.PENDING


async def test_an_answer_expires_whether_approved_or_not(client: Client, house: House) -> None:
    await house.store.hold(HELD)
    await house.store.hold(replace(HELD, approval=replace(HELD.approval, id="a2")))
    async with client() as http:
        await http.post(PATH, headers=by(BOSS), json=YES)
        house.now = 2000.5
        for path in (PATH, "/v1/approvals/a2"):
            assert problem(await http.get(path, headers=by(ASKER))) == (410, "approval_gone")
            assert problem(await http.post(path, headers=by(BOSS), json=YES)) == (410, "approval_gone")


async def test_a_yes_under_other_policies_is_void_also_when_they_come_back(client: Client, house: House) -> None:
    await house.store.hold(HELD)
    async with client() as http:
        await http.post(PATH, headers=by(BOSS), json=YES)
        house.revision = "sha256:2"
        refused = await http.get(PATH, headers=by(ASKER))
        assert problem(refused) == (410, "approval_gone")
        assert "policies" in refused.json()["detail"]
        house.revision = REVISION
        assert problem(await http.get(PATH, headers=by(ASKER))) == (410, "approval_gone")
        assert problem(await http.post(PATH, headers=by(BOSS), json=YES)) == (410, "approval_gone")


async def test_while_no_policies_are_in_force_nothing_is_handed_out(client: Client, house: House) -> None:
    await house.store.hold(HELD)
    async with client() as http:
        await http.post(PATH, headers=by(BOSS), json=YES)
        house.revision = None
        assert problem(await http.get(PATH, headers=by(ASKER))) == (503, "policies_not_loaded")
        house.revision = REVISION
        assert (await http.get(PATH, headers=by(ASKER))).status_code == 200


async def test_an_answer_in_a_dialect_that_is_gone_is_kept(client: Client, house: House) -> None:
    await house.store.hold(HELD)
    async with client(dialects=["openai_chat"]) as http:
        await http.post(PATH, headers=by(BOSS), json=YES)
        assert problem(await http.get(PATH, headers=by(ASKER))) == (503, "approvals_unavailable")
    async with client() as http:
        assert (await http.get(PATH, headers=by(ASKER))).status_code == 200


async def test_a_store_that_is_down_releases_nothing_and_decides_nothing(client: Client, house: House) -> None:
    await house.store.hold(HELD)
    house.store = SqliteApprovals(house.file, lambda: house.now, patience_s=0.05)
    async with client() as http:
        await http.post(PATH, headers=by(BOSS), json=YES)
        with closing(sqlite3.connect(house.file, isolation_level=None)) as connection:
            connection.execute("BEGIN IMMEDIATE")
            for answer in (
                await http.get(PATH, headers=by(ASKER)),
                await http.get(PATH, params={"view": "terms"}, headers=by(BOSS)),
                await http.post(PATH, headers=by(BOSS), json=NO),
            ):
                assert problem(answer) == (503, "approvals_unavailable")
            connection.execute("ROLLBACK")
        assert (await http.get(PATH, headers=by(ASKER))).status_code == 200


async def test_a_head_request_consumes_nothing(client: Client, house: House) -> None:
    await house.store.hold(HELD)
    async with client() as http:
        await http.post(PATH, headers=by(BOSS), json=YES)
        for method in ("HEAD", "PUT", "DELETE"):
            answer = await http.request(method, PATH, headers=by(ASKER))
            assert answer.status_code == 405
            assert {"GET", "POST"} <= set(answer.headers["allow"].replace(" ", "").split(","))
        assert (await http.get(PATH, headers=by(ASKER))).status_code == 200


@pytest.mark.parametrize(
    ("query", "code", "param"),
    [
        ("veiw=terms", "unknown_field", "query"),
        ("view=terms&a=b", "unknown_field", "query"),
        ("view=term", "invalid_field", "view"),
        ("view=", "invalid_field", "view"),
        ("view=terms&view=terms", "invalid_field", "view"),
    ],
)
async def test_a_misspelt_view_consumes_nothing(
    client: Client, house: House, query: str, code: str, param: str
) -> None:
    await house.store.hold(HELD)
    async with client() as http:
        await http.post(PATH, headers=by(BOSS), json=YES)
        refused = await http.get(f"{PATH}?{query}", headers=by(ASKER))
        assert (problem(refused), refused.json()["param"]) == ((400, code), param)
        assert (await http.get(PATH, headers=by(ASKER))).status_code == 200


@pytest.mark.parametrize("id_", ["a" * 65, "a.b", "%ED%A0%80", "a%00", "%F0%9F%94%91", "a%0A", "' OR 1=1 --"])
async def test_what_is_no_id_is_unknown(client: Client, id_: str) -> None:
    async with client() as http:
        path = f"/v1/approvals/{id_}"
        assert problem(await http.get(path, headers=by(ASKER))) == (404, "approval_not_found")
        assert problem(await http.post(path, headers=by(BOSS), json=YES)) == (404, "approval_not_found")


@pytest.mark.parametrize(
    ("wish", "code", "param"),
    [
        ({}, "invalid_field", "decision"),
        ({"reason": "why"}, "invalid_field", "decision"),
        ({"decision": "approve"}, "invalid_field", "reason"),
        ({"decision": "deny"}, "invalid_field", "reason"),
        ({"decision": "Approve", "reason": "why"}, "invalid_field", "decision"),
        ({"decision": True, "reason": "why"}, "invalid_field", "decision"),
        ({"decision": ["approve"], "reason": "why"}, "invalid_field", "decision"),
        ({"decision": "approve", "reason": ""}, "invalid_field", "reason"),
        ({"decision": "approve", "reason": " \n "}, "invalid_field", "reason"),
        ({"decision": "approve", "reason": "x" * 501}, "invalid_field", "reason"),
        ({"decision": "approve", "reason": 1}, "invalid_field", "reason"),
        ({"decision": "approve", "reason": None}, "invalid_field", "reason"),
        ({"decision": "approve", "reason": "why", "all": True}, "unknown_field", "all"),
        ([], "malformed_body", None),
    ],
)
async def test_a_wish_that_is_not_exactly_one_decides_nothing(
    client: Client, house: House, wish: object, code: str, param: str | None
) -> None:
    await house.store.hold(HELD)
    async with client() as http:
        refused = await http.post(PATH, headers=by(BOSS), json=wish)
    assert (problem(refused), refused.json().get("param")) == ((400, code), param)
    assert (await house.store.look(ID, "t")).status is ApprovalStatus.PENDING


async def test_a_body_that_is_no_json_ambiguous_or_too_large_decides_nothing(client: Client, house: House) -> None:
    await house.store.hold(HELD)
    json_type = {"content-type": "application/json"}
    async with client() as http:
        form = await http.post(PATH, headers=by(BOSS), data=YES)
        twice = b'{"decision":"deny","decision":"approve","reason":"why"}'
        ambiguous = await http.post(PATH, headers=by(BOSS) | json_type, content=twice)
        large = await http.post(PATH, headers=by(BOSS), json={**YES, "reason": "x" * 9000})
    assert (form.status_code, ambiguous.status_code, large.status_code) == (415, 400, 413)
    assert (await house.store.look(ID, "t")).status is ApprovalStatus.PENDING


async def test_a_reason_of_one_character_and_of_five_hundred_will_do(client: Client, house: House) -> None:
    await house.store.hold(HELD)
    await house.store.hold(replace(HELD, approval=replace(HELD.approval, id="a2")))
    async with client() as http:
        for path, reason in ((PATH, " x "), ("/v1/approvals/a2", "x" * 500)):
            answer = await http.post(path, headers=by(BOSS), json={"decision": "deny", "reason": reason})
            assert answer.status_code == 200
    assert (await house.store.look(ID, "t")).reason == "x"


async def test_decisions_hand_outs_and_voids_are_audited_without_arguments_or_text(
    client: Client, house: House, audit: Callable[[], list[dict[str, object]]]
) -> None:
    await house.store.hold(HELD)
    odd = replace(CALL, name="planted text in place of a name")
    reply = replace(REPLY, choices=(replace(REPLY.choices[0], tool_calls=(odd,)),))
    for id_ in ("a2", "a3"):
        approval = replace(HELD.approval, id=id_, calls=(odd,), tools=(odd.name,))
        await house.store.hold(replace(HELD, approval=approval, reply=reply))
    async with client() as http:
        await http.post(PATH, headers=by(BOSS), json=YES)
        await http.post(PATH, headers=by(CHIEF), json=NO)
        await http.get(PATH, headers=by(ASKER))
        await http.get(PATH, headers=by(ASKER))
        await http.post("/v1/approvals/a2", headers=by(CHIEF), json=NO)
        await http.post("/v1/approvals/a3", headers=by(CHIEF), json=YES)
        house.revision = "sha256:2"
        await http.get("/v1/approvals/a3", headers=by(ASKER))
    common = {"tenant": "t", "rules": ["egress"]}
    named, unnamed = {"tools": ["send_email"]}, {"tools": ["(no tool's name)"]}
    assert audit() == [
        {**common, **named, "event": "approval.decided", "id": ID, "by": "boss", "decision": "approved"},
        {**common, **named, "event": "approval.handed_out", "id": ID, "by": "asker", "decision": "consumed"},
        {**common, **unnamed, "event": "approval.decided", "id": "a2", "by": "chief", "decision": "denied"},
        {**common, **unnamed, "event": "approval.decided", "id": "a3", "by": "chief", "decision": "approved"},
        {**common, **unnamed, "event": "approval.voided", "id": "a3", "by": "asker", "decision": "voided"},
    ]
