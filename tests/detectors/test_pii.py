"""det.pii: what the patterns find, what they leave alone, and what they refuse to judge."""

import itertools
import subprocess
import sys
import time
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.detectors._recognizers import KNOWN
from gateway.detectors.pii import CONTEXT_CHARS, Pii, facts_of
from gateway.detectors.regex import PatternSet
from gateway.detectors.text import Text
from gateway.domain.detection import QUIET, Detection, Mark, Stage, Subject
from gateway.domain.errors import ConfigError
from policies.engine.model import PiiSettings, Recognizer

EUROPE = ("en", "de", "es", "it", "pl", "fr")


def _subject(text: str) -> Subject:
    return Subject(stage=Stage.DATA, where="mail", text=text, facts={})


@pytest.fixture(scope="module")
def look() -> Callable[..., Detection]:
    made: dict[PiiSettings, Pii] = {}

    def look(text: str, settings: PiiSettings | None = None) -> Detection:
        chosen = settings or PiiSettings()
        detector = made.get(chosen) or made.setdefault(chosen, Pii(chosen))
        prefilter = PatternSet(detector.patterns)
        detection = detector.detect(Text(text), _subject(text))
        # Whatever is found, the scanner's prefilter would have called for it.
        assert detection == QUIET or prefilter.hits(Text(text).matching)
        return detection

    return look


@pytest.fixture
def seen(look: Callable[..., Detection]) -> Callable[..., list[tuple[str, str]]]:
    def seen(text: str, settings: PiiSettings | None = None) -> list[tuple[str, str]]:
        return [(mark.kind, text[mark.start : mark.end]) for mark in look(text, settings).marks]

    return seen


@pytest.mark.rows
@pytest.mark.parametrize(
    ("kind", "text", "settings"),
    [
        ("EMAIL_ADDRESS", "write to [Joe.Doe+x@mail.example.co.uk].", PiiSettings()),
        ("EMAIL_ADDRESS", "请联系[joe@example.com]谢谢", PiiSettings()),
        ("EMAIL_ADDRESS", "[\uff4a\uff4f\uff45@example.com]", PiiSettings()),
        ("EMAIL_ADDRESS", "[jo\u200be@example.com]", PiiSettings()),
        ("IBAN_CODE", "pay [DE89 3704 0044 0532 0130 00] today", PiiSettings()),
        ("IBAN_CODE", "pay [es91 2100 0418 4502 0005 1332] next week", PiiSettings()),
        ("CREDIT_CARD", "card [4111-1111-1111-1111]!", PiiSettings()),
        ("US_SSN", "is [536-90-4399]", PiiSettings()),
        ("US_SSN", "her ssn: [536904399]", PiiSettings()),
        ("US_PASSPORT", "passport [912803456]", PiiSettings(languages=EUROPE)),
        ("UK_NINO", "[AB 12 34 56 C]", PiiSettings()),
        ("UK_NHS", "[943 476 5919]", PiiSettings(entities=("UK_NHS",))),
        ("PHONE_NUMBER", "call [212-555-5555] now", PiiSettings()),
        ("PHONE_NUMBER", "call [(212) 555-5555]", PiiSettings()),
        ("PHONE_NUMBER", "my phone: [2125555555]", PiiSettings()),
        ("PHONE_NUMBER", "at [+49 30 901820]", PiiSettings()),
        ("PHONE_NUMBER", "12 [212-555-5555] 17", PiiSettings()),
        ("PHONE_NUMBER", "unter [030 901820]", PiiSettings(languages=("de",))),
        ("IP_ADDRESS", "from [192.168.1.17], then", PiiSettings()),
        ("IP_ADDRESS", "from [2001:db8::1] on", PiiSettings()),
        ("MAC_ADDRESS", "[00:1B:44:11:3A:B7]", PiiSettings()),
        ("CRYPTO", "send to [1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNa]", PiiSettings()),
        ("DE_TAX_ID", "Steuer-ID [86095742719]", PiiSettings(languages=("de",))),
        ("DE_FUEHRERSCHEIN", "Führerschein [AB12345678X]", PiiSettings(languages=("de",))),
        ("DE_TAX_NUMBER", "[123/456/78901]", PiiSettings(languages=("de",))),
        ("ES_NIF", "DNI [12345678Z]", PiiSettings(languages=("es",))),
        ("IT_FISCAL_CODE", "[RSSMRA85T10A562S]", PiiSettings(languages=("it",))),
        ("PL_PESEL", "[44051401359]", PiiSettings(languages=("pl",))),
        ("DATE_TIME", "born [1990-04-12]", PiiSettings(entities=("DATE_TIME",))),
    ],
)
def test_a_datum_is_marked_where_it_stands(
    seen: Callable[..., list[tuple[str, str]]], kind: str, text: str, settings: PiiSettings
) -> None:
    datum = text[text.index("[") + 1 : text.index("]")]
    # Brackets show the place in the table; the text has blanks there.
    assert (kind, datum) in seen(text.replace("[", " ").replace("]", " "), settings)


@pytest.mark.rows
@pytest.mark.parametrize(
    "text",
    [
        "joe@localhost, joe@example.notatld, @joe, a@b",
        "DE89 3704 0044 0532 0130 01",
        "AB12 abcd efgh ijkl",
        "4111 1111 1111 1112",
        "1700000000000",
        "000-12-3456 and 536.90-4399",
        "order 536904399",
        "order 2125555555",
        "call x212-555-5555y",
        "2024-01-02 12:30:45, 02.01.2024 12:30",
        "3.14159265 and v1.2.3 and 300.1.1.1",
        "std::vector face::add 12:30:45 ::",
        "GB 12 34 56 C",
        "1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNb",
        "The meeting in room 204 moved to 3pm; bring report 10023.",
        "",
    ],
)
def test_what_only_looks_like_one_is_left_alone(look: Callable[..., Detection], text: str) -> None:
    assert look(text) == QUIET


def test_facts_count_and_name_what_is_marked(look: Callable[..., Detection]) -> None:
    detection = look("joe@example.com, ann@example.org and 4111 1111 1111 1111")
    assert detection.facts == {
        "det.pii.found": True,
        "det.pii.count": 3,
        "det.pii.kinds": ("CREDIT_CARD", "EMAIL_ADDRESS"),
    }


def test_entities_narrow_what_is_found_and_reach_beyond_the_languages(
    seen: Callable[..., list[tuple[str, str]]],
) -> None:
    settings = PiiSettings(entities=("ES_NIF",))
    assert seen("joe@example.com 12345678Z", settings) == [("ES_NIF", "12345678Z")]


def test_a_language_brings_its_own_numbers_alone(seen: Callable[..., list[tuple[str, str]]]) -> None:
    assert seen("12345678Z", PiiSettings(languages=("es",))) == [("ES_NIF", "12345678Z")]
    assert seen("12345678Z", PiiSettings(languages=("fr",))) == []


def test_the_threshold_is_held(seen: Callable[..., list[tuple[str, str]]]) -> None:
    text = "call 212-555-5555"
    assert seen(text, PiiSettings(threshold=0.75)) == [("PHONE_NUMBER", "212-555-5555")]
    assert seen(text, PiiSettings(threshold=0.76)) == []


def test_words_of_context_count_only_when_they_stand_near(seen: Callable[..., list[tuple[str, str]]]) -> None:
    assert seen("ssn " + "x" * (CONTEXT_CHARS - 8) + " 536904399") == [("US_SSN", "536904399")]
    assert seen("ssn " + "x" * (CONTEXT_CHARS + 8) + " 536904399") == []


def test_of_two_that_overlap_the_surer_counts(seen: Callable[..., list[tuple[str, str]]]) -> None:
    badge = Recognizer(entity="BADGE", pattern="joe@example", score=0.9)
    assert seen("joe@example.com", PiiSettings(recognizers=(badge,))) == [("EMAIL_ADDRESS", "joe@example.com")]


def test_a_recogniser_of_the_policys_own_finds_whatever_the_case(
    seen: Callable[..., list[tuple[str, str]]],
) -> None:
    staff = Recognizer(entity="STAFF_ID", pattern=r"\bEMP-[0-9]{5}\b", score=0.3, context=("employee",))
    settings = PiiSettings(entities=("EMAIL_ADDRESS", "STAFF_ID"), recognizers=(staff,))
    assert seen("Employee EMP-12345 left", settings) == [("STAFF_ID", "EMP-12345")]
    assert seen("emp-12345 left", settings) == []


def test_one_that_can_never_reach_the_threshold_is_not_searched_for() -> None:
    weak = Recognizer(entity="WEAK", pattern="weak", score=0.3)
    assert not any("weak" in pattern for pattern in Pii(PiiSettings(recognizers=(weak,))).patterns)
    nothing = Pii(PiiSettings(entities=("US_BANK_NUMBER",), threshold=0.9))
    assert nothing.patterns == ()
    assert nothing.detect(Text("1"), _subject("1")) == QUIET


@pytest.mark.rows
@pytest.mark.parametrize(
    ("settings", "words"),
    [
        (PiiSettings(languages=("dk",)), "unknown language 'dk'"),
        (PiiSettings(entities=("EMAIL",)), "did you mean EMAIL_ADDRESS?"),
        (PiiSettings(entities=("X",)), "known are"),
        (PiiSettings(entities=("PERSON",)), "set ner: true"),
        (PiiSettings(recognizers=(Recognizer(entity="A", pattern="(?=a)"),)), "recogniser A cannot be read"),
        (PiiSettings(recognizers=(Recognizer(entity="A", pattern="a*"),)), "matches the empty text"),
    ],
)
def test_settings_that_cannot_be_kept_are_refused_at_load(settings: PiiSettings, words: str) -> None:
    with pytest.raises(ConfigError) as refused:
        Pii(settings)
    assert words in refused.value.message


def test_found_can_be_windowed_unless_something_has_no_longest_match() -> None:
    longest = {
        settings: facts_of(settings)[0].longest for settings in (PiiSettings(), PiiSettings(entities=("US_SSN",)))
    }
    assert list(longest.values()) == [254 + CONTEXT_CHARS + 2, 11 + CONTEXT_CHARS + 2]
    own = Recognizer(entity="A", pattern="a+")
    for settings in (PiiSettings(ner=True), PiiSettings(recognizers=(own,)), PiiSettings(entities=("DATE_TIME",))):
        assert facts_of(settings)[0].longest is None
    assert [fact.name for fact in facts_of(PiiSettings())] == ["det.pii.found", "det.pii.count", "det.pii.kinds"]
    assert facts_of(PiiSettings())[1].longest is None


def test_no_mark_is_longer_than_its_recogniser_says(look: Callable[..., Detection]) -> None:
    bounds = {known.entity: known.longest for known in KNOWN}
    long = "a." * 400 + "joe@" + "b." * 400 + "example.com " + "1 " * 200 + "+1" * 50 + "de89" + "ab12" * 30
    for mark in look(long, PiiSettings(languages=EUROPE)).marks:
        bound = bounds[mark.kind]
        assert bound is not None
        assert mark.end - mark.start <= bound


def test_too_many_candidates_that_are_nothing_are_a_failure_and_not_a_silence(look: Callable[..., Detection]) -> None:
    assert look("4111 1111 1111 1112 " * 5_000).failed == "too_many"
    assert look("4111 1111 1111 1112 " * 50) == QUIET


def test_too_many_that_are_real_take_the_rest_of_the_text_with_them(look: Callable[..., Detection]) -> None:
    text = "10.11.12.13," * 20_000
    seen = look(text)
    assert seen.failed is None
    assert seen.marks[0] == Mark(kind="IP_ADDRESS", start=0, end=11)
    assert seen.marks[-1].end == len(text)
    assert seen.marks[-1].end - seen.marks[-1].start > len(text) // 2
    assert look("10.11.12.13," * 200).facts["det.pii.count"] == 200


def test_two_kinds_that_are_too_many_are_a_failure(look: Callable[..., Detection]) -> None:
    assert look("1.1.1.1,00:11:22:33:44:55," * 12_000).failed == "too_many"


def test_rest_leaves_what_is_of_another_kind(look: Callable[..., Detection]) -> None:
    text = "10.11.12.13," * 20_000 + "joe@example.com" + ",10.11.12.13" * 10
    marks = look(text).marks
    start = text.index("joe")
    assert [(mark.kind, mark.start) for mark in marks[-2:]] == [("EMAIL_ADDRESS", start), ("IP_ADDRESS", start + 15)]
    assert all(one.end <= other.start for one, other in itertools.pairwise(marks))


@pytest.mark.rows
@pytest.mark.parametrize(
    ("line", "found"),
    [
        ("2024-03-07 10:11:{:02d},123 INFO worker-3 request {:06d} took 12 ms\n", 0),
        ("2024-03-07T10:11:{:02d}Z;{:06d};12.50;EUR\n", 0),
        ("{:02d};Jane Doe;jane.doe{:06d}@mail.example.com;Berlin\n", 3_000),
        ("{:02d};10.1.2.3;{:06d};GET;/static/images/logo.png;200;Mozilla on some machine\n", 3_000),
    ],
    ids=["log", "bookings", "customers", "addresses"],
)
def test_long_ordinary_texts_are_judged_whole(look: Callable[..., Detection], line: str, found: int) -> None:
    seen = look("".join(line.format(number % 60, number) for number in range(3_000)))
    assert (seen.failed, len(seen.marks)) == (None, found)


@pytest.mark.rows
@pytest.mark.parametrize(
    "unit",
    [
        "a@",
        "a.",
        "1",
        "1 ",
        "1.",
        "1:",
        "::",
        "a@b.c ",
        "+1-",
        "(",
        "ab12 abcd ",
        "4111 1111 ",
        "é1 ",
        "a-",
        "1.1.1.1 ",
    ],
)
def test_hostile_texts_are_judged_or_given_up_in_time(look: Callable[..., Detection], unit: str) -> None:
    settings = PiiSettings(languages=EUROPE)
    look("", settings)
    text = (unit * 100_000)[:100_000]
    began = time.process_time()
    look(text, settings)
    # Measured at 0.3 s at most; anything quadratic would take minutes.
    assert time.process_time() - began < 5


@given(st.text(alphabet="a1@.:-+() é\u200b", max_size=120))
def test_marks_lie_in_the_text_in_order_and_apart(look: Callable[..., Detection], text: str) -> None:
    end = 0
    for mark in look(text, PiiSettings(languages=EUROPE)).marks:
        assert end <= mark.start < mark.end <= len(text)
        end = mark.end


def test_every_known_recogniser_can_be_made_and_searched_for() -> None:
    names = tuple(known.entity for known in KNOWN)
    assert len(set(names)) == len(names)
    detector = Pii(PiiSettings(entities=names, threshold=0.01))
    assert len(detector.patterns) >= len(names)


def test_the_vocabulary_is_told_without_presidio() -> None:
    code = (
        "import sys; from gateway.detectors.pii import facts_of; from policies.engine.model import PiiSettings;"
        "facts_of(PiiSettings()); sys.exit('presidio_analyzer' in sys.modules or 'spacy' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


async def test_without_a_language_model_asking_is_detecting() -> None:
    detector = Pii(PiiSettings())
    assert not detector.slow
    text = "joe@example.com"
    assert await detector.ask([_subject(text)]) == [detector.detect(Text(text), _subject(text))]
    await detector.close()
