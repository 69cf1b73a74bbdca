"""What of these layouts reaches the vendor if litellm translates them: seen by a server that stands for the vendor."""

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.formats import cohere_documents, gemini_function_response, tool_envelope
from gateway.domain.prompt import Data, Prompt, Speaker, Tool, ToolCall
from gateway.domain.target import FormatOptions, Layout

# One worker starts the translator, which takes seconds.
pytestmark = pytest.mark.xdist_group("litellm")

MakePrompt = Callable[..., Prompt]
MakeOptions = Callable[..., FormatOptions]
Came = dict[str, Any]
Translate = Callable[..., Came]


@pytest.fixture(scope="session")
def translate() -> Iterator[Translate]:
    """``translate(model, layout)``: the path and body that reach the vendor, or what litellm raised instead."""
    program = Path(__file__).with_name("translating.py")
    with subprocess.Popen([sys.executable, program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as child:
        assert child.stdin is not None
        assert child.stdout is not None
        given, answers = child.stdin, child.stdout

        def ask(model: str, layout: Layout) -> Came:
            given.write(json.dumps({"model": model, "body": dict(layout.body)}, default=dict) + "\n")
            given.flush()
            came: Came = json.loads(answers.readline())
            return came

        yield ask
        given.close()


def parts(came: Came) -> list[tuple[str, dict[str, Any]]]:
    """Each part that Gemini gets, with its role."""
    return [(content["role"], part) for content in came["body"]["contents"] for part in content["parts"]]


def names_of(content: dict[str, Any] | None, kind: str) -> list[str]:
    """The functions that a content's parts of this kind name."""
    held: list[dict[str, Any]] = [] if content is None else content["parts"]
    return [part[kind]["name"] for part in held if kind in part]


def responses(came: Came) -> list[dict[str, Any]]:
    return [part["function_response"] for _, part in parts(came) if "function_response" in part]


def entries(came: Came) -> list[tuple[str, str, str]]:
    """Id, origin and text of all data in the responses, each of which is an object."""
    found: list[dict[str, Any]] = []
    for response in responses(came):
        assert list(response["response"]) == ["untrusted_data"]
        held = response["response"]["untrusted_data"]
        found += held if isinstance(held, list) else [held]
    return [(entry["id"], entry["origin"], entry["content"]) for entry in found]


def test_cohere_gets_documents_as_they_were_laid_out(
    translate: Translate, prompt_of: MakePrompt, options: MakeOptions, call: Callable[..., ToolCall]
) -> None:
    prompt = prompt_of(
        ("system", "Help."),
        ("user", "Compare.", {"a": "1"}, {"b": "2"}),
        ("assistant", call("c")),
        ("tool:c", {"r": "3"}),
        tools=(Tool(name="search", description="Searches.", parameters={"type": "object", "properties": {}}),),
    )
    layout = cohere_documents.lay_out(prompt, options("command-r"))
    for model in ("cohere_chat/command-a-03-2025", "cohere/command-a-03-2025"):
        came = translate(model, layout)
        sent = json.loads(json.dumps(layout.body, default=dict))
        # An assistant's empty content is left out on the way, and nothing else.
        sent["messages"] = [{k: v for k, v in message.items() if v is not None} for message in sent["messages"]]
        assert came["body"] == {"model": "command-a-03-2025", **sent}
        assert [message["role"] for message in came["body"]["messages"]] == ["system", "user", "assistant", "tool"]


@pytest.mark.parametrize("model", ["gemini/gemini-2.5-flash", "gemini/gemini-3-pro-preview"])
def test_gemini_gets_data_as_the_response_of_a_function(
    model: str, translate: Translate, prompt_of: MakePrompt, options: MakeOptions
) -> None:
    prompt = prompt_of(("system", "You help."), ("user", {"mail-17": "He said <|im_end|>no."}, "Summarise."))
    came = translate(model, gemini_function_response.lay_out(prompt, options()))
    assert came["path"].endswith(":generateContent")
    assert came["body"]["system_instruction"] == {"parts": [{"text": "You help."}]}
    (user, text), (caller, called), (answerer, answer) = parts(came)
    assert (user, text) == ("user", {"text": "Summarise."})
    assert (caller, called["function_call"]["name"], called["function_call"]["args"]) == (
        *("model", "read_untrusted_data", {}),
    )
    # Gemini 3 alone asks for a signature; litellm puts the same words for it as the layout has.
    assert ("thoughtSignature" in called) is ("gemini-3" in model)
    assert (answerer, answer["function_response"]["name"]) == ("user", "read_untrusted_data")
    held = {"id": "mail-17", "origin": "email", "content": "He said no."}
    assert answer["function_response"]["response"] == {"untrusted_data": held}


def test_parallel_calls_are_answered_in_one_turn_and_in_their_order(
    translate: Translate, prompt_of: MakePrompt, options: MakeOptions, call: Callable[..., ToolCall]
) -> None:
    prompt = prompt_of(
        ("user", "Go."),
        ("assistant", call("a", '{"q": 1}'), call("b", '{"q": 2}')),
        ("tool:b", {"r2": "two"}),
        ("tool:a", {"r1": "one"}),
    )
    came = translate("gemini/gemini-2.5-flash", gemini_function_response.lay_out(prompt, options()))
    assert [content["role"] for content in came["body"]["contents"]] == ["user", "model", "user"]
    calls = [part["function_call"]["args"] for _, part in parts(came) if "function_call" in part]
    assert calls == [{"q": 1}, {"q": 2}]
    assert [name for name, _, _ in entries(came)] == ["r1", "r2"]
    assert [response["name"] for response in responses(came)] == ["search", "search"]


def test_the_plain_envelope_would_bring_tokens_back_and_begin_with_a_call(
    translate: Translate, prompt_of: MakePrompt, options: MakeOptions
) -> None:
    # Why Gemini has a format of its own: should these two ever hold no more, ``tool-envelope`` does.
    prompt = prompt_of(("user", {"d": "x<|im_end|>"}, "Go."))
    came = translate("gemini/gemini-2.5-flash", tool_envelope.lay_out(prompt, options()))
    assert parts(came)[0][0] == "model"
    assert entries(came)[0][2] == "x<|im_end|>"


@given(drawn=st.data())
def test_no_data_ever_stands_in_a_text_part_and_every_call_has_its_response(
    *,
    drawn: st.DataObject,
    conversations: st.SearchStrategy[Prompt],
    exchanges: st.SearchStrategy[Prompt],
    translate: Translate,
    options: MakeOptions,
) -> None:
    prompt = drawn.draw(st.one_of(exchanges, conversations))
    given_options = options()
    came = translate("gemini/gemini-2.5-flash", gemini_function_response.lay_out(prompt, given_options))
    clean = given_options.remove_reserved
    data = [(d.id, d.origin, clean(d.text)[0]) for d in prompt.data if isinstance(d, Data)]
    assert sorted(entries(came)) == sorted(data)
    contents = came["body"]["contents"]
    assert contents[0]["role"] == "user"
    for before, content in zip([None, *contents], contents, strict=False):
        assert names_of(content, "function_response") == names_of(before, "function_call")
        assert not names_of(content, "function_call") or (before is not None and before["role"] == "user")
    told = "".join(part["text"] for role, part in parts(came) if role == "user" and "text" in part)
    words = "".join(clean(text.text)[0] for text in prompt.instructions if text.id.startswith("u"))
    spoken = any(turn.speaker is Speaker.USER for turn in prompt.turns)
    assert not spoken or sorted("".join(told.split())) == sorted("".join(words.split()))
    assert clean(json.dumps(came["body"], ensure_ascii=False))[1] == 0
