import json
from collections.abc import Callable
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from typer.testing import Result

from gateway.configuration.packs import shipped

Splitgate = Callable[..., Result]
Write = Callable[..., str]

MISSPELT = {"det.injection.override": "det.injection.overide"}
UNTAGGED = {", tags: ['LLM06:2025']": ""}


def test_a_sound_policy_is_ok(splitgate: Splitgate, policy: Write) -> None:
    file = policy()
    result = splitgate("policy", "lint", file)
    assert (result.exit_code, result.stdout) == (0, f"{file}: OK — mine, 2 rules, 4 cases\n")


def test_all_problems_of_all_files_are_told_with_line_column_and_caret(splitgate: Splitgate, policy: Write) -> None:
    one, two = policy("one.yaml", MISSPELT), policy("two.yaml", {"action: block": "action: blok"})
    result = splitgate("policy", "lint", one, two)
    assert result.exit_code == 1
    assert f"{one}:7:59: " in result.stdout
    assert "did you mean `det.injection.override`?" in result.stdout
    assert result.stdout.count("^\n") == 3
    assert f"{two}:7:" in result.stdout
    assert f"{two}:9:" in result.stdout
    assert "2 of 2 files cannot be used as they are" in result.stdout


def test_warnings_are_told_and_fail_only_where_asked_for(splitgate: Splitgate, policy: Write) -> None:
    file = policy(changed=UNTAGGED)
    result = splitgate("policy", "lint", file)
    assert result.exit_code == 0
    assert f"{file}:9:7: warning: the rule `sends` has no `tags`" in result.stdout
    strict = splitgate("policy", "lint", "--strict", file)
    assert strict.exit_code == 1
    assert "refused (--strict): the rule `sends` has no `tags`" in strict.stdout


def test_a_folder_is_searched_for_policies(splitgate: Splitgate, policy: Write, tmp_path: Path) -> None:
    policy("pack/a/policy.yaml")
    policy("pack/b.yml", {"name: mine": "name: yours"})
    policy("pack/.hidden/c.yaml", MISSPELT)
    (tmp_path / "pack" / "README.md").write_text("no policy", encoding="utf-8")
    (tmp_path / "pack" / "other.yaml").write_text("controls: []", encoding="utf-8")
    result = splitgate("policy", "lint", str(tmp_path / "pack"))
    assert (result.exit_code, result.stdout.count(": OK")) == (0, 2)
    assert result.stderr == f"note: {tmp_path / 'pack' / 'other.yaml'} is no policy and was left out\n"


@pytest.mark.parametrize("pack", shipped())
def test_a_shipped_pack_goes_by_its_name(splitgate: Splitgate, pack: str) -> None:
    result = splitgate("policy", "lint", "--strict", pack)
    assert result.exit_code == 0, result.stdout


def test_stdin_is_a_file(splitgate: Splitgate, policy: Write) -> None:
    text = Path(policy(changed=MISSPELT)).read_text(encoding="utf-8")
    result = splitgate("policy", "lint", "-", stdin=text)
    assert result.exit_code == 1
    assert "<stdin>:7:59: " in result.stdout


def test_without_a_name_the_configurations_policies_are_meant(
    splitgate: Splitgate, policy: Write, tmp_path: Path
) -> None:
    file = policy(changed=MISSPELT)
    config = tmp_path / "splitgate.yaml"
    config.write_text(f"models: {{m: {{targets: [{{provider: embedded}}]}}}}\npolicies: {{paths: [{file}]}}\n", "utf-8")
    result = splitgate("policy", "lint")
    assert result.exit_code == 1
    assert f"{file}:7:59: " in result.stdout
    assert "baseline" in result.stdout


def test_one_name_for_two_files_is_a_warning(splitgate: Splitgate, policy: Write) -> None:
    one, two = policy("one.yaml"), policy("two.yaml")
    result = splitgate("policy", "lint", one, two)
    assert result.exit_code == 0
    assert f"{two}: warning: the name `mine` is that of {one} too" in result.stdout


def test_the_fallbacks_name_is_a_warning_for_any_other_file(splitgate: Splitgate, policy: Write) -> None:
    result = splitgate("policy", "lint", policy(changed={"name: mine": "name: baseline"}))
    assert "the name `baseline` is the shipped fallback's" in result.stdout
    assert "warning" not in splitgate("policy", "lint", "baseline").stdout


def test_credentials_need_not_be_there_unless_asked_for(splitgate: Splitgate, policy: Write) -> None:
    service = "{name: judge, kind: webhook, url: 'https://x.example/', key: 'env:NOT_HERE'}"
    file = policy(changed={"mode: enforce": f"mode: enforce\n  detectors: {{external: [{service}]}}"})
    assert splitgate("policy", "lint", file).exit_code == 0
    result = splitgate("policy", "lint", "--online", file)
    assert result.exit_code == 1
    assert "NOT_HERE is missing" in result.stdout


def test_json_has_the_places(splitgate: Splitgate, policy: Write) -> None:
    file = policy(changed={**MISSPELT, **UNTAGGED})
    good = policy("good.yaml", {"name: mine": "name: good", **UNTAGGED})
    result = splitgate("policy", "lint", "--format", "json", file, good)
    told = json.loads(result.stdout)
    assert (result.exit_code, told["ok"]) == (1, False)
    bad, sound = told["files"]
    assert (bad["file"], bad["ok"], bad["problems"][0]["line"], bad["problems"][0]["column"]) == (file, False, 7, 59)
    assert (sound["ok"], sound["problems"], sound["warnings"][0]["line"]) == (True, [], 9)
    assert sound["warnings"][0]["message"].startswith("the rule `sends` has no `tags`")


def test_junit_is_xml_with_a_failure_per_file(splitgate: Splitgate, policy: Write) -> None:
    file = policy(changed=MISSPELT)
    good = policy("good.yaml", {"name: mine": "name: good", **UNTAGGED})
    result = splitgate("policy", "lint", "--format", "junit", file, good)
    root = ET.fromstring(result.stdout.encode())  # noqa: S314 - our own output
    assert (root.attrib["tests"], root.attrib["failures"]) == ("2", "1")
    failures = root.findall("./testsuite/testcase/failure")
    assert [failure.text is not None and f"{file}:7:59: " in failure.text for failure in failures] == [True]
    assert "has no `tags`" in (root.findtext("./testsuite[@name='good']/testcase/system-out") or "")


def test_github_gets_annotations(splitgate: Splitgate, policy: Write) -> None:
    file = policy(changed={**MISSPELT, **UNTAGGED})
    good = policy("good, new.yaml", {"name: mine": "name: good", **UNTAGGED})
    lines = splitgate("policy", "lint", "--format", "github", file, good).stdout.splitlines()
    assert lines[0].startswith(f"::error file={file},line=7,col=59,title=lint::`det.injection.overide` is not known")
    assert lines[1].startswith(f"::warning file={good.replace(',', '%2C')},line=9,col=7,title=lint::the rule `sends`")
    assert lines[2] == "2 checked, 1 failed"


def test_what_is_no_file_folder_or_pack_is_refused_with_the_packs(splitgate: Splitgate) -> None:
    result = splitgate("policy", "lint", "nothing")
    assert result.exit_code == 2
    assert result.stderr == (
        f"error: there is no file, folder or shipped pack nothing; the packs are {', '.join(shipped())}\n"
    )


def test_a_folder_without_policies_is_refused(splitgate: Splitgate, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    result = splitgate("policy", "lint", "empty")
    assert (result.exit_code, "empty holds no policy file" in result.stderr) == (2, True)


def test_hostile_names_do_not_drive_the_terminal(splitgate: Splitgate, policy: Write) -> None:
    file = policy(changed={"action: block": 'action: "\\e[31mblock"'})
    for form in ("text", "junit", "github", "json"):
        assert "\x1b" not in splitgate("policy", "lint", "--format", form, file).stdout


def test_an_unknown_format_is_wrong_usage(splitgate: Splitgate, policy: Write) -> None:
    assert splitgate("policy", "lint", "--format", "xml", policy()).exit_code == 2


def test_the_schema_is_printed(splitgate: Splitgate) -> None:
    result = splitgate("policy", "schema")
    assert (result.exit_code, json.loads(result.stdout)["title"]) == (0, "Splitgate policy")
