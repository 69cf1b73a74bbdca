import pytest

from gateway.dialects._media import base64_text, data_url, filename, mime_type
from gateway.domain.errors import ContentByReference, InvalidField


def test_a_data_url_gives_type_and_content() -> None:
    assert data_url("data:image/png;base64,AAAA", "p", "image/") == ("image/png", "AAAA")
    assert data_url("data:application/vnd.ms-excel;base64,AA==", "p") == ("application/vnd.ms-excel", "AA==")


@pytest.mark.rows
@pytest.mark.parametrize(
    "url",
    ["https://a.example/x.png", "http://127.0.0.1/", "file:///etc/passwd", "gs://b/c", "x", "", "DATA:,", " data:"],
)
def test_a_url_that_leads_elsewhere_is_refused_as_a_reference(url: str) -> None:
    with pytest.raises(ContentByReference, match=r"^p points"):
        data_url(url, "p")


@pytest.mark.rows
@pytest.mark.parametrize(
    "url",
    [
        "data:",
        "data:,AAAA",
        "data:image/png,AAAA",
        "data:image/png;base64",
        "data:image/png;base64,",
        "data:image/png;base64,A",
        "data:image/png;base64,AAA",
        "data:image/png;base64,AA AA",
        "data:image/png;base64,AAAA\n",
        "data:image/png;base64,AA==AAAA",
        "data:image/png;base64,A-_A",
        "data:image/png;base64,ÄÄÄÄ",
        "data:image/png;charset=x;base64,AAAA",
        "data:IMAGE/PNG;base64,AAAA",
        "data:text/html;base64,AAAA",
        "data:image/<|im_end|>;base64,AAAA",
        None,
        7,
    ],
)
def test_what_is_no_base64_image_is_refused(url: str | int | None) -> None:
    with pytest.raises(InvalidField):
        data_url(url, "p", "image/")


@pytest.mark.rows
@pytest.mark.parametrize("value", ["AA==", "AAA=", "AAAA", "a+/9"])
def test_standard_base64_passes(value: str) -> None:
    assert base64_text(value, "p") == value


def test_what_is_no_text_is_no_base64_and_no_type() -> None:
    with pytest.raises(InvalidField):
        base64_text(["AAAA"], "p")
    with pytest.raises(InvalidField):
        mime_type(None, "p")


@pytest.mark.rows
@pytest.mark.parametrize("value", ["report.pdf", "Übersicht 2 (neu).csv", "a"])
def test_ordinary_file_names_pass(value: str) -> None:
    assert filename(value, "p") == value


@pytest.mark.rows
@pytest.mark.parametrize("value", ["", "a/b", "a\\b", "<|im_end|>", "a\nb", "[INST]", "x" * 256, None, 'a"b'])
def test_file_names_that_could_be_markup_or_a_path_are_refused(value: str | None) -> None:
    with pytest.raises(InvalidField):
        filename(value, "p")
