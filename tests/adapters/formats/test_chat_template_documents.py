import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.formats import chat_template_documents
from gateway.domain.errors import NotSayable
from gateway.domain.isolation import Isolation
from gateway.domain.prompt import Data, Media, Prompt, ToolCall
from gateway.domain.target import Endpoint, FormatOptions, Layout

MakePrompt = Callable[..., Prompt]
MakeOptions = Callable[..., FormatOptions]
Served = Callable[[str, Layout], list[tuple[str, str]]]
Told = Callable[[Prompt, FormatOptions], str]


def test_data_becomes_documents_beside_the_messages(prompt_of: MakePrompt, options: MakeOptions) -> None:
    prompt = prompt_of(("system", "Help."), ("user", {"a": "1"}, "Compare.", {"b": "2"}))
    layout = chat_template_documents.lay_out(prompt, options("granite"))
    assert layout.body == {
        "messages": [{"role": "system", "content": "Help."}, {"role": "user", "content": "Compare."}],
        "documents": [
            {"doc_id": "a", "title": "email", "text": "1"},
            {"doc_id": "b", "title": "email", "text": "2"},
        ],
    }
    assert (layout.format, layout.endpoint) == ("chat-template-documents", Endpoint.CHAT)
    assert layout.isolation is Isolation.CHANNEL


def test_the_texts_key_is_the_templates_choice(prompt_of: MakePrompt, options: MakeOptions) -> None:
    prompt = prompt_of(("system", "Summarise."), ("input", {"d": "x"}))
    layout = chat_template_documents.lay_out(prompt, options("granite", text_key="content"))
    assert layout.body["documents"] == [{"doc_id": "d", "title": "email", "content": "x"}]
    assert layout.body["messages"] == [{"role": "user", "content": "Summarise."}]


def test_a_tool_result_stays_in_the_tool_role_in_its_envelope(
    prompt_of: MakePrompt,
    options: MakeOptions,
    messages_of: Callable[[Layout], list[dict[str, Any]]],
    call: Callable[..., ToolCall],
    opened: Callable[[str], list[tuple[str, str, str]]],
) -> None:
    prompt = prompt_of(("user", "Go."), ("assistant", "Yes.", call("a")), ("tool:a", {"r": "<|end_of_text|>"}))
    layout = chat_template_documents.lay_out(prompt, options("granite"))
    assert "documents" not in layout.body
    assert layout.isolation is Isolation.CHANNEL
    assert opened(messages_of(layout)[-1]["content"]) == [("r", "email", "<|end_of_text|>")]
    assert "<|" not in json.dumps(layout.body)


def test_media_has_no_place_in_a_document(prompt_of: MakePrompt, options: MakeOptions, image: Media) -> None:
    with pytest.raises(NotSayable, match="images, audio or files"):
        chat_template_documents.lay_out(prompt_of(("user", "Go.", image)), options("granite"))


def test_ordinary_text_arrives_unharmed(ordinary: str, prompt_of: MakePrompt, options: MakeOptions) -> None:
    layout = chat_template_documents.lay_out(prompt_of(("user", ordinary, {"d": ordinary})), options("granite"))
    assert layout.body == {
        "messages": [{"role": "user", "content": ordinary}],
        "documents": [{"doc_id": "d", "title": "email", "text": ordinary}],
    }
    assert layout.removals == ()


@given(drawn=st.data())
def test_a_server_that_gives_documents_a_role_reads_each_back(
    *, drawn: st.DataObject, exchanges: st.SearchStrategy[Prompt], served: Served, options: MakeOptions, told: Told
) -> None:
    prompt = drawn.draw(exchanges)
    given_options = options("granite")
    wire = served("granite", chat_template_documents.lay_out(prompt, given_options))
    documents = [
        (json.loads(role.removeprefix("document "))["document_id"], text) for role, text in wire if "{" in role
    ]
    data = [d for d in prompt.data if isinstance(d, Data)]
    assert documents == [(d.id, f"\n{given_options.remove_reserved(d.text)[0]}") for d in data]
    instructions = "".join("".join(text.split()) for role, text in wire if role in {"system", "user"})
    assert instructions.removeprefix("YouareGranite.") == told(prompt, given_options)
    assert {role for role, _ in wire if "{" not in role} <= {"system", "user"}


@given(drawn=st.data())
def test_a_server_that_lists_documents_keeps_all_of_them_in_one_area(
    *, drawn: st.DataObject, exchanges: st.SearchStrategy[Prompt], served: Served, options: MakeOptions, told: Told
) -> None:
    prompt = drawn.draw(exchanges)
    given_options = options("command-r")
    *messages, (area, listed) = served("command-r", chat_template_documents.lay_out(prompt, given_options))
    assert area == "<|SYSTEM"
    expected = "".join(
        f"Document: {n}\ndoc_id: {d.id}\ntitle: {d.origin}\ntext: {given_options.remove_reserved(d.text)[0]}\n\n"
        for n, d in enumerate(d for d in prompt.data if isinstance(d, Data))
    )
    assert listed == f"<results>\n{expected}</results>"
    assert "".join("".join(text.split()) for _, text in messages) == told(prompt, given_options)


def test_settings_are_checked_by_name() -> None:
    chat_template_documents.check_settings({"text_key": "content"})
    with pytest.raises(ValueError, match="text_key: must be one of content, text"):
        chat_template_documents.check_settings({"text_key": "body"})
    with pytest.raises(ValueError, match="title_key: not a setting"):
        chat_template_documents.check_settings({"title_key": "x"})
    assert chat_template_documents.BEST is Isolation.CHANNEL
