from collections.abc import Callable
from dataclasses import replace
from typing import Protocol

import pytest

from gateway.activation.assemble import Engine, assemble
from gateway.activation.sources import PolicyFile, Sources
from gateway.yamlfile.problems import InvalidConfiguration
from policies.engine.ruleset import Asker


class Site(Protocol):
    engine: Engine

    def sources(self) -> Sources: ...


PolicyText = Callable[..., str]


@pytest.fixture
def files(policy_text: PolicyText) -> Callable[..., tuple[PolicyFile, ...]]:
    """A fallback, and files with these texts."""

    def make(*texts: str, listed: bool = True) -> tuple[PolicyFile, ...]:
        fallback = PolicyFile(
            file="baseline.yaml", raw=policy_text("baseline", "web").encode(), listed=listed, fallback=True
        )
        return (fallback, *(PolicyFile(file=f"f{n}.yaml", raw=text.encode()) for n, text in enumerate(texts)))

    return make


Files = Callable[..., tuple[PolicyFile, ...]]


def problems(files: tuple[PolicyFile, ...], engine: Engine) -> list[str]:
    with pytest.raises(InvalidConfiguration) as caught:
        assemble(files, engine)
    return [f"{problem.where}: {problem.message}" for problem in caught.value.problems]


def test_sound_files_become_a_ruleset_with_their_digests(files: Files, engine: Engine, policy_text: PolicyText) -> None:
    made = assemble(files(policy_text("mail")), engine)
    assert [(policy.name, policy.fallback, policy.listed) for policy in made.policies] == [
        ("baseline", True, True),
        ("mail", False, True),
    ]
    assert made.revision.startswith("sha256:")
    assert all(len(policy.digest) == 64 for policy in made.policies)


def test_a_fallback_that_is_not_listed_stands_only_where_nothing_else_matches(
    files: Files, engine: Engine, policy_text: PolicyText
) -> None:
    narrow = policy_text("mail").replace("spec:\n", "spec:\n  match: {tenants: [a]}\n", 1)
    ruleset = assemble(files(narrow, listed=False), engine).in_force.ruleset
    asker = Asker(tenant="a", key="k", model="m", route="split")
    assert ruleset.applicable(asker).names == ("mail",)
    assert ruleset.applicable(Asker(tenant="b", key="k", model="m", route="split")).names == ("baseline",)
    listed = assemble(files(narrow), engine).in_force.ruleset
    assert set(listed.applicable(asker).names) == {"baseline", "mail"}


def test_problems_of_all_files_are_told_at_once(files: Files, engine: Engine, policy_text: PolicyText) -> None:
    bad = policy_text("a").replace("mode: enforce", "mode: enforced")
    worse = policy_text("b").replace("severity: critical", "severity: dire")
    found = problems(files(bad, worse), engine)
    assert {problem.split(":")[0] for problem in found} == {"f0.yaml", "f1.yaml"}


def test_two_policies_of_one_name_are_refused(files: Files, engine: Engine, policy_text: PolicyText) -> None:
    (found,) = problems(files(policy_text("mail"), policy_text("mail", "web")), engine)
    assert found == "f1.yaml: the name `mail` is that of f0.yaml too; choose another"


def test_the_fallbacks_name_is_its_own(files: Files, engine: Engine, policy_text: PolicyText) -> None:
    (found,) = problems(files(policy_text("baseline")), engine)
    assert found == "f0.yaml: the name `baseline` is the shipped fallback's; choose another"


def test_a_policy_that_fails_its_own_case_is_refused_with_the_cases_line(
    files: Files, engine: Engine, policy_text: PolicyText
) -> None:
    (found,) = problems(files(policy_text("mail", hit="phone")), engine)
    assert found.startswith("f0.yaml:15: case `hit` comes out as allow; does not hit mail.origin; mend the rule")
    near = policy_text("mail").replace("origin: tool", "origin: email")
    (found,) = problems(files(near), engine)
    assert "comes out as block; hits mail.origin; comes too near to mail.origin" in found


def test_no_more_failures_are_told_than_anybody_reads(files: Files, engine: Engine, policy_text: PolicyText) -> None:
    many = [policy_text(f"p{number}", hit="phone") for number in range(30)]
    assert len(problems(files(*many), engine)) == 20


def test_the_texts_of_failing_cases_are_not_told(files: Files, engine: Engine, policy_text: PolicyText) -> None:
    secret = policy_text("mail", hit="phone").replace("text: x", "text: hunter2")
    assert "hunter2" not in "".join(problems(files(secret), engine))


def test_what_lint_says_beyond_errors_is_kept(files: Files, engine: Engine, policy_text: PolicyText) -> None:
    untagged = policy_text("mail").replace("      tags: [LLM01:2025]\n", "")
    made = assemble(files(untagged), replace(engine))
    assert len(made.warnings) == 1
    assert made.warnings[0].startswith("f0.yaml:")
