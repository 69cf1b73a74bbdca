from typing import Any

import pytest

from adapters.litellm._options import Said, plain, unsaid


def said(*keys: str, words: tuple[str, ...] = (), numbers: tuple[float, ...] = ()) -> Said:
    return Said(words=set(words), numbers=set(numbers), keys={plain(key) for key in keys})


@pytest.mark.rows
@pytest.mark.parametrize(
    ("options", "on_the_wire"),
    [
        ({"temperature": 0}, said(numbers=(0.0,))),
        ({"seed": 7, "max_tokens": 5}, said(numbers=(5.0, 7.0))),
        ({"stop": "END"}, said(words=("END",))),
        ({"stop": ["A", "B"]}, said(words=("A", "B"))),
        ({"tool_choice": "required"}, said("toolChoice")),
        ({"tool_choice": "none"}, said("functionCallingConfig")),
        ({"parallel_tool_calls": False}, said("disable_parallel_tool_use")),
        ({"response_format": {"type": "json_object"}}, said("response_mime_type")),
        ({"response_format": {"type": "json_schema"}}, said("response_json_schema")),
        ({"reasoning_effort": "low"}, said("thinkingConfig")),
        ({"logprobs": True, "top_logprobs": 2}, said("responseLogprobs", numbers=(2.0,))),
        ({"store": True, "logit_bias": {"1": 2}}, said("store", "logit_bias")),
        ({"prediction": {"type": "content"}}, said("prediction")),
        ({"unknown": None}, said()),
    ],
)
def test_an_option_is_said_by_its_value_or_by_a_name_of_its_own(options: Any, on_the_wire: Said) -> None:
    assert unsaid(options, on_the_wire) is None
    name = next(iter(options))
    if options[name] is not None:
        assert unsaid(options, said()) == name


@pytest.mark.rows
@pytest.mark.parametrize(
    "options",
    [
        {"n": 1}, {"tool_choice": "auto"}, {"parallel_tool_calls": True}, {"response_format": {"type": "text"}},
        {"logprobs": False}, {"modalities": ["text"]}, {"reasoning_effort": "none"}, {"logit_bias": {}}, {"stop": []},
    ],
)  # fmt: skip
def test_what_holds_anyway_need_not_be_said(options: Any) -> None:
    assert unsaid(options, said()) is None


@pytest.mark.rows
@pytest.mark.parametrize(
    ("options", "on_the_wire"),
    [
        ({"temperature": 0.5}, said("temperature", numbers=(1.0,))),
        ({"n": 2}, said("n", numbers=(1.0,))),
        ({"stop": ["A", "B"]}, said("stop", words=("A",))),
        ({"user": "u"}, said("user")),
        ({"response_format": {"type": "json_schema"}}, said("response_mime_type")),
        ({"parallel_tool_calls": False}, said("tools")),
        ({"n": True}, said()),
    ],
)
def test_another_value_or_half_of_it_is_not_enough(options: Any, on_the_wire: Said) -> None:
    assert unsaid(options, on_the_wire) == next(iter(options))
