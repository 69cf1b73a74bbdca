"""Which of Presidio's recognisers does ``pii`` offer, in which languages, and how long can what they find be?

RE2 does the searching, so that no text is slow; Presidio gives patterns, scores, checksums and context words. Where a
pattern of Presidio's has look-around, a back-reference or no bound, ``instead`` says the same in RE2's syntax. The
rule: everything has a bound or says None, and what is longer than its bound is not found, in a stream or out of it.
"""

from collections.abc import Mapping
from typing import Final, Literal, TypeAlias

from gateway.domain.value import value

# How a candidate is judged: by the recogniser's own checks, by the same at each of its ends where a word ends (IBAN),
# as it was written, since case counts (CRYPTO), by its neighbours too (IPv6), or by the telephone library.
Judging: TypeAlias = Literal["checks", "ends", "as_written", "address", "phone"]


@value
class Known:
    """One recogniser: ``recognizer`` is Presidio's class, ``entity`` what it finds.

    ``longest`` is how many characters it can find at most, ``languages`` for which it counts (empty: all), ``asked``
    that it must be named, for it is no personal datum by itself or finds too much. ``instead`` replaces Presidio's
    patterns by others, each with its score. ``hint`` is something cheaper to search first.
    """

    recognizer: str
    entity: str
    longest: int | None
    languages: tuple[str, ...] = ()
    asked: bool = False
    instead: tuple[tuple[str, float], ...] = ()
    hint: str | None = None
    judging: Judging = "checks"
    context: tuple[str, ...] = ()


LANGUAGES: Final = ("de", "en", "es", "fr", "it", "pl")

# Where a number without a country code is called, by the telephone library's regions, and what its digits look like
# there: asking the library costs a hundred times as much.
REGIONS: Final[Mapping[str, tuple[tuple[str, str], ...]]] = {
    "de": (("DE", r"00[1-9]\d{7,12}|0[1-9]\d{5,12}"),),
    "en": (("US", r"1?[2-9]\d{2}[2-9]\d{6}"), ("GB", r"00[1-9]\d{7,12}|0[1-9]\d{8,9}")),
    "es": (("ES", r"00[1-9]\d{7,12}|[6-9]\d{8}"),),
    "fr": (("FR", r"00[1-9]\d{7,12}|0[1-9]\d{8}"),),
    "it": (("IT", r"00[1-9]\d{7,12}|0[1-9]\d{4,9}|3\d{8,9}"),),
    "pl": (("PL", r"00[1-9]\d{7,12}|[1-9]\d{8}"),),
}

# RFC 5321: 64 characters before the @, 254 in all.
_EMAIL: Final = (
    r"[a-z0-9_](?:[a-z0-9!#$%&'*+/=?^_`{|}~.\-]{0,62}[a-z0-9!#$%&'*+/=?^_`{|}~\-])?"
    r"@[a-z0-9](?:[a-z0-9.\-]{0,120}[a-z0-9])?\.[a-z][a-z0-9\-]{1,62}"
)
_IPV6: Final = (
    r"(?:(?:[0-9a-f]{1,4}:){6,7}[0-9a-f.]{1,15}"
    r"|(?:[0-9a-f]{1,4}(?::[0-9a-f]{1,4}){0,6})?::(?:[0-9a-f]{1,4}:){0,6}(?:[0-9]{1,3}(?:\.[0-9]{1,3}){3}|[0-9a-f]{1,4}))"
    r"(?:%[0-9a-z]{1,16})?(?:/[0-9]{1,3})?"
)
_CARD: Final = (
    r"\b(?:(?:4[0-9]{3}|5[0-5][0-9]{2}|6[0-9]{3}|3[0-9]{3})[- ]?[0-9]{3,4}[- ]?[0-9]{3,4}[- ]?[0-9]{3,5}"
    r"|1[0-9]{3}[- ]?[0-9]{4}[- ]?[0-9]{4}[- ]?[0-9]{3})\b"
)
_NINO: Final = (
    r"\b(?:[acehjlmoprswxy][a-ceghj-npr-tw-z]|b[a-cehj-npr-tw-z]|g[aceghj-npr-tw-z]|k[a-ceghj-mpr-tw-z]"
    r"|n[a-ceghjlmnprsw-z]|t[a-ceghj-mpr-tw-z]|z[a-ceghj-npr-tw-y]) ?[0-9]{2} ?[0-9]{2} ?[0-9]{2} ?[a-d]\b"
)
# With a country code, in groups, and in one run: the last is as often an order number, and needs a word of context.
_PHONES: Final = (
    (r"\(?\+[0-9](?:[ ().\-/]{0,3}[0-9]){6,14}", 0.4),
    (r"\(?\b[0-9]{1,6}(?:(?:[ .\-/]| ?\(|\) ?[.\-/]?)[0-9]{2,9}){1,5}\b", 0.4),
    (r"\b[0-9]{7,15}\b", 0.3),
)

KNOWN: Final = (
    Known(
        recognizer="EmailRecognizer",
        entity="EMAIL_ADDRESS",
        longest=254,
        instead=((_EMAIL, 0.5),),
        hint=r"[a-z0-9_!#$%&'*+/=?^`{|}~\-]@[a-z0-9]",
        context=("e-mail", "mail", "correo"),
    ),
    Known(recognizer="CreditCardRecognizer", entity="CREDIT_CARD", longest=20, instead=((_CARD, 0.3),)),
    Known(
        recognizer="IbanRecognizer",
        entity="IBAN_CODE",
        longest=43,
        instead=((r"\b[a-z]{2}[0-9]{2}(?:[ -]?[a-z0-9]{4}){2,7}(?:[ -]?[a-z0-9]{1,3})?\b", 0.5),),
        judging="ends",
    ),
    Known(
        recognizer="IpRecognizer",
        entity="IP_ADDRESS",
        longest=96,
        instead=(
            (r"\b(?:[0-9]{1,3}\.){3}[0-9]{1,3}(?:/[0-9]{1,2})?\b", 0.6),
            (_IPV6, 0.6),
        ),
        judging="address",
    ),
    Known(
        recognizer="MacAddressRecognizer",
        entity="MAC_ADDRESS",
        longest=17,
        instead=(
            (r"\b(?:[0-9a-f]{2}:){5}[0-9a-f]{2}\b", 0.6),
            (r"\b(?:[0-9a-f]{2}-){5}[0-9a-f]{2}\b", 0.6),
            (r"\b[0-9a-f]{4}\.[0-9a-f]{4}\.[0-9a-f]{4}\b", 0.6),
        ),
    ),
    Known(
        recognizer="CryptoRecognizer",
        entity="CRYPTO",
        longest=62,
        instead=((r"\b(?:bc1|[13])[a-z0-9]{25,59}\b", 0.5),),
        judging="as_written",
    ),
    Known(
        recognizer="PhoneRecognizer",
        entity="PHONE_NUMBER",
        longest=70,
        instead=_PHONES,
        judging="phone",
        context=("tel", "telefon", "telefono", "handy", "mobil", "movil", "portable", "cellulare", "komorka"),
    ),
    Known(recognizer="DateRecognizer", entity="DATE_TIME", longest=None, asked=True),
    Known(recognizer="UuidRecognizer", entity="UUID", longest=36, asked=True),
    Known(recognizer="UsSsnRecognizer", entity="US_SSN", longest=11, languages=("en",)),
    Known(recognizer="UsItinRecognizer", entity="US_ITIN", longest=11, languages=("en",)),
    Known(recognizer="UsPassportRecognizer", entity="US_PASSPORT", longest=9, languages=("en",)),
    Known(recognizer="UsLicenseRecognizer", entity="US_DRIVER_LICENSE", longest=19, languages=("en",)),
    Known(recognizer="UsBankRecognizer", entity="US_BANK_NUMBER", longest=17, languages=("en",)),
    Known(recognizer="MedicalLicenseRecognizer", entity="MEDICAL_LICENSE", longest=9, languages=("en",), asked=True),
    Known(recognizer="UsMbiRecognizer", entity="US_MBI", longest=13, languages=("en",), asked=True),
    Known(recognizer="UsNpiRecognizer", entity="US_NPI", longest=12, languages=("en",), asked=True),
    Known(recognizer="AbaRoutingRecognizer", entity="ABA_ROUTING_NUMBER", longest=11, languages=("en",), asked=True),
    # Its checksum lets every eleventh number of ten digits pass.
    Known(recognizer="NhsRecognizer", entity="UK_NHS", longest=12, languages=("en",), asked=True),
    Known(recognizer="UkNinoRecognizer", entity="UK_NINO", longest=13, languages=("en",), instead=((_NINO, 0.5),)),
    Known(
        recognizer="UkDrivingLicenceRecognizer", entity="UK_DRIVING_LICENCE", longest=16, languages=("en",), asked=True
    ),
    Known(recognizer="UkPassportRecognizer", entity="UK_PASSPORT", longest=9, languages=("en",), asked=True),
    Known(recognizer="DeTaxIdRecognizer", entity="DE_TAX_ID", longest=11, languages=("de",)),
    Known(
        recognizer="DeTaxNumberRecognizer",
        entity="DE_TAX_NUMBER",
        longest=14,
        languages=("de",),
        instead=(
            (r"\b(?:0[1-9]|1[0-6])[0-9]{11}\b", 0.5),
            (r"\b[0-9]{3}/[0-9]{3}/[0-9]{5}\b", 0.4),
            (r"\b[0-9]{2,3}/[0-9]{3,4}/[0-9]{4,5}\b", 0.2),
        ),
    ),
    Known(recognizer="DeIdCardRecognizer", entity="DE_ID_CARD", longest=9, languages=("de",)),
    Known(recognizer="DePassportRecognizer", entity="DE_PASSPORT", longest=9, languages=("de",)),
    Known(recognizer="DeSocialSecurityRecognizer", entity="DE_SOCIAL_SECURITY", longest=12, languages=("de",)),
    Known(recognizer="DeHealthInsuranceRecognizer", entity="DE_HEALTH_INSURANCE", longest=10, languages=("de",)),
    Known(recognizer="DeFuehrerscheinRecognizer", entity="DE_FUEHRERSCHEIN", longest=11, languages=("de",)),
    Known(recognizer="DeVatIdRecognizer", entity="DE_VAT_ID", longest=14, languages=("de",), asked=True),
    Known(recognizer="DeLanrRecognizer", entity="DE_LANR", longest=9, languages=("de",), asked=True),
    Known(recognizer="DeBsnrRecognizer", entity="DE_BSNR", longest=9, languages=("de",), asked=True),
    Known(
        recognizer="DeHandelsregisterRecognizer",
        entity="DE_HANDELSREGISTER",
        longest=12,
        languages=("de",),
        asked=True,
        instead=((r"\bhr[ab] {0,3}[0-9]{1,6}\b", 0.5),),
    ),
    Known(
        recognizer="DeKfzRecognizer",
        entity="DE_KFZ",
        longest=12,
        languages=("de",),
        asked=True,
        instead=((r"\b[a-z]{1,3}[- ][a-z]{1,2}[- ][0-9]{1,4}[eh]?\b", 0.3),),
    ),
    Known(recognizer="EsNifRecognizer", entity="ES_NIF", longest=10, languages=("es",)),
    Known(recognizer="EsNieRecognizer", entity="ES_NIE", longest=11, languages=("es",)),
    Known(recognizer="EsPassportRecognizer", entity="ES_PASSPORT", longest=9, languages=("es",)),
    Known(recognizer="ItFiscalCodeRecognizer", entity="IT_FISCAL_CODE", longest=16, languages=("it",)),
    Known(recognizer="ItVatCodeRecognizer", entity="IT_VAT_CODE", longest=22, languages=("it",)),
    Known(recognizer="ItDriverLicenseRecognizer", entity="IT_DRIVER_LICENSE", longest=10, languages=("it",)),
    Known(recognizer="ItIdentityCardRecognizer", entity="IT_IDENTITY_CARD", longest=10, languages=("it",)),
    Known(recognizer="ItPassportRecognizer", entity="IT_PASSPORT", longest=9, languages=("it",)),
    Known(recognizer="PlPeselRecognizer", entity="PL_PESEL", longest=11, languages=("pl",)),
)
