from dataclasses import replace

import pytest

from adapters.formats._anthropic_data import media_block
from gateway.domain.errors import NotSayable
from gateway.domain.prompt import Media, MediaKind


@pytest.mark.parametrize("mime", ["image/gif", "image/jpeg", "image/png", "image/webp"])
def test_images_that_the_api_knows_are_blocks(image: Media, mime: str) -> None:
    source = {"type": "base64", "media_type": mime, "data": "QUJD"}
    assert media_block(replace(image, mime=mime)) == {"type": "image", "source": source}


def test_a_type_is_sent_as_the_api_spells_it(image: Media) -> None:
    source = {"type": "base64", "media_type": "image/jpeg", "data": "QUJD"}
    assert media_block(replace(image, mime="image/jpg")) == {"type": "image", "source": source}


@pytest.mark.parametrize(
    ("kind", "mime", "what"),
    [
        (MediaKind.IMAGE, "image/bmp", "an image of type image/bmp"),
        (MediaKind.IMAGE, "image/svg+xml", "an image of type image/svg"),
        (MediaKind.FILE, "text/plain", "a file of type text/plain.*text is to be sent as data"),
        (MediaKind.FILE, "image/png", "a file of type image/png"),
        (MediaKind.AUDIO, "audio/wav", "audio"),
    ],
)
def test_media_without_a_block_is_refused(image: Media, kind: MediaKind, mime: str, what: str) -> None:
    with pytest.raises(NotSayable, match=what) as caught:
        media_block(replace(image, kind=kind, mime=mime))
    assert caught.value.param == "messages"
