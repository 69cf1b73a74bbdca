"""What does policy make of this request, and how does it come to that?

The live way up to the verdict. What a policy says of answers and of the model's calls can be tried with a text that
says where it stands, ``{"stage": "output", "text": …}``.
"""

import os
import time
from collections.abc import Sequence
from pathlib import Path

from gateway.activation.assemble import Instances
from gateway.activation.rehearse import scanning
from gateway.activation.sources import PolicyFile
from gateway.cli.callers import caller_named
from gateway.cli.policy.corpus import Entry, Reading, read_entry
from gateway.cli.policy.explain_view import as_json, show
from gateway.cli.policy.files import policy_files
from gateway.cli.policy.judge import Choose, Judge, as_written
from gateway.cli.policy.loaded import load, tell_unasked, unasked
from gateway.cli.policy.report import write_json
from gateway.cli.requests import read_bytes
from gateway.cli.told import NO, WRONG, CommandFailed
from gateway.cli.where import config_path
from gateway.dialects.body import parse_body
from gateway.settings import load as load_settings
from policies.engine.explain import explain as account_for
from policies.engine.model import Policy
from policies.engine.ruleset import Ruleset


def explain(
    path: Path,
    names: Sequence[str],
    config: Path | None,
    *,
    model: str | None,
    dialect: str,
    key: str | None,
    every: bool,
    ask: bool,
    written: str,
) -> int:
    """Print the account; the answer is the exit code: 1 where policy refuses.

    Raises:
        RequestError: the request would be refused before any policy is asked.
        CommandFailed: a file is not there, or is no policy.
    """
    settings = load_settings(config_path(config), os.environ, offline=True)
    entry = _entry(path, Reading(dialect=dialect, model=model))
    files = policy_files(names, config)
    policies = load(files, offline=not ask)
    with scanning(policies, ask=ask) as (scanner, instances):
        judge = Judge(
            choose=_chosen(files, policies, instances),
            scanner=scanner,
            caller=caller_named(settings, key),
            models=settings.models,
            now=time.time(),
        )
        standing, scanned = judge.look(entry)
        explanation = account_for(standing, scanned, judge.now)
    tell_unasked(policies, ask=ask)
    silent = unasked(policies, ask=ask)
    if written == "json":
        write_json(as_json(explanation, scanned, silent))
    else:
        show(explanation, scanned, silent, every=every)
    return NO if explanation.decision in {"block", "require_approval"} else 0


def _entry(path: Path, reading: Reading) -> Entry:
    try:
        return read_entry(parse_body(read_bytes(path)), reading)
    except ValueError as error:
        raise CommandFailed(f"{path}: {error}", code=WRONG) from error


def _chosen(files: Sequence[PolicyFile], policies: Sequence[Policy], instances: Instances) -> Choose:
    """As a gateway chooses with these files: from a configuration, the fallback stands where nothing else does."""
    listed = [policy for file, policy in zip(files, policies, strict=True) if file.listed]
    fallback = next((policy for file, policy in zip(files, policies, strict=True) if file.fallback), None)
    if fallback is None:
        return as_written(listed, instances)
    return Ruleset(listed, instances, fallback).applicable
