"""Which policies do these files hold, and what is wrong with them?"""

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from gateway.activation.rehearse import external
from gateway.activation.sources import PolicyFile
from gateway.cli.told import WRONG, CommandFailed, say, shown
from gateway.detectors.build import vocabulary
from gateway.yamlfile.problems import InvalidConfiguration, Problem
from policies.engine.load import load_policy
from policies.engine.model import Policy


@dataclass(frozen=True, slots=True, kw_only=True)
class Read:
    """One file: its policy, or what keeps it from being one."""

    file: str
    policy: Policy | None = None
    problems: tuple[Problem, ...] = ()

    @property
    def warnings(self) -> tuple[str, ...]:
        """``file:line:column: …``, as lint has them beyond problems."""
        return () if self.policy is None else self.policy.warnings


def read(file: PolicyFile, *, offline: bool) -> Read:
    """Read one file; ``offline`` follows no reference to a credential."""
    try:
        policy = load_policy(file.file, file.raw, vocabulary, os.environ, offline=offline)
    except InvalidConfiguration as error:
        return Read(file=file.file, problems=error.problems)
    return Read(file=file.file, policy=policy)


def load(files: Iterable[PolicyFile], *, offline: bool) -> tuple[Policy, ...]:
    """The policies of all files, which are to be used together.

    Raises:
        CommandFailed: a file is no policy, which has been told, or two have one name.
    """
    everything = [read(file, offline=offline) for file in files]
    problems = [problem for one in everything for problem in one.problems]
    for problem in problems:
        say(shown(problem))
    if problems:
        some = "a problem" if len(problems) == 1 else f"{len(problems)} problems"
        raise CommandFailed(f"{some} in the policies; nothing was tried", code=WRONG)
    policies = tuple(one.policy for one in everything if one.policy is not None)
    same = namesakes(policies)
    if same:
        first, other = same[0]
        message = f"{other.file}: the name `{other.name}` is that of {first.file} too; try them one at a time"
        raise CommandFailed(message, code=WRONG)
    return policies


def namesakes(policies: Sequence[Policy]) -> list[tuple[Policy, Policy]]:
    """Policies that cannot be in force together, since they have one name."""
    first: dict[str, Policy] = {}
    pairs = [(first.setdefault(policy.name, policy), policy) for policy in policies]
    return [(one, other) for one, other in pairs if one is not other]


def unasked(policies: Iterable[Policy], *, ask: bool) -> Mapping[tuple[str, str], str]:
    """By policy and rule id: the detectors that a rule rests on and that were not asked."""
    return {
        (policy.name, rule.id): ", ".join(f"det.{name}" for name in sorted(services))
        for policy in policies
        for rule in policy.rules
        if not ask and (services := rule.when.detectors & external(policy))
    }


def tell_unasked(policies: Iterable[Policy], *, ask: bool) -> None:
    """Say which rules rest on what was not asked, so that nobody takes their silence for an answer."""
    by_detector: dict[tuple[str, str], list[str]] = {}
    for (policy, rule), names in unasked(policies, ask=ask).items():
        by_detector.setdefault((policy, names), []).append(rule)
    for (policy, names), rules in by_detector.items():
        say(f"note: {policy}: not asked: {names} (--ask asks); what rests on that: {', '.join(rules)}")
