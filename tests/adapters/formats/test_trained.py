import pytest

from adapters.formats._trained import TRAINED, is_trained


@pytest.mark.rows
@pytest.mark.parametrize(
    ("form", "model"),
    [
        ("secalign", "facebook/Meta-SecAlign-8B"),
        ("secalign", "meta-secalign-70b"),
        ("secalign", "/models/Meta-SecAlign-8B/"),
        ("struq", "llama-7b_SpclSpclSpcl_NaiveCompletion_2024-02-02-00-00-00"),
        ("defensive-token", "Qwen2.5-7B-Instruct-5DefensiveTokens"),
    ],
)
def test_a_published_model_is_known_by_its_last_name(form: str, model: str) -> None:
    assert is_trained(form, model)


@pytest.mark.rows
@pytest.mark.parametrize(
    ("form", "model"),
    [
        ("secalign", "Meta-SecAlign-8B-finetuned"),
        ("secalign", "meta-llama/Llama-3.1-8B-Instruct"),
        ("secalign", "Qwen2.5-7B-Instruct-5DefensiveTokens"),
        ("struq", "mistralai/Mistral-7B-v0.1_SpclSpclSpcl_None_2024-07-20-01-59-11"),
        ("defensive-token", "Qwen/Qwen2.5-7B-Instruct"),
        ("spotlight", "facebook/Meta-SecAlign-8B"),
        ("secalign", ""),
    ],
)
def test_any_other_model_is_not(form: str, model: str) -> None:
    assert not is_trained(form, model)


def test_no_undefended_model_is_listed() -> None:
    for model in TRAINED["struq"]:
        assert "NaiveCompletion" in model
