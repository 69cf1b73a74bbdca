"""How does a held reply stand in a row, and is what is read there still what was written?

A seal binds the terms that an approver sees to the text that is handed out. The rule: what does not match is damaged,
and is no reply.
"""

import hashlib
import hmac
from collections.abc import Sequence
from typing import Final, TypeAlias

from gateway.domain.approval import Approval, ApprovalStatus, HeldReply
from gateway.domain.errors import ApprovalsUnavailable
from gateway.domain.prompt import ToolCall
from gateway.stores._held_json import (
    UnreadableError,
    read_calls,
    read_held,
    read_words,
    write_calls,
    write_held,
    write_words,
)

_FIXED: Final = "id, tenant, key, dialect, model, request_digest, tools, rules, revision, created, expires, calls"
# `calls` and `held` are taken away once nobody may have them any more; `tools`, the names, stay.
COLUMNS: Final = f"{_FIXED}, status, decided_by, reason"
NEW_COLUMNS: Final = f"{_FIXED}, held, seal"

_Fixed: TypeAlias = tuple[str, str, str, str, str, str, str, str, str, float, float, bytes | None]
Row: TypeAlias = tuple[*_Fixed, str, str | None, str | None]
NewRow: TypeAlias = tuple[*_Fixed, bytes, bytes]


def new_row(held: HeldReply, most_bytes: int) -> NewRow:
    """What ``NEW_COLUMNS`` get.

    Raises:
        ApprovalsUnavailable: it cannot be written without loss, or in ``most_bytes``, or its terms are not its own.
    """
    of = held.approval
    if of.calls != tuple([call for choice in held.reply.choices for call in choice.tool_calls]):
        raise ApprovalsUnavailable("this answer cannot be held: its calls are not those to be approved; report it")
    try:
        text, calls = write_held(held.reply, held.handling), write_calls(of.calls)
        tools, rules, seal = write_words(of.tools), write_words(of.rules), _seal(of, text)
    except UnreadableError as error:
        raise ApprovalsUnavailable(f"this answer cannot be held for approval: {error}; report it") from error
    if len(text) + len(calls) > most_bytes:
        raise ApprovalsUnavailable(
            f"this answer is too large to be held for approval, over {most_bytes} bytes; ask for less"
        )
    names = (of.id, of.tenant, of.key, of.dialect, of.model, of.request_digest)
    return (*names, tools, rules, of.revision, of.created, of.expires, calls, text, seal)


def approval_of(row: Row) -> Approval:
    """The terms in ``COLUMNS``.

    Raises:
        ApprovalsUnavailable: the row is damaged.
    """
    id_, tenant, key, dialect, model, digest, tools, rules, revision, created, expires, calls, status, by, reason = row
    try:
        names = read_words(tools)
        return Approval(
            id=id_,
            tenant=tenant,
            key=key,
            dialect=dialect,
            model=model,
            request_digest=digest,
            calls=_names(names) if calls is None else read_calls(calls),
            tools=names,
            rules=read_words(rules),
            revision=revision,
            created=created,
            expires=expires,
            status=ApprovalStatus(status),
            decided_by=by,
            reason=reason,
        )
    except ValueError:
        # The messages of some name the value.
        raise _damaged() from None


def held_of(approval: Approval, text: bytes | None, seal: bytes) -> HeldReply:
    """The reply that was held on these terms.

    Raises:
        ApprovalsUnavailable: this is not it.
    """
    if text is None:
        raise _damaged()
    try:
        reply, handling = read_held(text)
    except UnreadableError:
        raise _damaged() from None
    if not hmac.compare_digest(seal, _seal(approval, text)):
        raise _damaged()
    return HeldReply(approval=approval, reply=reply, handling=handling)


def _names(tools: Sequence[str]) -> tuple[ToolCall, ...]:
    return tuple([ToolCall(id="", name=name, arguments="") for name in tools])


def _seal(of: Approval, text: bytes) -> bytes:
    names = (of.id, of.tenant, of.key, of.dialect, of.model, of.request_digest, of.revision, *of.rules)
    times = (float(of.created).hex(), float(of.expires).hex())
    hashed = hashlib.sha256()
    for part in (write_words((*names, *times)).encode(), write_words(of.tools).encode(), write_calls(of.calls), text):
        # Lengths keep ("ab", "c") and ("a", "bc") apart.
        hashed.update(len(part).to_bytes(8, "big"))
        hashed.update(part)
    return hashed.digest()


def _damaged() -> ApprovalsUnavailable:
    return ApprovalsUnavailable("what was held for approval is damaged; send the request again, and tell the operator")
