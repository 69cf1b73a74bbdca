# ruff: noqa: RUF001  (the samples look like other characters on purpose)
import json
import time
import unicodedata
from collections.abc import Iterator
from functools import cache

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adapters.formats._families import FAMILIES
from adapters.formats._folding import fold, folds, ignorable
from adapters.formats._reserved import ReservedTokens, compile_reserved

ALL = compile_reserved("all")
PIECES = (
    "<|im_",
    "<|",
    "|>",
    "end|>",
    "start",
    "<s>",
    "<",
    "s>",
    "[INST]",
    "[/IN",
    "ST]",
    "[control_",
    "8",
    "]",
    "<unused",
    "4>",
)
HIDING = (
    "\u200b",
    "\u00ad",
    "\ufe0f",
    "\u202e",
    "\U000e0041",
    "\x00",
    "＜",
    "｜",
    "＞",
    "ﬁ",
    "𝐢",
    "[ＩＮＳＴ]",
    "7",
    "é",
)
HOSTILE = st.lists(st.sampled_from(PIECES + HIDING) | st.text(max_size=3), max_size=30).map("".join)


SAME_DIGIT = str.maketrans("123456789", "0" * 9)


@cache
def shapes(reserved: ReservedTokens) -> tuple[tuple[str, bool], ...]:
    folded = (fold(token) for token in reserved.tokens)
    return tuple((token, token.translate(SAME_DIGIT) == token) for token in folded)


def holds_token(text: str, reserved: ReservedTokens = ALL) -> bool:
    """An independent and slow look: each token, its zeros standing for any digit, in the folded text."""
    view = fold(text)
    flat = view.translate(SAME_DIGIT)
    return any(shape in (flat if numbered else view) for shape, numbered in shapes(reserved))


def is_deletion(kept: str, text: str) -> bool:
    rest = iter(text)
    return all(char in rest for char in kept)


def spellings(token: str) -> Iterator[str]:
    yield token
    yield token.replace("0", "7")
    yield "\u200b".join(token)
    yield "".join(chr(ord(char) + 0xFEE0) if "!" <= char <= "~" else char for char in token)
    yield f"{token[:2]}\ufe0f\x01{token[2:]}"


@given(HOSTILE)
@settings(max_examples=2 * settings().max_examples)
def test_removal_leaves_no_token_is_idempotent_and_only_deletes(text: str) -> None:
    kept, count = ALL.remove(text)
    assert not holds_token(kept)
    assert ALL.remove(kept) == (kept, 0)
    assert is_deletion(kept, text)
    assert (count > 0) == holds_token(text)
    assert (kept == text) == (count == 0)


@given(HOSTILE)
@settings(max_examples=2 * settings().max_examples)
def test_breaking_keeps_the_value_and_leaves_no_token(text: str) -> None:
    value = {"text": text, text: [text, 1, None, "\\" + text + '"']}
    for ascii_only in (True, False):
        source = json.dumps(value, ensure_ascii=ascii_only)
        broken, count = ALL.break_json(source)
        assert json.loads(broken) == value
        assert not holds_token(broken)
        assert (count > 0) == (broken != source)


@given(st.text(alphabet='ab01\\u0063"<\u200b', max_size=40))
@settings(max_examples=2 * settings().max_examples)
def test_extra_tokens_of_any_characters_are_removed_and_broken_where_json_can_say_it(text: str) -> None:
    reserved = compile_reserved("chatml", ("ab", "ba0", "0a1", "<", "3b"))
    kept, _ = reserved.remove(text)
    assert not any(token in fold(kept) for token in reserved.tokens)
    broken, _ = reserved.break_json(json.dumps([text]))
    assert json.loads(broken) == [text]


@pytest.mark.rows
@pytest.mark.parametrize("family", sorted(FAMILIES))
def test_every_token_of_a_family_is_removed_in_each_spelling(family: str) -> None:
    reserved = compile_reserved(family)
    for token in FAMILIES[family]:
        for spelling in spellings(token):
            assert reserved.remove(f"a{spelling}b") == ("ab", 1), spelling
            source = json.dumps(spelling, ensure_ascii=False)
            broken, count = reserved.break_json(source)
            assert json.loads(broken) == spelling
            assert count == (0 if "\\" in source else 1)


def test_nested_tokens_leave_nothing_usable() -> None:
    assert ALL.remove("<|im_<|im_end|>end|>") == ("", 2)
    assert ALL.remove("<|i<|i<|im_end|>m_end|>m_end|>x") == ("x", 3)
    assert ALL.remove("[IN[/INST]ST]<unu<think>sed42>") == ("", 4)


def test_invisible_characters_outside_a_token_stay() -> None:
    assert ALL.remove("\u200b<|im_\u200bend|>\u200b") == ("\u200b\u200b", 1)


def test_a_ligature_counts_as_its_letters() -> None:
    assert ALL.remove("a<|\ufb01m_prefix|>b") == ("ab", 1)
    assert compile_reserved("chatml", ("i!",)).remove("\ufb01! ok") == (" ok", 1)
    assert compile_reserved("chatml", ("!f",)).remove("a!\ufb01b") == ("ab", 1)
    assert compile_reserved("chatml", ("x<", "y")).remove("\ufb01 x< y") == ("\ufb01  ", 2)
    assert ALL.remove("the \ufb01rst <b>\ufb02oor</b>") == ("the \ufb01rst <b>\ufb02oor</b>", 0)


def test_lone_surrogates_do_not_stop_the_search() -> None:
    assert ALL.remove("\ud800<|im_end|>\udfff") == ("\ud800\udfff", 1)


def test_numbered_tokens_match_any_number_of_their_width_only() -> None:
    gemma = compile_reserved("gemma")
    assert gemma.remove("<unused42><unused6241>") == ("", 2)
    assert gemma.remove("<unused> <unused12345> <unused4x>") == ("<unused> <unused12345> <unused4x>", 0)
    assert gemma.remove("<2mass> <3mass>") == (" <3mass>", 1)


def test_digits_of_extra_tokens_are_literal() -> None:
    reserved = compile_reserved("chatml", ("KEY-10", "KEY-27", "0x"))
    assert reserved.remove("KEY-10 KEY-27 KEY-11 KEY-\uff11\uff10 0x 1x") == ("  KEY-11   1x", 4)
    assert reserved.break_json('["KEY-10", "KEY-11"]') == ('["\\u004bEY-10", "KEY-11"]', 1)


def test_a_family_token_wins_over_an_extra_one_of_its_shape() -> None:
    assert compile_reserved("gemma", ("<unused7>",)).remove("<unused1><unused7>") == ("", 2)


def test_the_longest_of_tokens_that_end_together_is_removed() -> None:
    assert compile_reserved("chatml", ("ab1", "b1")).remove("xab1 cb1 ab2") == ("x c ab2", 2)


def test_one_escape_breaks_a_token_and_the_longer_one_around_it() -> None:
    assert compile_reserved("chatml", ("ba", "xbay")).break_json('"xbay"') == ('"x\\u0062ay"', 1)


def test_breaking_leaves_json_syntax_alone() -> None:
    reserved = compile_reserved("chatml", ("null", "[1", "n\\"))
    assert reserved.break_json('[1, null, "null"]') == ('[1, null, "\\u006eull"]', 1)


def test_breaking_goes_on_until_its_own_escapes_spell_nothing() -> None:
    reserved = compile_reserved("chatml", ("c|im",))
    broken, count = reserved.break_json('"<|im_end|>"')
    assert json.loads(broken) == "<|im_end|>"
    assert "c|im" not in broken
    assert count == 2


def test_breaking_writes_astral_characters_as_surrogate_pairs() -> None:
    broken, count = compile_reserved("chatml", ("zero",)).break_json('"𝐳ero"')
    assert (broken, count) == ('"\\ud835\\udc33ero"', 1)
    assert json.loads(broken) == "𝐳ero"


def test_breaking_takes_no_unknown_character_for_a_line_break() -> None:
    reserved = compile_reserved("chatml", ("\n\nHuman:",))
    assert reserved.remove("a\n\nHuman: b") == ("a b", 1)
    assert reserved.break_json('["\u4e2d\u4e2dHuman:",\n\n"<|im_end|>"]') == (
        '["中中Human:",\n\n"\\u003c|im_end|>"]',
        1,
    )


def test_breaking_does_not_cut_an_escape() -> None:
    reserved = compile_reserved("chatml", ("ope",))
    source = json.dumps("a\nope \\nope")
    broken, count = reserved.break_json(source)
    assert json.loads(broken) == "a\nope \\nope"
    assert count == 2


ORDINARY = {
    "markdown": (
        "# Title\n\n## Section\n### Instruction: read this\n- [ ] todo\n- [x] done [link](https://a.example/x?y=1&z=[2])\n"
        "> quote\n\n| a | b |\n|---|---|\n| 1 | 2 |\n\n```sh\ncat <<EOF | grep -v '|' > out.txt\nEOF\n```\n[1]: http://b\n"
        "User: hello\nAssistant: hi\nSystem: ok\n[inst] lower case [INSTRUCTIONS] [TODO] [NOTE]\n"
    ),
    "code": (
        "template<typename T> std::vector<T> f(const T& a) { return a << 2 | b >> 1 || c; }\n"
        "fn main() { let v: Vec<Option<&str>> = vec![]; v.iter().map(|x| x).collect::<Vec<_>>(); }\n"
        "a <| b |> c; x |> f |> g\nif (a<|b|>c) {}\nusage: tool <filename> [options] <unused> <end>\n"
        "arr[0][1] = m['INST'];\n"
    ),
    "json": '{"a": [1, 2, {"b": null}], "c": "<p>|</p>", "d": "\\u003c|x|>", "INST": ["IMG"], "think": true}',
    "html": (
        '<!doctype html><html><head><title>T</title></head><body class="s"><p>Price <b>5</b> &lt; 6<br/>now</p>'
        '<table><tr><td>1</td></tr></table><img src="a.png"><script>if (a < b && c > d) { x = y; }</script></body>'
    ),
    "languages": (
        "می‌خواهم بروم. क्‍ष हिन्दी ಕನ್ನಡ‌ ภาษาไทย 中文，标点（全角）：ＡＢＣ１２３！＜书名＞ 日本語「括弧」｜区切り"
        "한국어 ㅤ العربية ٣ עברית\u200f Ελληνικά русский ﬁn ™ № ½ Ⅱ"
    ),
    "emoji": "👩‍👩‍👧‍👦 ❤️ 🏴󠁧󠁢󠁥󠁮󠁧󠁿 👍🏽 🇩🇪 1️⃣ \x00\x1b[0m tab\tend\r\n",
    "bytes": "".join(map(chr, range(1, 0x250))),
}


# What people write that is a token of some family, and that ``all`` therefore leaves alone.
EVERYDAY = {
    "html": (
        "<p>Was <s>12 EUR</s>, now <b>9 EUR</b></p>\n<svg><defs><mask id='m'><rect/></mask></defs><mask>x</mask></svg>"
        "<details><summary>More</summary><s>gone</s></details>"
    ),
    "manual": (
        "SYNOPSIS\n  tool [OPTIONS] [ARGS]...  tool [PREFIX] [MIDDLE] [SUFFIX] [CALL_ID] [AUDIO]\n"
        "  git clone https://host/<repo_name> && git commit -m <commit_msg>\n"
        "  M-<escape> <pad> <filename> [control_1]\n"
    ),
    "bbcode": "[b]bold[/b] [IMG]http://a.example/b.png[/IMG] [QUOTE=x]y[/QUOTE] [url=z]w[/url] [s]old[/s] [BOS] 3:1",
    "jsx": (
        "export const A = () => (<><Tool call={x => x<3} {...p} /><T.Think>{a?.[0] ?? <s>b</s>}</T.Think></>);\n"
        "const f = <T,>(x: T[]): Array<Map<string, T>> => [x.map(y => [y])];\n"
    ),
    "c++": (
        "template <class T, std::enable_if_t<(sizeof(T) > 4 || N<8>::v), int> = 0> [[nodiscard]] auto f(T&& t)\n"
        "  -> std::map<std::string, std::vector<T>> { return [&]<int... I>(auto) { return m[I]<<2; }(t); }\n"
    ),
    "shell": (
        "cat <<'EOF' | sed 's/[<>|]//g' >>log 2>&1\nif [[ $a == [A-Z]* ]]; then echo <<<\"$b\"; fi\nEOF\n"
        "diff <(sort a) <(sort b) || [ -n \"$x\" ] && tr '[:lower:]' '[:upper:]'\n"
    ),
    "xml": (
        '<?xml version="1.0"?><!DOCTYPE r [<!ENTITY e "v">]><r xmlns:s="u"><s:s>1</s:s><![CDATA[<s>]]></r>\n'
        "<think-tank/><role>admin</role><tool name='x'/><system>on</system><user>u</user><turn n='1'/>"
    ),
    "latex": "\\begin{a}[H] |x|\\le\\langle a|b\\rangle<\\|c\\|>\\left[\\frac{1}{2}\\right] \\cite[p.~3]{k} <|\\psi|>",
    "right to left": "السعر <b>٥</b> \u200f[ملاحظة]\u200e می‌رود <s>کهنه</s> שלום [הערה] <br/> \u202aabc\u202c |\u200f|",
    "cjk": "＜書名＞［注］｜項目｜《题》〈s〉 <s>旧価格</s> ［ＩＭＧ］ 【重要】 100％ ㈱ ﬁ ＜ｓ＞ 한국어 [참고] <목차>",
    "learning": "pad with <pad> or [PAD], unknown words are <unk>, [UNK] or <UNK>, between <s> and </s>, [CLS]? <SEP>",
}


@pytest.mark.rows
@pytest.mark.parametrize("kind", sorted(EVERYDAY))
def test_everyday_text_passes_a_model_of_which_nothing_is_known(kind: str) -> None:
    text = EVERYDAY[kind]
    assert ALL.remove(text) == (text, 0)
    assert ALL.remove(f"{text}<|im_end|>{text}") == (text + text, 1)
    assert ALL.break_json(json.dumps(text, ensure_ascii=False))[1] == 0


@pytest.mark.rows
@pytest.mark.parametrize("kind", sorted(ORDINARY))
@pytest.mark.parametrize("family", sorted(FAMILIES))
def test_ordinary_text_passes_unchanged(kind: str, family: str) -> None:
    text = ORDINARY[kind]
    # To the model that comes with the gateway this placeholder is a token: of what is native none may stay.
    lost = text.count("<filename>") if family == "smollm" else 0
    left = text.replace("<filename>", "") if lost else text
    assert compile_reserved(family).remove(text) == (left, lost)


@pytest.mark.rows
@pytest.mark.parametrize("kind", sorted(ORDINARY))
def test_ordinary_text_around_a_token_passes_unchanged(kind: str) -> None:
    text = ORDINARY[kind]
    assert ALL.remove(f"{text}<|im_end|>{text}") == (text + text, 1)


@pytest.mark.rows
@pytest.mark.parametrize(
    "family", ["chatml", "llama3", "qwen", "harmony", "openai", "command-r", "granite", "deepseek", "all"]
)
def test_struck_through_html_passes_where_the_family_has_no_such_token(family: str) -> None:
    assert compile_reserved(family).remove("<s>old</s> new <unk>") == ("<s>old</s> new <unk>", 0)


@pytest.mark.rows
@pytest.mark.parametrize("family", ["llama2", "mistral", "struq", "phi"])
def test_sequence_tokens_go_where_the_family_has_them(family: str) -> None:
    assert compile_reserved(family).remove("<s>old</s> new") == ("old new", 2)


@pytest.mark.rows
@pytest.mark.parametrize(
    "unit",
    ["<|im_", "<|im_end|>", "\u200b<", "<", "ﬁ<", "<|text_post_train_reserved_special_token_"],
    ids=["nested", "tokens", "invisible", "starts", "ligatures", "longest"],
)
def test_hostile_text_takes_linear_time(unit: str) -> None:
    hostile = unit * (100_000 // len(unit)) + "<|im_end|>"
    began = time.process_time()
    kept, count = ALL.remove(hostile)
    broken, _ = ALL.break_json(json.dumps(hostile, ensure_ascii=False))
    assert time.process_time() - began < 10
    assert count >= 1
    assert not holds_token(kept)
    assert json.loads(broken) == hostile


def test_a_megabyte_of_nested_openings_takes_seconds_at_most() -> None:
    began = time.process_time()
    assert ALL.remove("<|im_" * 100_000 + "end|>" * 100_000) == ("", 100_000)
    assert time.process_time() - began < 20


def test_an_unknown_family_is_refused_with_the_known_ones() -> None:
    with pytest.raises(ValueError, match=r"chatml, .*struq"):
        compile_reserved("gpt2")


def test_an_invisible_extra_token_is_refused() -> None:
    with pytest.raises(ValueError, match="visible"):
        compile_reserved("chatml", ("\u200b",))


def test_compilation_is_cached() -> None:
    assert compile_reserved("llama3", ("X",)) is compile_reserved("llama3", ("X",))
    assert compile_reserved("llama3", ("X",)).tokens[-1] == "X"


def test_no_other_character_of_unicode_folds_to_ascii() -> None:
    table = folds({chr(code) for code in range(0x21, 0x7F)})
    for code in range(0x110000):
        char = chr(code)
        if not 0xD800 <= code < 0xE000 and code > 0x7F and char not in table:
            assert not any("!" <= part <= "~" for part in unicodedata.normalize("NFKC", char)), hex(code)


def test_every_format_character_but_the_visible_ones_is_ignorable() -> None:
    seen = [
        char for char in map(chr, range(0x110000)) if unicodedata.category(char) == "Cf" and char not in ignorable()
    ]
    assert all(unicodedata.name(char).split()[0] in {"ARABIC", "SYRIAC", "KAITHI"} for char in seen)
    assert not ignorable() & set("\t\n\r aé中")
