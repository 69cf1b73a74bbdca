import re

import pytest

from adapters.formats._families import FAMILIES, family_for


@pytest.mark.rows
@pytest.mark.parametrize(
    ("model", "family"),
    [
        ("meta-llama/Llama-3.3-70B-Instruct", "llama3"),
        ("Llama-4-Scout-17B-16E", "llama3"),
        ("facebook/Meta-SecAlign-8B", "llama3"),
        ("meta-llama/Llama-2-7b-chat-hf", "llama2"),
        ("mistral-nemo", "mistral"),
        ("text-embedding-3-small", "openai"),
        ("text-embedding-ada-002", "openai"),
        ("Mixtral-8x7B-Instruct-v0.1", "mistral"),
        ("google/gemma-3-27b-it", "gemma"),
        ("Qwen/Qwen2.5-VL-7B-Instruct", "qwen"),
        ("openai/gpt-oss-20b", "harmony"),
        ("gpt-4o-mini", "openai"),
        ("o3", "openai"),
        ("o4-mini", "openai"),
        ("CohereForAI/c4ai-command-r-plus", "command-r"),
        ("ibm-granite/granite-3.3-8b-instruct", "granite"),
        ("deepseek-chat", "deepseek"),
        ("microsoft/Phi-4-mini-instruct", "phi"),
        ("struq-alpaca-7b", "struq"),
        ("Meta-Llama-3-8B-Instruct-5DefensiveTokens", "defensive-token"),
        ("SmolLM2-135M-Instruct", "smollm"),
        ("claude-sonnet-4-5-20250929", "claude"),
        ("us.anthropic.claude-opus-4-1-20250805-v1:0", "claude"),
        ("anthropic/claude-3.5-haiku", "claude"),
        ("HuggingFaceH4/zephyr-7b-beta", "finetune"),
        ("Hermes-2-Pro-Mistral-7B", "finetune"),
        ("openchat-3.6-8b", "finetune"),
        ("NVIDIA-Nemotron-Nano-9B-v2", "finetune"),
    ],
)
def test_a_telling_name_gives_its_family(model: str, family: str) -> None:
    assert family_for(model) == family


@pytest.mark.rows
@pytest.mark.parametrize(
    "model",
    ["DeepSeek-R1-Distill-Qwen-7B", "Qwen3-claude-distill", "himalaya-7b", "my-phi", "text-embedding-v4", ""],
)
def test_a_name_that_speaks_for_none_or_for_two_gets_every_token(model: str) -> None:
    assert family_for(model) == "all"


def test_all_holds_what_any_family_has_less_what_people_write_themselves() -> None:
    every = {token for name, tokens in FAMILIES.items() if name != "all" for token in tokens}
    left_out = every - set(FAMILIES["all"])
    assert set(FAMILIES["all"]) < every
    assert {"<s>", "</s>", "<unk>", "<mask>", "[ARGS]", "[IMG]", "[PREFIX]", "[control_0]", "<repo_name>"} <= left_out
    # Nothing that a template writes around a role, a turn, a tool's part or reasoning.
    spoken = re.compile(
        r"\||▁|role|turn|system|inst|sys|tool|call|function|think|resp|inpt|coln|start_of|end_of", re.IGNORECASE
    )
    assert not {token for token in left_out if spoken.search(token)} - {"[CALL_ID]"}


def test_no_list_repeats_a_token() -> None:
    for tokens in FAMILIES.values():
        assert len(set(tokens)) == len(tokens)
        assert all(token.strip() == token and len(token) > 2 for token in tokens)


def test_the_contract_names_these_families() -> None:
    assert set(FAMILIES) >= {
        *("chatml", "llama2", "llama3", "mistral", "gemma", "qwen", "harmony", "command-r", "granite", "deepseek"),
        *("phi", "struq", "defensive-token", "openai", "all"),
    }


def test_plain_text_role_markers_are_no_tokens() -> None:
    assert not {"User:", "Assistant:", "### Instruction:", "##", "Human:", "<filename>"} & set(FAMILIES["all"])


@pytest.mark.rows
@pytest.mark.parametrize(
    ("family", "tokens"),
    [
        ("chatml", {"<|im_start|>", "<|im_end|>"}),
        ("llama3", {"<|begin_of_text|>", "<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>", "<|python_tag|>"}),
        ("mistral", {"[INST]", "[/INST]", "[TOOL_RESULTS]", "[SYSTEM_PROMPT]", "[THINK]", "</s>"}),
        ("gemma", {"<start_of_turn>", "<end_of_turn>", "<start_of_image>", "<|turn>"}),
        ("qwen", {"<tool_call>", "</think>", "<|vision_start|>", "<tool_response>"}),
        ("harmony", {"<|start|>", "<|channel|>", "<|message|>", "<|constrain|>", "<|return|>", "<|call|>", "<|end|>"}),
        ("struq", {"[MARK]", "[INST]", "[INPT]", "[RESP]", "[COLN]"}),
        ("defensive-token", {"[DefensiveToken0]", "<|eot_id|>", "<|im_end|>"}),
        ("command-r", {"<|START_OF_TURN_TOKEN|>", "<|END_TOOL_RESULT|>"}),
        ("granite", {"<|start_of_role|>", "<|end_of_text|>"}),
        ("deepseek", {"<｜User｜>", "<｜tool▁outputs▁begin｜>"}),  # noqa: RUF001
        ("phi", {"<|user|>", "<|end|>", "<|im_sep|>"}),
        ("llama2", {"<<SYS>>", "[INST]", "</s>"}),
        (
            "claude",
            {"<EOT>", "<META_START>", "<function_calls>", "</function_results>", "<" + "antml:", "</" + "antml:"},
        ),
    ],
)
def test_a_family_lists_what_opens_and_closes_its_turns(family: str, tokens: set[str]) -> None:
    assert tokens <= set(FAMILIES[family])
