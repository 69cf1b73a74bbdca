"""Do these files make policies that can be put in force?

Read them all, give them detectors, run the cases that stand in them. Every problem of every file is told at once, and
nothing that failed a case of its own gets any further.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Protocol, TypeAlias

from gateway.activation.sources import PolicyFile
from gateway.domain.activation import ActivePolicy
from gateway.domain.ports import Scanner
from gateway.domain.value import value
from gateway.pipeline.in_force import InForce
from gateway.yamlfile.problems import InvalidConfiguration, Problem, refuse
from policies.engine.cases import CaseResult
from policies.engine.model import Policy
from policies.engine.ruleset import Ruleset

# By policy, then by the detector's name in conditions: the instance's key.
Instances: TypeAlias = Mapping[str, Mapping[str, str]]

# Problems beyond these are told by `splitgate policy test`.
_MOST_FAILURES = 20


class RunTests(Protocol):
    """Runs the cases of one policy's file, which sees its own ``instances`` of detectors, by their keys."""

    def __call__(self, policy: Policy, scanner: Scanner, instances: Mapping[str, str], /) -> Sequence[CaseResult]: ...


@value
class Engine:
    """The parts that this file puts in order; ``load`` raises ``InvalidConfiguration``.

    ``close`` ends what a scanner keeps running, once nobody needs it.
    """

    load: Callable[[str, bytes], Policy]
    build: Callable[[Sequence[Policy]], tuple[Scanner, Instances]]
    run_tests: RunTests
    close: Callable[[Scanner], Awaitable[None]]


@value
class Assembled:
    """What can be put in force, and what lint has to say of it."""

    in_force: InForce
    policies: tuple[ActivePolicy, ...]
    warnings: tuple[str, ...]

    @property
    def revision(self) -> str:
        """``sha256:…`` over names and digests of all policies."""
        return self.in_force.ruleset.revision


def assemble(files: Sequence[PolicyFile], engine: Engine) -> Assembled:
    """Make policies of ``files``, exactly one of which is the fallback.

    Raises:
        InvalidConfiguration: a file is no policy, two policies have one name, or a case fails; all of that is told.
    """
    loaded = _load(files, engine)
    _expect_own_names(loaded)
    policies = [policy for _, policy in loaded]
    scanner, instances = engine.build(policies)
    _expect_passed(policies, scanner, instances, engine.run_tests)
    ruleset = Ruleset(
        [policy for file, policy in loaded if file.listed],
        instances,
        next(policy for file, policy in loaded if file.fallback),
    )
    return Assembled(
        in_force=InForce(ruleset=ruleset, scanner=scanner),
        policies=tuple(_active(file, policy) for file, policy in loaded),
        warnings=tuple(warning for policy in policies for warning in policy.warnings),
    )


def _load(files: Sequence[PolicyFile], engine: Engine) -> list[tuple[PolicyFile, Policy]]:
    loaded: list[tuple[PolicyFile, Policy]] = []
    problems: list[Problem] = []
    for file in files:
        try:
            loaded.append((file, engine.load(file.file, file.raw)))
        except InvalidConfiguration as error:
            problems += error.problems
    if problems:
        refuse(problems)
    return loaded


def _expect_own_names(loaded: Sequence[tuple[PolicyFile, Policy]]) -> None:
    first: dict[str, PolicyFile] = {}
    problems: list[Problem] = []
    for file, policy in loaded:
        other = first.setdefault(policy.name, file)
        if other is not file:
            advice = "is the shipped fallback's" if other.fallback else f"is that of {other.file} too"
            problems.append(Problem(file=file.file, message=f"the name `{policy.name}` {advice}; choose another"))
    if problems:
        refuse(problems)


def _expect_passed(policies: Sequence[Policy], scanner: Scanner, instances: Instances, run_tests: RunTests) -> None:
    problems = [
        Problem(file=policy.file, line=result.case.line, message=_failure(result))
        for policy in policies
        for result in run_tests(policy, scanner, instances[policy.name])
        if not result.passed
    ]
    if problems:
        refuse(problems[:_MOST_FAILURES])


def _failure(result: CaseResult) -> str:
    parts = (
        ("comes out as", (result.decision,) if result.decision != result.case.expect.decision else ()),
        ("does not hit", result.missing),
        ("hits", result.unexpected),
        ("comes too near to", result.too_near),
        ("comes out with another", ("text",) if result.wrong_text is not None else ()),
    )
    said = "; ".join(f"{what} {', '.join(names)}" for what, names in parts if names)
    return f"case `{result.case.name}` {said}; mend the rule or the case (`splitgate policy test` shows all)"


def _active(file: PolicyFile, policy: Policy) -> ActivePolicy:
    return ActivePolicy(
        name=policy.name,
        file=policy.file,
        mode=policy.mode,
        digest=policy.digest,
        fallback=file.fallback,
        listed=file.listed,
    )
