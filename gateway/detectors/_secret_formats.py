r"""How do the keys and tokens of the usual vendors look?

Written from the vendors' descriptions of their formats. The rule: a pattern holds no more than literals, classes,
groups, ``\b`` at its start and bounded repeats, so that what it matches is finite; with its last repeat cut short the
same pattern serves as the search in RE2.
"""

import base64
import binascii
import json
import re
import zlib
from collections.abc import Callable, Sequence
from typing import Final, TypeAlias

from gateway.domain.value import value

# Whether a match is proven, may be one, or cannot be: True, None, False.
Proof: TypeAlias = Callable[[str], bool | None]

_DIGITS: Final = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_CHECKSUM: Final = 6
_LAST_REPEAT: Final = re.compile(r"\{(\d+),\d+\}\Z")


def base62_crc32(body: str) -> str:
    """The six characters that end GitHub's and npm's tokens."""
    rest, digits = zlib.crc32(body.encode()), ""
    while rest:
        rest, digit = divmod(rest, 62)
        digits = _DIGITS[digit] + digits
    return digits.rjust(_CHECKSUM, "0")


def _sums_up(token: str) -> bool:
    body = token.rpartition("_")[2]
    return base62_crc32(body[:-_CHECKSUM]) == body[-_CHECKSUM:]


def _github(token: str) -> bool | None:
    """36 characters after the prefix end with their checksum; of the longer kinds none is documented."""
    body = token.rpartition("_")[2]
    prefix = token.removesuffix(body)
    if _sums_up(prefix + body[:36]):
        return True
    return None if len(body) > 36 else False


def _github_fine_grained(token: str) -> bool | None:
    return _sums_up(token) or None


def _jwt(token: str) -> bool | None:
    """Its first part is a JSON object that names an algorithm."""
    head = token.partition(".")[0]
    try:
        header: object = json.loads(base64.urlsafe_b64decode(head + "=" * (-len(head) % 4)))
    except (binascii.Error, ValueError, RecursionError):
        return False
    return isinstance(header, dict) and ("alg" in header or "enc" in header)


def _unproven(token: str) -> None:
    del token


@value
class Format:
    """One kind of secret.

    ``starts`` are how it begins, in lower case; where that is no literal, ``hint`` is a pattern of what stands in it.
    ``longest`` is the most characters that ``pattern`` takes. ``found_by`` replaces the pattern in the search.
    """

    kind: str
    pattern: str
    longest: int
    starts: tuple[str, ...] = ()
    hint: str = ""
    proof: Proof = _unproven
    found_by: str = ""

    @property
    def search(self) -> str:
        """For RE2: the pattern with its last repeat cut to the fewest, or what stands for it."""
        return self.found_by or _LAST_REPEAT.sub(r"{\1}", self.pattern)


_W: Final = "[A-Za-z0-9]"
_U: Final = "[A-Za-z0-9_-]"
_H: Final = "[0-9a-f]"

FORMATS: Final[Sequence[Format]] = (
    Format(
        kind="aws_access_key",
        starts=("akia", "asia", "abia", "acca"),
        pattern=r"\b(?:AKIA|ASIA|ABIA|ACCA)[A-Z2-7]{16}",
        longest=20,
    ),
    Format(
        kind="github_token",
        starts=("ghp_", "gho_", "ghu_", "ghs_", "ghr_"),
        pattern=rf"gh[pousr]_{_W}{{36,251}}",
        longest=255,
        proof=_github,
    ),
    Format(
        kind="github_token",
        starts=("github_pat_",),
        pattern=rf"github_pat_{_W}{{22}}_{_W}{{59}}",
        longest=93,
        proof=_github_fine_grained,
    ),
    Format(kind="npm_token", starts=("npm_",), pattern=rf"npm_{_W}{{36}}", longest=40, proof=_sums_up),
    Format(
        kind="gitlab_token",
        starts=("glpat-", "gldt-", "glrt-", "glcbt-", "glptt-", "glft-", "glagent-", "glimt-", "glsoat-", "gloas-"),
        pattern=rf"gl(?:pat|dt|rt|cbt|ptt|ft|agent|imt|soat|oas)-{_U}{{20}}[A-Za-z0-9_.-]{{0,280}}",
        longest=308,
    ),
    Format(
        kind="anthropic_key",
        starts=("sk-ant-",),
        pattern=rf"sk-ant-[a-z]{{2,8}}[0-9]{{2}}-{_U}{{60,200}}",
        longest=218,
    ),
    Format(
        kind="openai_key",
        starts=("sk-proj-", "sk-svcacct-", "sk-admin-", "sk-or-v1-"),
        pattern=rf"\bsk-(?:proj|svcacct|admin|or-v1)-{_U}{{40,220}}",
        longest=231,
    ),
    Format(kind="openai_key", starts=("sk-",), pattern=rf"\bsk-{_W}{{32,64}}", longest=67),
    Format(
        kind="stripe_key",
        starts=("sk_live_", "sk_test_", "rk_live_", "rk_test_"),
        pattern=rf"\b[sr]k_(?:live|test)_{_W}{{16,250}}",
        longest=258,
    ),
    Format(kind="webhook_secret", starts=("whsec_",), pattern=r"\bwhsec_[A-Za-z0-9+/]{32,64}", longest=70),
    Format(kind="google_api_key", starts=("aiza",), pattern=rf"\bAIza{_U}{{35}}", longest=39),
    Format(kind="google_token", starts=("ya29.",), pattern=rf"\bya29\.{_U}{{30,280}}", longest=285),
    Format(kind="google_client_secret", starts=("gocspx-",), pattern=rf"\bGOCSPX-{_U}{{28}}", longest=35),
    Format(
        kind="azure_storage_key",
        starts=("accountkey=",),
        pattern=r"(?i:AccountKey)=[A-Za-z0-9+/]{86}==",
        longest=99,
    ),
    Format(kind="azure_sas", starts=("?sig=", "&sig="), pattern=r"[?&]sig=[A-Za-z0-9%/+]{43,64}", longest=69),
    Format(
        kind="azure_client_secret",
        hint="[0-9]q~",
        pattern=r"\b[A-Za-z0-9_~.]{3}[0-9]Q~[A-Za-z0-9_~.-]{31,34}",
        longest=40,
    ),
    Format(
        kind="slack_token",
        starts=("xoxa-", "xoxb-", "xoxe-", "xoxe.", "xoxo-", "xoxp-", "xoxr-", "xoxs-", "xoxc-", "xoxd-"),
        pattern=r"xox[abcdeoprs][.-][A-Za-z0-9.-]{20,250}",
        longest=255,
    ),
    Format(kind="slack_token", starts=("xapp-",), pattern=r"xapp-[0-9]-[A-Za-z0-9-]{40,160}", longest=167),
    Format(
        kind="slack_webhook",
        starts=("hooks.slack.com/",),
        pattern=r"(?i:hooks\.slack\.com)/[a-z]{5,10}/[A-Za-z0-9/]{40,80}",
        longest=107,
    ),
    Format(kind="huggingface_token", starts=("hf_", "api_org_"), pattern=r"\b(?:hf|api_org)_[A-Za-z]{34}", longest=42),
    Format(kind="pypi_token", starts=("pypi-ageichlw",), pattern=rf"pypi-AgEIcHlw{_U}{{50,280}}", longest=293),
    Format(kind="twilio_key", hint="sk[0-9a-f]{8}", pattern=rf"\bSK{_H}{{32}}", longest=34),
    Format(kind="sendgrid_key", starts=("sg.",), pattern=rf"\bSG\.{_U}{{22}}\.{_U}{{43}}", longest=69),
    Format(kind="mailgun_key", starts=("key-",), pattern=rf"\bkey-{_H}{{32}}", longest=36),
    Format(kind="telegram_token", hint="[0-9]:aa", pattern=rf"\b[0-9]{{8,10}}:AA{_U}{{33}}", longest=46),
    Format(
        kind="digitalocean_token",
        starts=("doo_v1_", "dop_v1_", "dor_v1_"),
        pattern=rf"do[opr]_v1_{_H}{{64}}",
        longest=71,
    ),
    Format(
        kind="shopify_token",
        starts=("shpat_", "shpca_", "shppa_", "shpss_"),
        pattern=r"shp(?:at|ca|pa|ss)_[A-Fa-f0-9]{32}",
        longest=38,
    ),
    Format(kind="databricks_token", starts=("dapi",), pattern=rf"\bdapi{_H}{{32}}", longest=36),
    Format(kind="vault_token", starts=("hvs.", "hvb.", "hvr."), pattern=rf"\bhv[sbr]\.{_U}{{24,280}}", longest=284),
    Format(kind="grafana_token", starts=("glsa_",), pattern=rf"\bglsa_{_W}{{32}}_[A-Fa-f0-9]{{8}}", longest=46),
    Format(kind="new_relic_key", starts=("nrak-",), pattern=r"\bNRAK-[A-Z0-9]{27}", longest=32),
    Format(kind="atlassian_token", starts=("atatt3",), pattern=r"\bATATT3[A-Za-z0-9_=-]{60,260}", longest=266),
    Format(kind="linear_key", starts=("lin_api_",), pattern=rf"\blin_api_{_W}{{40}}", longest=48),
    Format(kind="docker_token", starts=("dckr_pat_",), pattern=rf"\bdckr_pat_{_U}{{27}}", longest=36),
    Format(kind="rubygems_key", starts=("rubygems_",), pattern=rf"\brubygems_{_H}{{48}}", longest=57),
    Format(kind="groq_key", starts=("gsk_",), pattern=rf"\bgsk_{_W}{{48,60}}", longest=64),
    Format(kind="xai_key", starts=("xai-",), pattern=rf"\bxai-{_W}{{70,90}}", longest=94),
    Format(kind="nvidia_key", starts=("nvapi-",), pattern=rf"\bnvapi-{_U}{{60,80}}", longest=86),
    Format(kind="replicate_token", starts=("r8_",), pattern=rf"\br8_{_W}{{37}}", longest=40),
    Format(kind="age_key", starts=("age-secret-key-1",), pattern=r"\bAGE-SECRET-KEY-1[A-Z0-9]{58}", longest=74),
    Format(
        kind="jwt",
        starts=("eyj",),
        pattern=rf"\beyJ{_U}{{12,280}}\.eyJ{_U}{{8}}",
        longest=295,
        proof=_jwt,
        # A repeat with both bounds this far apart would cost RE2 a state for each length at each place.
        found_by=rf"\beyJ{_U}{{12,}}\.eyJ{_U}{{8}}",
    ),
    Format(
        kind="private_key",
        starts=("-----begin ", "---- begin ", "putty-user-key-file-"),
        pattern=r"(?:-----BEGIN (?:[A-Z0-9]{1,12} ){0,3}PRIVATE KEY|---- BEGIN SSH2 ENCRYPTED PRIVATE KEY|"
        r"PuTTY-User-Key-File-)",
        longest=61,
    ),
)
