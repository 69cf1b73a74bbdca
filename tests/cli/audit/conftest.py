"""Journals as a gateway writes them: a request with its texts, one of which little is known, and its own records."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import pytest
from typer.testing import Result

from gateway.audit.content import reference_to, sealed
from gateway.audit.journal import Journal, Phase, Plan
from gateway.audit.keys import master_key, signing_keys
from gateway.audit.places import Places
from gateway.audit.subjects import SubjectKeys
from gateway.configuration.values import Settings
from gateway.settings import load

CONFIG = """state_dir: state
audit:
  dir: journals
  content: encrypted
models:
  local: {targets: [{provider: embedded}]}
"""
REQUEST, TRACE = "ab" * 16, "cd" * 16
DATA, ANSWER = "planted data so far", "planted answer to all"

Record: TypeAlias = tuple[Phase, dict[str, Any]]


@dataclass(frozen=True, kw_only=True)
class Recorded:
    """What was recorded, and where; ``write`` records more, in an epoch of its own."""

    config: Path
    settings: Settings
    places: Places
    pseudonym: str
    write: Callable[..., None]
    request: str = REQUEST
    data: str = DATA
    answer: str = ANSWER


@pytest.fixture
def audited(tmp_path: Path) -> Path:
    """A configuration whose gateway has not started yet."""
    path = tmp_path / "audited.yaml"
    path.write_text(CONFIG, encoding="utf-8")
    return path


@pytest.fixture
def recorded(audited: Path) -> Recorded:
    """The same after a gateway ran with it."""
    settings = load(audited, {})
    places = Places(settings.audit.dir)
    plan = Plan(
        folder=settings.audit.dir,
        name=settings.audit.name,
        keys=signing_keys((), settings.state_dir, settings.audit.name),
        process="worker",
        build="0.1.0",
        deadline_s=30.0,
    )

    def write(*records: Record) -> None:
        async def run() -> None:
            async with Journal(plan) as journal:
                for phase, fields in records:
                    await journal.write(phase, dict(fields))

        asyncio.run(run())

    subjects = SubjectKeys(places.subjects, master_key(None, settings.state_dir))
    asyncio.run(_write_all(plan, subjects))
    subjects.close()
    pseudonym = subjects.pseudonym("acme", "bob")
    return Recorded(config=audited, settings=settings, places=places, pseudonym=pseudonym, write=write)


@pytest.fixture
def verified(splitgate: Callable[..., Result], recorded: Recorded) -> Callable[[], Result]:
    """Verifies the journals by the key that their operator states."""
    key = recorded.places.public_key
    return lambda: splitgate("audit", "verify", str(recorded.places.root), "--key", str(key))


async def _write_all(plan: Plan, subjects: SubjectKeys) -> None:
    keys = await subjects.fetch("acme", "bob")
    common: dict[str, Any] = {
        "request": REQUEST, "trace": TRACE, "model": "local", "dialect": "split", "subject": keys.pseudonym,
        "actor": {"key": "app-1", "tenant": "acme", "method": "api_key"}, "revision": "sha256:1", "tainted": 1,
        "policies": [{"name": "base", "digest": "sha256:2", "mode": "enforce"}],
    }  # fmt: skip
    async with Journal(plan) as journal:

        async def write(phase: Phase, record: dict[str, Any], part: dict[str, Any], text: str) -> str:
            """A record with the content of one of its parts."""
            event, offset = journal.place()
            blob = sealed(keys, event, text.encode())
            part["blob"] = str(reference_to(offset, blob))
            return await journal.write(phase, record, blob)

        data = {
            "id": "s2", "channel": "data", "trust": "untrusted", "origin": "web", "length": len(DATA),
            "commitment": keys.commitment(DATA), "sent": keys.commitment("less"),
        }  # fmt: skip
        finding = {
            "policy": "base", "rule": "secrets", "stage": "data", "where": "s2", "action": "redact", "weight": "acts",
            "count": 2, "spans": [[3, 9], [12, 20]],
        }  # fmt: skip
        operator = {
            "id": "s1", "channel": "instruction", "trust": "operator", "origin": "client", "length": 7,
            "commitment": keys.commitment("planted"),
        }  # fmt: skip
        intent: dict[str, Any] = common | {
            "decision_id": f"{REQUEST}/in", "decision": "redact", "shadow": "block", "actions": ["redact"],
            "findings": [finding], "segments": [operator, data],
            "target": "t1", "upstream": "big", "format": "tool-envelope", "isolation": "channel", "attempt": 1,
        }  # fmt: skip
        event = await write("intent", intent, data, DATA)
        output: dict[str, Any] = {
            "channel": "text", "choice": 0, "length": len(ANSWER), "commitment": keys.commitment(ANSWER),
        }  # fmt: skip
        call = {"choice": 0, "name": "look_up", "length": 12, "arguments": keys.commitment("planted"), "tainted": 1}
        outcome: dict[str, Any] = common | {
            "decision_id": f"{REQUEST}/out", "decision": "allow", "findings": [], "intent": event, "status": 200,
            "output": [output], "calls": [call], "approval": "app-7", "finish": ["stop"],
            "stream": {"scanned": 9, "released": 8, "truncated": 0}, "usage": {"input": 10, "output": 5},
            "times": {"total": 1500, "gateway": 250},
        }  # fmt: skip
        await write("outcome", outcome, output, ANSWER)
        unknown = {"request": "ef" * 16, "actor": {"key": "app-2", "tenant": "other", "method": "api_key"}}
        await journal.write("outcome", {**unknown, "status": 404})
        for what in ("policies.loaded", "policies.kept", "policies.loaded"):
            await journal.write("config", {"what": what})
