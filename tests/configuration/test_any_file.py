import json
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway.configuration.schema import SECTIONS
from gateway.settings import load
from gateway.yamlfile.problems import InvalidConfiguration
from gateway.yamlfile.source import read_source

KEYS = sorted({name for _, section in SECTIONS for name in section.model_fields} | {"m", "zzz", "<<"})
WORDS = ["wrapped", "embedded", "openai_compatible", "secalign", "http://h/v1", "{{a: data}}", "env:KEY", "user", "a"]

leaves = st.none() | st.booleans() | st.integers(-2, 99_999) | st.floats(-1, 2) | st.sampled_from(WORDS) | st.text()
documents = st.recursive(
    leaves,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(KEYS), inner, max_size=4),
    max_leaves=12,
)


@given(st.text(alphabet=st.sampled_from("ab:- \n\t[]{}&*!|>'\"#%,?@`0x.<~\x00é")))
def test_any_text_is_read_or_refused_with_a_place(text: str) -> None:
    problems = ()
    try:
        read_source("f.yaml", text.encode())
    except InvalidConfiguration as error:
        problems = error.problems
    assert all(problem.line and problem.message for problem in problems)


@given(st.dictionaries(st.sampled_from(["server", "keys", "keys_file", "auth", "models"]), documents, max_size=3))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_document_is_used_or_refused_with_a_place(tmp_path: Path, document: object) -> None:
    path = tmp_path / "splitgate.yaml"
    path.write_text(json.dumps(document), encoding="utf-8")
    problems = ()
    try:
        load(path, {"KEY": "sk-1"})
    except InvalidConfiguration as error:
        problems = error.problems
    assert all(problem.line and problem.message for problem in problems)


@pytest.mark.rows
@pytest.mark.parametrize("key", ["sk-hunter2", ["sk-hunter2"], {"value": "sk-hunter2"}, ["a", {"key": "sk-hunter2"}]])
def test_no_problem_beside_a_credential_shows_it(tmp_path: Path, key: object) -> None:
    path = tmp_path / "splitgate.yaml"
    target = {"provider": "openai_compatible", "base_url": 7, "api_key": key, "zzz": 1}
    path.write_text(json.dumps({"models": {"m": {"targets": [target]}}}), encoding="utf-8")
    with pytest.raises(InvalidConfiguration) as caught:
        load(path, {})
    assert "hunter2" not in str(caught.value)
    assert all("hunter2" not in (problem.excerpt or "") for problem in caught.value.problems)
