"""What becomes of a held reply: the terms to which a yes belongs, its one hand-out, its end."""

import sqlite3
from collections.abc import Awaitable, Callable
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from gateway.domain.approval import Approval, ApprovalStatus, HeldReply
from gateway.domain.errors import ApprovalsUnavailable, UnknownApproval
from gateway.domain.exchange import Choice, Handling, Reply
from gateway.domain.ports import Approvals
from gateway.domain.prompt import ToolCall
from gateway.stores.approvals import KEEP_S, SqliteApprovals

HANDLING = Handling(
    request_id="r", model="m", created=1, isolation="channel", format="plain", target="t", decision="require_approval"
)
CALLS = (
    ToolCall(id="c1", name="send_email", arguments='{"to":"planted-argument"}'),
    ToolCall(id="c2", name="look_up", arguments="{}"),
)
REPLY = Reply(
    id="1",
    model="m",
    created=2,
    choices=(Choice(index=0, text="planted-text", finish_reason="tool_calls", tool_calls=CALLS),),
)
APPROVED, DENIED = ApprovalStatus.APPROVED, ApprovalStatus.DENIED
REVISION = "sha256:1"

Held = Callable[..., HeldReply]


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state" / "approvals.sqlite3"


@pytest.fixture
def store(path: Path, clock: Clock) -> SqliteApprovals:
    return SqliteApprovals(path, clock)


@pytest.fixture
def held() -> Held:
    def make(id_: str = "a1", tenant: str = "t", text: str = "planted-text", expires: float = 2000.0) -> HeldReply:
        approval = Approval(
            id=id_, tenant=tenant, key="asker", dialect="split", model="m", request_digest="d" * 64, calls=CALLS,
            tools=tuple([call.name for call in CALLS]),
            rules=("egress", "mail"), revision=REVISION, created=1000.0, expires=expires,
        )  # fmt: skip
        reply = replace(REPLY, choices=(replace(REPLY.choices[0], text=text),))
        return HeldReply(approval=approval, reply=reply, handling=HANDLING)

    return make


@pytest.fixture
def on_disk(path: Path) -> Callable[[], bytes]:
    """All bytes of the folder, as somebody finds them who takes the disk away."""
    return lambda: b"".join(file.read_bytes() for file in path.parent.iterdir())


async def test_it_is_what_the_pipeline_holds_replies_with(store: SqliteApprovals, held: Held) -> None:
    port: Approvals = store
    await port.hold(held())
    assert await store.look("a1", "t") == held().approval


async def test_an_approved_reply_is_handed_out_whole_and_once(store: SqliteApprovals, held: Held) -> None:
    await store.hold(held())
    decided = await store.decide("a1", "t", APPROVED, by="boss", reason="fine")
    assert decided is not None
    assert decided == replace(held().approval, status=APPROVED, decided_by="boss", reason="fine")
    taken = await store.take("a1", "t", "asker", REVISION)
    assert taken is not None
    assert (taken.reply, taken.handling) == (REPLY, HANDLING)
    assert taken.approval == replace(decided, status=ApprovalStatus.CONSUMED)
    assert await store.take("a1", "t", "asker", REVISION) is None
    assert (await store.look("a1", "t")).status is ApprovalStatus.CONSUMED


@pytest.mark.parametrize(
    "other",
    [
        ("a2", "t", "asker", REVISION),
        ("a1", "u", "asker", REVISION),
        ("a1", "t", "boss", REVISION),
        ("a1", "t", "asker", "sha256:2"),
        ("a1' OR '1'='1", "t", "asker", REVISION),
    ],
)
async def test_a_yes_is_for_its_own_id_tenant_key_and_revision(
    store: SqliteApprovals, held: Held, other: tuple[str, str, str, str]
) -> None:
    await store.hold(held())
    await store.decide("a1", "t", APPROVED, by="boss", reason="fine")
    assert await store.take(*other) is None
    assert await store.take("a1", "t", "asker", REVISION) is not None


async def test_what_waits_or_was_denied_is_not_handed_out(store: SqliteApprovals, held: Held) -> None:
    await store.hold(held())
    assert await store.take("a1", "t", "asker", REVISION) is None
    assert await store.decide("a1", "t", DENIED, by="boss", reason="no") is not None
    assert await store.take("a1", "t", "asker", REVISION) is None


@pytest.mark.parametrize("first", [APPROVED, DENIED])
@pytest.mark.parametrize("second", [APPROVED, DENIED])
async def test_the_first_decision_stands(
    store: SqliteApprovals, held: Held, first: ApprovalStatus, second: ApprovalStatus
) -> None:
    await store.hold(held())
    assert first is APPROVED or first is DENIED
    assert second is APPROVED or second is DENIED
    await store.decide("a1", "t", first, by="boss", reason="one")
    assert await store.decide("a1", "t", second, by="chief", reason="two") is None
    seen = await store.look("a1", "t")
    assert (seen.status, seen.decided_by, seen.reason) == (first, "boss", "one")


@pytest.mark.parametrize("status", [APPROVED, DENIED])
async def test_the_key_that_asked_decides_nothing(store: SqliteApprovals, held: Held, status: ApprovalStatus) -> None:
    assert status is APPROVED or status is DENIED
    await store.hold(held())
    assert await store.decide("a1", "t", status, by="asker", reason="mine") is None
    assert await store.decide("a1", "u", status, by="boss", reason="another tenant's") is None
    assert (await store.look("a1", "t")).status is ApprovalStatus.PENDING


async def test_another_tenants_approval_is_unknown(store: SqliteApprovals, held: Held) -> None:
    await store.hold(held())
    for id_, tenant in (("a1", "u"), ("a2", "t")):
        with pytest.raises(UnknownApproval):
            await store.look(id_, tenant)


@pytest.mark.parametrize("approved", [True, False])
async def test_an_approval_ends_at_its_expiry(
    store: SqliteApprovals, held: Held, clock: Clock, *, approved: bool
) -> None:
    await store.hold(held(expires=2000.0))
    if approved:
        await store.decide("a1", "t", APPROVED, by="boss", reason="fine")
    clock.now = 2000.0
    assert await store.decide("a1", "t", APPROVED, by="boss", reason="late") is None
    assert await store.take("a1", "t", "asker", REVISION) is None
    assert (await store.look("a1", "t")).status is ApprovalStatus.EXPIRED
    # A clock that is set back revives nothing.
    clock.now = 1000.0
    assert await store.take("a1", "t", "asker", REVISION) is None


async def test_just_before_its_expiry_a_reply_is_still_there(store: SqliteApprovals, held: Held, clock: Clock) -> None:
    await store.hold(held(expires=2000.0))
    clock.now = 1999.9
    assert await store.decide("a1", "t", APPROVED, by="boss", reason="fine") is not None
    assert await store.take("a1", "t", "asker", REVISION) is not None


async def test_what_was_held_under_other_policies_is_void_for_good(store: SqliteApprovals, held: Held) -> None:
    await store.hold(held())
    await store.decide("a1", "t", APPROVED, by="boss", reason="fine")
    await store.void("a1", "t", REVISION)
    assert (await store.look("a1", "t")).status is APPROVED
    await store.void("a1", "t", "sha256:2")
    assert (await store.look("a1", "t")).status is ApprovalStatus.VOIDED
    assert await store.take("a1", "t", "asker", REVISION) is None


async def _hand_out(store: SqliteApprovals, clock: Clock) -> None:
    del clock
    await store.decide("a1", "t", APPROVED, by="boss", reason="fine")
    assert await store.take("a1", "t", "asker", REVISION) is not None


async def _deny(store: SqliteApprovals, clock: Clock) -> None:
    del clock
    await store.decide("a1", "t", DENIED, by="boss", reason="no")


async def _void(store: SqliteApprovals, clock: Clock) -> None:
    del clock
    await store.void("a1", "t", "sha256:2")


async def _expire(store: SqliteApprovals, clock: Clock) -> None:
    clock.now = 2000.0
    await store.sweep()


@pytest.mark.parametrize("end", [_hand_out, _deny, _void, _expire])
async def test_nothing_of_the_text_is_left_on_the_disk_at_the_end(
    store: SqliteApprovals,
    held: Held,
    clock: Clock,
    on_disk: Callable[[], bytes],
    end: Callable[[SqliteApprovals, Clock], Awaitable[None]],
) -> None:
    text = "planted-text " * 2000
    await store.hold(held(text=text))
    assert b"planted-text" in on_disk()
    assert b"planted-argument" in on_disk()
    await end(store, clock)
    assert b"planted-text" not in on_disk()
    assert b"planted-argument" not in on_disk()
    seen = await store.look("a1", "t")
    assert (seen.tools, [call.arguments for call in seen.calls]) == (("send_email", "look_up"), ["", ""])


async def test_what_became_of_an_approval_is_known_for_a_day(store: SqliteApprovals, held: Held, clock: Clock) -> None:
    await store.hold(held(expires=2000.0))
    clock.now = 2000.0 + KEEP_S - 1
    assert (await store.look("a1", "t")).status is ApprovalStatus.EXPIRED
    clock.now = 2000.0 + KEEP_S
    with pytest.raises(UnknownApproval):
        await store.look("a1", "t")


async def test_so_many_replies_wait_for_each_tenant_and_no_more(path: Path, held: Held, clock: Clock) -> None:
    store = SqliteApprovals(path, clock, most_per_tenant=2)
    await store.hold(held("a1"))
    await store.hold(held("a2", expires=1500.0))
    with pytest.raises(ApprovalsUnavailable, match="decide on some"):
        await store.hold(held("a3"))
    await store.hold(held("b1", tenant="u"))
    # One that was approved still waits to be fetched; one that was denied makes room, as does one that expired.
    await store.decide("a1", "t", APPROVED, by="boss", reason="fine")
    with pytest.raises(ApprovalsUnavailable):
        await store.hold(held("a3"))
    clock.now = 1500.0
    await store.hold(held("a3"))
    await store.decide("a3", "t", DENIED, by="boss", reason="no")
    await store.hold(held("a4"))


async def test_a_reply_may_be_so_large_and_no_larger(path: Path, held: Held, clock: Clock) -> None:
    store = SqliteApprovals(path, clock, most_bytes=5000)
    await store.hold(held("a1", text="x" * 3000))
    with pytest.raises(ApprovalsUnavailable, match="5000 bytes"):
        await store.hold(held("a2", text="x" * 5000))
    with pytest.raises(UnknownApproval):
        await store.look("a2", "t")


async def test_a_reply_that_cannot_be_kept_without_loss_is_not_held(store: SqliteApprovals, held: Held) -> None:
    with pytest.raises(ApprovalsUnavailable, match="report it"):
        await store.hold(held(text="\ud800"))
    odd = held()
    with pytest.raises(ApprovalsUnavailable, match="report it"):
        await store.hold(replace(odd, approval=replace(odd.approval, rules=("\ud800",))))


async def test_an_approver_sees_the_calls_that_are_handed_out_or_nothing_is_held(
    store: SqliteApprovals, held: Held
) -> None:
    odd = held()
    harmless = (replace(CALLS[0], arguments='{"to":"boss"}'), CALLS[1])
    with pytest.raises(ApprovalsUnavailable, match="not those to be approved"):
        await store.hold(replace(odd, approval=replace(odd.approval, calls=harmless)))


async def test_an_id_is_held_once(store: SqliteApprovals, held: Held) -> None:
    await store.hold(held())
    with pytest.raises(ApprovalsUnavailable):
        await store.hold(held(text="another"))
    await store.decide("a1", "t", APPROVED, by="boss", reason="fine")
    taken = await store.take("a1", "t", "asker", REVISION)
    assert taken is not None
    assert taken.reply == REPLY


@pytest.mark.parametrize(
    "damage",
    [
        "SET held = CAST(replace(CAST(held AS TEXT), 'planted-text', 'altered-text') AS BLOB)",
        "SET held = NULL",
        "SET held = CAST('[]' AS BLOB)",
        "SET calls = CAST('[]' AS BLOB)",
        "SET calls = CAST('[1' AS BLOB)",
        "SET calls = NULL",
        "SET rules = '[\"other\"]'",
        "SET rules = '[1]'",
        "SET request_digest = 'other'",
        "SET model = 'other'",
        "SET expires = 3000.0",
        "SET seal = CAST('x' AS BLOB)",
    ],
)
async def test_a_row_that_is_damaged_is_never_handed_out(
    store: SqliteApprovals, held: Held, path: Path, damage: str
) -> None:
    await store.hold(held())
    await store.decide("a1", "t", APPROVED, by="boss", reason="fine")
    with closing(sqlite3.connect(path)) as connection:
        connection.execute(f"UPDATE approvals {damage}")
        connection.commit()
    with pytest.raises(ApprovalsUnavailable, match="damaged"):
        await store.take("a1", "t", "asker", REVISION)
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("SELECT status FROM approvals").fetchone() == ("approved",)


async def test_a_status_that_there_is_not_is_damage(store: SqliteApprovals, held: Held, path: Path) -> None:
    await store.hold(held())
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("UPDATE approvals SET status = 'approve'")
        connection.commit()
    with pytest.raises(ApprovalsUnavailable, match="damaged"):
        await store.look("a1", "t")
