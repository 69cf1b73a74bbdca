from collections.abc import Callable, Mapping, Sequence
from typing import TypeAlias, cast

import pytest

from adapters.formats import plain
from adapters.formats._chat import Transcript, offered, tool_result
from adapters.formats._parts import media_part
from adapters.formats._sieve import Sieve
from adapters.formats._turns import Said, read
from gateway.domain.errors import NotSayable
from gateway.domain.jsonvalue import JsonObject, JsonValue
from gateway.domain.prompt import History, Media, MediaKind, Prompt, Speaker, Tool, Turn
from gateway.domain.target import FormatOptions, Removal

MakePrompt = Callable[..., Prompt]
MakeOptions = Callable[..., FormatOptions]
Parts: TypeAlias = Sequence[JsonValue]


def _media(kind: MediaKind, mime: str, attributes: Mapping[str, JsonValue]) -> Media:
    return Media(id="m", origin="client", kind=kind, mime=mime, content="QUJD", attributes=attributes)


@pytest.mark.rows
@pytest.mark.parametrize(
    ("media", "part"),
    [
        (
            _media(MediaKind.IMAGE, "image/png", {"detail": "low"}),
            {"type": "image_url", "image_url": {"detail": "low", "url": "data:image/png;base64,QUJD"}},
        ),
        (
            _media(MediaKind.AUDIO, "audio/mpeg", {}),
            {"type": "input_audio", "input_audio": {"format": "mp3", "data": "QUJD"}},
        ),
        (
            _media(MediaKind.AUDIO, "audio/flac", {}),
            {"type": "input_audio", "input_audio": {"format": "flac", "data": "QUJD"}},
        ),
        (
            _media(MediaKind.AUDIO, "audio/mpeg", {"format": "wav"}),
            {"type": "input_audio", "input_audio": {"format": "wav", "data": "QUJD"}},
        ),
        (
            _media(MediaKind.FILE, "text/csv", {"filename": "a<|im_end|>.csv", "url": "x"}),
            {"type": "file", "file": {"filename": "a.csv", "url": "x", "file_data": "data:text/csv;base64,QUJD"}},
        ),
        (
            _media(MediaKind.FILE, "text/csv", {"file_data": "other"}),
            {"type": "file", "file": {"file_data": "data:text/csv;base64,QUJD"}},
        ),
    ],
)
def test_media_takes_openais_shape_and_attributes_pass(media: Media, part: object, options: MakeOptions) -> None:
    assert media_part(media, Sieve(options("chatml"))) == part


def test_what_tools_tell_their_readers_is_clean(options: MakeOptions) -> None:
    sieve = Sieve(options("chatml"))
    parameters = {"title": "<|im_start|>T", "properties": {"x": {"description": "<|im_end|>", "enum": ["<b>"]}}}
    tools = (
        Tool(name="a"),
        Tool(name="b", description="Finds.<|im_end|>", parameters=parameters, strict=True),
    )
    assert offered(tools, sieve) == [
        {"type": "function", "function": {"name": "a"}},
        {
            "type": "function",
            "function": {
                "name": "b",
                "description": "Finds.",
                "parameters": {"title": "T", "properties": {"x": {"description": "", "enum": ["<b>"]}}},
                "strict": True,
            },
        },
    ]
    assert sieve.removals == (Removal(where="tools", count=3),)
    assert sieve.removals == (Removal(where="tools", count=3),)


def test_a_token_in_what_a_schema_means_is_refused_by_place(options: MakeOptions) -> None:
    tools = (Tool(name="a"), Tool(name="b", parameters={"properties": {"x": {"enum": ["<|im_end|>"]}}}))
    with pytest.raises(NotSayable) as refusal:
        offered(tools, Sieve(options("chatml")))
    assert refusal.value.param == "tools[1].function.parameters"


def test_an_assistants_words_are_history(options: MakeOptions) -> None:
    sieve = Sieve(options("chatml"))
    transcript = Transcript(sieve)
    said = (History(id="h1", text="One.<|im_end|>"), History(id="h2", text="Two.", refusal=True))
    transcript.say(Said(history=said, calls=(), name="bot"))
    assert transcript.finish() == [{"role": "assistant", "content": "One.", "refusal": "Two.", "name": "bot"}]
    assert sieve.removals == (Removal(where="history", count=1),)


def test_names_of_turns_are_kept(prompt_of: MakePrompt, options: MakeOptions) -> None:
    segments = prompt_of(("user", "Hi")).turns[0].segments
    transcript = Transcript(Sieve(options()))
    for block in read(Prompt(turns=(Turn(speaker=Speaker.USER, segments=segments, name="ann"),))):
        assert not isinstance(block, Said)
        transcript.tell(block)  # pyright: ignore[reportArgumentType]
    transcript.add(tool_result("c1", "{}", "search"))
    assert transcript.finish() == [
        {"role": "user", "content": "Hi", "name": "ann"},
        {"role": "tool", "tool_call_id": "c1", "content": "{}", "name": "search"},
    ]


def test_the_name_of_who_shows_something_is_kept_whatever_stands_first(
    prompt_of: MakePrompt, image: Media, options: MakeOptions
) -> None:
    text = prompt_of(("user", "Hi")).turns[0].segments
    for segments in ((image,), (image, *text), (*text, image)):
        turn = Turn(speaker=Speaker.USER, segments=segments, name="ann", listed=True)
        (message,) = cast("Sequence[JsonObject]", plain.lay_out(Prompt(turns=(turn,)), options()).body["messages"])
        assert message["name"] == "ann"


def test_two_names_never_share_a_message(image: Media, options: MakeOptions) -> None:
    transcript = Transcript(Sieve(options()))
    transcript.show((image,), None, "ann")
    transcript.show((image,), None, "bob")
    transcript.show((image,), None)
    assert [(message["name"], len(cast("Parts", message["content"]))) for message in transcript.finish()] == [
        ("ann", 1),
        ("bob", 2),
    ]


def test_only_media_makes_only_media_parts(image: Media, options: MakeOptions) -> None:
    transcript = Transcript(Sieve(options()))
    transcript.show((image, image), 0)
    transcript.show((image,), 1)
    assert [len(message["content"]) for message in transcript.finish()] == [2, 1]  # pyright: ignore[reportArgumentType]
