import asyncio
import threading
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Protocol

import pytest

from gateway.activation.activate import Activation
from gateway.activation.assemble import Engine
from gateway.activation.state_folder import StateFolder
from gateway.domain.errors import PoliciesNotLoaded, PoliciesRejected
from policies.engine.model import Policy


class Site(Protocol):
    packs: Path
    policies: Path
    state: Path
    engine: Engine
    paths: list[Path]

    def folder(self) -> StateFolder: ...
    def worker(
        self, *, watch: bool = False, engine: Engine | None = None, retired_for_s: float = 60.0
    ) -> Activation: ...


PolicyText = Callable[..., str]
Eventually = Callable[[Callable[[], bool]], Awaitable[None]]


def names(worker: Activation) -> list[str]:
    return [policy.name for policy in worker.state().policies]


class Closable(Protocol):
    closed: bool


def scanner_of(worker: Activation) -> Closable:
    return worker.in_force().scanner  # pyright: ignore[reportReturnType] — the fixture's


def break_it(site: Site) -> None:
    (site.policies / "mail.yaml").write_text("apiVersion: splitgate/v1\nkind: Polcy\n")


async def test_the_files_are_in_force_after_the_start(site: Site) -> None:
    worker = site.worker()
    assert not worker.ready
    with pytest.raises(PoliciesNotLoaded):
        worker.in_force()
    async with worker:
        assert worker.ready
        state = worker.state()
        assert names(worker) == ["baseline", "mail"]
        assert state.revision == worker.in_force().ruleset.revision
        assert (state.source, state.last_error, state.activations, state.failures) == ("files", None, 1, 0)
        assert state.activated_at is not None


async def test_a_reload_puts_changed_files_in_force_and_leaves_a_request_its_own(
    site: Site, policy_text: PolicyText
) -> None:
    async with site.worker() as worker:
        before = worker.in_force()
        (site.policies / "more.yaml").write_text(policy_text("more"))
        state = await worker.reload()
        assert names(worker) == ["baseline", "mail", "more"]
        assert state.revision == worker.in_force().ruleset.revision != before.ruleset.revision
        assert [policy.name for policy in before.ruleset.policies] == ["baseline", "mail"]


async def test_a_failing_reload_changes_nothing_and_is_told(site: Site, policy_text: PolicyText) -> None:
    async with site.worker() as worker:
        before, activated_at = worker.in_force(), worker.state().activated_at
        break_it(site)
        with pytest.raises(PoliciesRejected, match=r"(?s)nothing was changed\. .*mail\.yaml:2:"):
            await worker.reload()
        assert worker.in_force() is before
        state = worker.state()
        assert state.last_error is not None
        assert "mail.yaml:2" in state.last_error
        assert state.last_error_at is not None
        assert (state.revision, state.activated_at) == (before.ruleset.revision, activated_at)
        assert (state.activations, state.failures) == (1, 1)
        (site.policies / "mail.yaml").write_text(policy_text("mail"))
        assert (await worker.reload()).last_error is None
        assert worker.in_force().ruleset.revision == before.ruleset.revision


async def test_a_policy_that_fails_its_own_case_is_never_put_in_force(site: Site, policy_text: PolicyText) -> None:
    async with site.worker() as worker:
        (site.policies / "mail.yaml").write_text(policy_text("mail", origin="phone", hit="email"))
        with pytest.raises(PoliciesRejected, match="case `hit` comes out as allow"):
            await worker.reload()
        assert worker.state().activations == 1


async def test_a_start_with_bad_files_uses_what_was_last_in_force_and_says_so(
    site: Site, policy_text: PolicyText
) -> None:
    async with site.worker() as worker:
        revision = worker.state().revision
    break_it(site)
    async with site.worker() as worker:
        state = worker.state()
        assert worker.ready
        assert (state.source, state.revision) == ("last_known_good", revision)
        assert state.last_error is not None
        assert "mail.yaml" in state.last_error
        assert worker.in_force().ruleset.revision == revision
        with pytest.raises(PoliciesRejected):
            await worker.reload()
        assert worker.state().source == "last_known_good"
        (site.policies / "mail.yaml").write_text(policy_text("mail", "phone"))
        await worker.reload()
        assert (worker.state().source, worker.state().last_error) == ("files", None)


async def test_files_that_failed_are_not_what_a_later_start_goes_back_to(site: Site) -> None:
    async with site.worker() as worker:
        revision = worker.state().revision
        break_it(site)
        with pytest.raises(PoliciesRejected):
            await worker.reload()
    async with site.worker() as worker:
        assert worker.state().revision == revision


async def test_a_first_start_with_bad_files_stays_unready_until_they_are_mended(
    site: Site, policy_text: PolicyText
) -> None:
    break_it(site)
    async with site.worker() as worker:
        assert not worker.ready
        assert worker.state().revision is None
        assert worker.state().last_error is not None
        with pytest.raises(PoliciesNotLoaded):
            worker.in_force()
        (site.policies / "mail.yaml").write_text(policy_text("mail"))
        await worker.reload()
        assert worker.ready


@pytest.mark.parametrize("part", ["policies-*.json", "activated.json"])
async def test_a_copy_that_was_tampered_with_is_refused(site: Site, part: str) -> None:
    async with site.worker():
        pass
    break_it(site)
    (path,) = site.state.glob(part)
    path.write_bytes(path.read_bytes().replace(b"a", b"b"))
    async with site.worker() as worker:
        assert not worker.ready
        error = worker.state().last_error
        assert error is not None
        assert "mail.yaml" in error
        assert "the copy of the policies last in force is damaged" in error


async def test_a_copy_of_another_revision_than_was_recorded_is_refused(site: Site) -> None:
    async with site.worker():
        pass
    break_it(site)
    record = site.state / "activated.json"
    record.write_bytes(record.read_bytes().replace(b"sha256:", b"sha256:0"))
    async with site.worker() as worker:
        assert not worker.ready
        assert "has another revision than was recorded" in (worker.state().last_error or "")


async def test_a_copy_that_the_engine_refuses_is_not_used(site: Site, engine: Engine) -> None:
    async with site.worker():
        pass
    break_it(site)

    def refuse(policies: Sequence[Policy]) -> tuple[object, object]:
        raise PoliciesRejected(f"no detectors for {len(policies)} policies")

    strict = replace(engine, build=refuse)  # pyright: ignore[reportArgumentType]
    async with site.worker(engine=strict) as worker:
        assert not worker.ready
        assert "the copy last in force: no detectors for 2 policies" in (worker.state().last_error or "")


async def test_where_no_copy_can_be_kept_policies_hold_all_the_same_and_it_is_said(site: Site) -> None:
    site.state.parent.mkdir()
    site.state.touch()
    async with site.worker() as worker:
        assert worker.ready
        assert worker.state().warnings[0].startswith("no copy of the policies is kept")


async def test_a_mistake_of_the_gateways_own_is_told_by_its_kind_alone_and_the_copy_serves(
    site: Site, engine: Engine
) -> None:
    calls = 0

    def fail_once(file: str, raw: bytes) -> Policy:
        nonlocal calls
        calls += 1
        if calls == 1:
            raise ZeroDivisionError("hunter2")
        return engine.load(file, raw)

    async with site.worker():
        pass
    async with site.worker(engine=replace(engine, load=fail_once)) as worker:
        assert worker.ready
        assert worker.state().source == "last_known_good"
        assert "(ZeroDivisionError); report it" in (worker.state().last_error or "")
        assert "hunter2" not in (worker.state().last_error or "")


async def test_loads_run_one_at_a_time_and_off_the_event_loop(site: Site, engine: Engine) -> None:
    running, most, threads = 0, 0, set[str]()

    def slow(file: str, raw: bytes) -> Policy:
        nonlocal running, most
        running += 1
        most = max(most, running)
        threads.add(threading.current_thread().name)
        threading.Event().wait(0.02)
        running -= 1
        return engine.load(file, raw)

    async with site.worker(engine=replace(engine, load=slow)) as worker:
        await asyncio.gather(*(worker.reload() for _ in range(4)))
    assert most == 1
    assert threading.main_thread().name not in threads
    assert worker.state().activations == 5


async def test_a_changed_file_is_put_in_force_by_itself(
    site: Site, policy_text: PolicyText, eventually: Eventually
) -> None:
    async with site.worker(watch=True) as worker:
        (site.policies / "more.yaml").write_text(policy_text("more"))
        await eventually(lambda: "more" in names(worker))
        break_it(site)
        await eventually(lambda: worker.state().last_error is not None)
        assert "more" in names(worker)
        (site.policies / "mail.yaml").unlink()
        await eventually(lambda: worker.state().last_error is None)
        assert names(worker) == ["baseline", "more"]
        (site.policies / "more.yaml").unlink()
        await eventually(lambda: "holds no policy file" in (worker.state().last_error or ""))
        assert names(worker) == ["baseline", "more"]


async def test_an_unready_worker_comes_round_when_its_folder_appears(
    site: Site, policy_text: PolicyText, eventually: Eventually
) -> None:
    late = site.policies.parent / "late"
    site.paths = [late]
    async with site.worker(watch=True) as worker:
        assert not worker.ready
        late.mkdir()
        (late / "a.yaml").write_text(policy_text("a"))
        await eventually(lambda: worker.ready)


async def test_a_configmaps_swap_is_followed(site: Site, policy_text: PolicyText, eventually: Eventually) -> None:
    mount = site.policies.parent / "mount"
    mount.mkdir()

    def version(name: str, text: str) -> None:
        """As the kubelet does it: a new folder, and one rename of a link."""
        (mount / name).mkdir()
        (mount / name / "p.yaml").write_text(text)
        (mount / "..data_tmp").symlink_to(name)
        (mount / "..data_tmp").rename(mount / "..data")

    version("..1", policy_text("first"))
    (mount / "p.yaml").symlink_to("..data/p.yaml")
    site.paths = [mount]
    async with site.worker(watch=True) as worker:
        assert names(worker) == ["baseline", "first"]
        version("..2", policy_text("second"))
        await eventually(lambda: names(worker) == ["baseline", "second"])


async def test_a_link_further_up_is_followed(site: Site, policy_text: PolicyText, eventually: Eventually) -> None:
    releases = site.policies.parent / "releases"
    for name in ("one", "two"):
        (releases / name / "policies").mkdir(parents=True)
        (releases / name / "policies" / "p.yaml").write_text(policy_text(name))
    (releases / "current").symlink_to("one")
    site.paths = [releases / "current" / "policies"]
    async with site.worker(watch=True) as worker:
        (releases / "next").symlink_to("two")
        (releases / "next").rename(releases / "current")
        await eventually(lambda: names(worker) == ["baseline", "two"])


async def test_a_file_that_was_touched_is_not_loaded_again(
    site: Site, policy_text: PolicyText, eventually: Eventually
) -> None:
    async with site.worker(watch=True) as worker:
        (site.policies / "mail.yaml").write_text(policy_text("mail"))
        await asyncio.sleep(1.0)
        assert worker.state().activations == 1
        (site.policies / "mail.yaml").write_text(policy_text("mail", "phone"))
        await eventually(lambda: worker.state().activations == 2)


async def test_without_watch_nothing_is_followed(site: Site, policy_text: PolicyText) -> None:
    async with site.worker() as worker:
        (site.policies / "more.yaml").write_text(policy_text("more"))
        await asyncio.sleep(0.8)
        assert names(worker) == ["baseline", "mail"]


async def test_a_break_glass_grant_is_seen_through_the_same_door(site: Site) -> None:
    async with site.worker() as worker:
        assert worker.bypass() is None
        await worker.break_glass.grant("a good enough reason", 5, "ops")
        assert worker.bypass() == "a good enough reason"


async def test_detectors_of_replaced_policies_are_ended_when_no_request_can_need_them(
    site: Site, eventually: Eventually
) -> None:
    async with site.worker() as worker:
        first = scanner_of(worker)
        await worker.reload()
        second = scanner_of(worker)
        assert (first.closed, second.closed) == (False, False)
    assert (first.closed, second.closed) == (True, True)
    async with site.worker(watch=True, retired_for_s=0.1) as worker:
        third = scanner_of(worker)
        await worker.reload()
        await eventually(lambda: third.closed)
        assert not scanner_of(worker).closed


async def test_detectors_that_cannot_be_ended_keep_nobody_from_anything(
    site: Site, engine: Engine, caplog: pytest.LogCaptureFixture
) -> None:
    async def fail(_: object) -> None:
        raise ZeroDivisionError("hunter2")

    async with site.worker(engine=replace(engine, close=fail)) as worker:
        await worker.reload()
    assert caplog.text.count("detectors could not be ended (ZeroDivisionError)") == 2
    assert "hunter2" not in caplog.text


async def test_a_reload_whose_asker_goes_away_is_seen_through(site: Site, policy_text: PolicyText) -> None:
    begun, go_on = threading.Event(), threading.Event()

    def slow(file: str, raw: bytes) -> Policy:
        begun.set()
        assert go_on.wait(10)
        return site.engine.load(file, raw)

    go_on.set()
    async with site.worker(engine=replace(site.engine, load=slow)) as worker:
        (site.policies / "more.yaml").write_text(policy_text("more"))
        begun.clear()
        go_on.clear()
        asked = asyncio.create_task(worker.reload())
        await asyncio.to_thread(begun.wait, 10)
        asked.cancel()
        go_on.set()
        with pytest.raises(asyncio.CancelledError):
            await asked
        assert names(worker) == ["baseline", "mail", "more"]
        assert (await worker.reload()).activations == 3
