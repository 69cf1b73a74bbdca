"""Which texts does each model family's tokenizer or chat template read as control, not as content?

The rule of the lists: a text is here if the family's tokenizer maps it to one token with a meaning of its own (turn,
role, tool, thinking, media, filler), and left out if it is also ordinary writing that no chat template gives a meaning
to. So ``<filename>`` and ``<reponame>``, which StarCoder-based tokenizers know, stay in data, but for the model that
comes with the gateway, whose tokenizer is known to the last token; and so do plain-text role markers such as ``User:``
and ``### Instruction:``. A target's ``reserved_tokens`` can add them.

``<s>``, ``</s>`` and ``<unk>`` are HTML or prose to most readers, but begin and end a sequence for Llama 2, Mistral,
Phi-3 and StruQ, whose families therefore take them out of data (struck-through HTML loses its tags there). Families
that do not know them keep them. ChatML's markers are in every family: fine-tunes of all of them use that template, and
nobody writes it in prose.

``all`` is for models of which nothing is known. It holds what any family has, less what people write themselves
(``_ORDINARY``) and no family's template opens or closes a role, a turn, a tool's part or reasoning with: HTML and SVG
tags, placeholders of manuals, BBCode. Such a token can end a sequence or stand for media, but nobody speaks through it;
a model that has it is better served by its own family.

In a family's token the digit 0 stands for any one digit: ``<unused00>`` means ``<unused42>`` too.

Sources: the published tokenizer files and reference tokenizers of each family (mistral-common, openai/harmony,
google-deepmind/gemma, meta-llama/llama-models, QwenLM, DeepSeek, Cohere, IBM Granite, Microsoft Phi), StruQ's
``config.py`` and DefensiveToken's chat templates. For Claude: the special tokens of the one tokenizer that Anthropic
published, and the tags in which its models are known to write tool calls. ``Human:`` and ``Assistant:``, which parted
turns before there was a Messages API, are plain-text role markers.
"""

import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Final


def _numbered(before: str, after: str, *, digits: int) -> tuple[str, ...]:
    return tuple(f"{before}{'0' * count}{after}" for count in range(1, digits + 1))


def _bars(*names: str) -> tuple[str, ...]:
    return tuple(f"<|{name}|>" for name in names)


def _tags(*names: str) -> tuple[str, ...]:
    return tuple(f"<{name}>" for name in names)


def _pairs(*names: str) -> tuple[str, ...]:
    return tuple(tag for name in names for tag in (f"<{name}>", f"</{name}>"))


def _brackets(*names: str) -> tuple[str, ...]:
    return tuple(f"[{name}]" for name in names)


_SEQUENCE = ("<s>", "</s>", "<unk>")
_FIM = _bars("fim_prefix", "fim_middle", "fim_suffix", "fim_pad")
_THINK = _pairs("think")
_CHATML = _bars("im_start", "im_end", "endoftext")

# Separators of source files in StarCoder's training data, without the two that people write themselves.
_STARCODER = (
    *_tags("repo_name", "file_sep", "gh_stars", "issue_start", "issue_comment", "issue_closed"),
    *_tags("jupyter_start", "jupyter_text", "jupyter_code", "jupyter_output", "jupyter_script", "empty_output"),
    *_tags("commit_before", "commit_msg", "commit_after", "fim_prefix", "fim_middle", "fim_suffix", "fim_pad"),
)

_LLAMA2 = (*_SEQUENCE, "<<SYS>>", "<</SYS>>", "[INST]", "[/INST]")

_LLAMA3 = (
    *_bars("begin_of_text", "end_of_text", "start_header_id", "end_header_id", "eot_id", "eom_id", "python_tag"),
    *_bars("step_id", "image", "finetune_right_pad_id", "finetune_right_pad"),
    *_numbered("<|reserved_special_token_", "|>", digits=3),
    # Llama 4
    *_bars("header_start", "header_end", "eot", "eom", "step", "python_start", "python_end", "fim_prefix"),
    *_bars("fim_middle", "fim_suffix", "image_start", "image_end", "patch", "tile_x_separator", "tile_y_separator"),
    *_bars("reasoning_thinking_start", "reasoning_thinking_end"),
    *_numbered("<|text_post_train_reserved_special_token_", "|>", digits=4),
    *_numbered("<|vision_reserved_special_token_", "|>", digits=4),
)

_MISTRAL = (
    *_SEQUENCE,
    "<pad>",
    *_brackets("INST", "/INST", "AVAILABLE_TOOLS", "/AVAILABLE_TOOLS", "TOOL_RESULTS", "/TOOL_RESULTS", "TOOL_CALLS"),
    *_brackets("SYSTEM_PROMPT", "/SYSTEM_PROMPT", "TOOL_CONTENT", "ARGS", "CALL_ID", "THINK", "/THINK"),
    *_brackets("MODEL_SETTINGS", "/MODEL_SETTINGS", "IMG", "IMG_BREAK", "IMG_END", "PREFIX", "MIDDLE", "SUFFIX"),
    *_brackets("AUDIO", "BEGIN_AUDIO", "TRANSCRIBE", "REPEAT_AUDIO_TEXT", "NEXT_AUDIO_TEXT"),
    *_brackets("STREAMING_PAD", "STREAMING_WORD"),
    *_numbered("[control_", "]", digits=3),
    *_numbered("<SPECIAL_", ">", digits=3),
)

_GEMMA = (
    *_tags("bos", "eos", "pad", "unk", "mask", "2mass", "start_of_turn", "end_of_turn", "image_soft_token"),
    *_tags("start_of_image", "end_of_image", "start_of_audio", "end_of_audio", "audio_soft_token"),
    *_tags("begin_of_tool_response", "end_of_tool_response"),
    "[multimodal]",
    "[@BOS@]",
    *_numbered("<unused", ">", digits=4),
    *_bars("fim_prefix", "fim_middle", "fim_suffix", "file_separator"),
    # FunctionGemma
    *_tags("start_function_declaration", "end_function_declaration", "start_function_call", "end_function_call"),
    *_tags("start_function_response", "end_function_response", "escape"),
    # Gemma 4
    *_bars("think", "image", "audio", "video", '"'),
    *(form for name in ("turn", "channel", "tool", "image", "audio") for form in (f"<|{name}>", f"<{name}|>")),
    *(form for name in ("tool_call", "tool_response") for form in (f"<|{name}>", f"<{name}|>")),
)

_QWEN = (
    *_CHATML,
    *_FIM,
    *_THINK,
    *_pairs("tool_call", "tool_response"),
    *_bars("repo_name", "file_sep", "vision_start", "vision_end", "vision_pad", "image_pad", "video_pad"),
    *_bars("object_ref_start", "object_ref_end", "box_start", "box_end", "quad_start", "quad_end"),
    *_bars("audio_start", "audio_end", "audio_pad", "audio_bos", "audio_eos", "vision_bos", "vision_eos"),
    *_bars("AUDIO", "IMAGE", "VIDEO"),
    *_tags("tts_pad", "tts_text_bos", "tts_text_bos_single", "tts_text_eod"),
    *_numbered("<|extra_", "|>", digits=3),
)

_HARMONY = (
    *_bars("start", "end", "message", "channel", "constrain", "return", "call", "refusal"),
    *_bars("untrusted", "end_untrusted", "meta_end", "startoftext", "endoftext", "endofprompt"),
    "<|reserved_000000|>",
)

_OPENAI = (*_CHATML, *_FIM, *_bars("im_sep", "endofprompt"), *_HARMONY)

_COMMAND_R = (
    *_tags("PAD", "UNK", "CLS", "SEP", "MASK_TOKEN", "BOS_TOKEN", "EOS_TOKEN", "EOP_TOKEN"),
    *_bars("START_OF_TURN_TOKEN", "END_OF_TURN_TOKEN", "SYSTEM_TOKEN", "USER_TOKEN", "CHATBOT_TOKEN"),
    *_bars("YES_TOKEN", "NO_TOKEN", "GOOD_TOKEN", "BAD_TOKEN", "USER_0_TOKEN", "EXTRA_0_TOKEN", "NEW_FILE"),
    *(f"<|{edge}_{area}|>" for area in ("THINKING", "RESPONSE", "ACTION", "TEXT") for edge in ("START", "END")),
    *_bars("START_TOOL_RESULT", "END_TOOL_RESULT"),
)

_GRANITE = (
    *_bars("start_of_role", "end_of_role", "end_of_text", "tool_call", "start_of_cite", "end_of_cite"),
    *_bars("start_of_plugin", "end_of_plugin", "audio", "pad", "unk"),
    *_FIM,
    *_THINK,
    *_tags("think_on", "think_off"),
    *_pairs("tool_call", "tool_response"),
    *_numbered("<|unused_", "|>", digits=3),
    *_STARCODER,
)

# DeepSeek writes U+FF5C for the bar and U+2581 for the space; plain bars match too, by normalisation.
_DEEPSEEK = (
    *(f"<｜{name}｜>" for name in ("User", "Assistant", "▁pad▁", "begin▁of▁sentence", "end▁of▁sentence")),  # noqa: RUF001
    *(f"<｜fim▁{part}｜>" for part in ("begin", "hole", "end")),  # noqa: RUF001
    *(f"<｜search▁{edge}｜>" for edge in ("begin", "end")),  # noqa: RUF001
    *(
        f"<｜tool▁{what}▁{edge}｜>"  # noqa: RUF001
        for what in ("calls", "call", "outputs", "output")
        for edge in ("begin", "end")
    ),
    "<｜tool▁sep｜>",  # noqa: RUF001
    "｜DSML｜",  # noqa: RUF001
    *_numbered("<｜place▁holder▁no▁", "｜>", digits=3),  # noqa: RUF001
    "<|EOT|>",
    *_THINK,
)

_PHI = (
    *_SEQUENCE,
    *_CHATML,
    *_FIM,
    *_bars("im_sep", "system", "user", "assistant", "end", "tool", "/tool", "tool_call", "/tool_call"),
    *_bars("tool_response", "tag", "image", "audio"),
    *_pairs("think"),
    *_tags("nothink"),
    *_numbered("<|placeholder", "|>", digits=2),
    *_numbered("<|dummy_", "|>", digits=3),
    *_numbered("<|endoftextimage_", "|>", digits=2),
    *_numbered("<|image_", "|>", digits=3),
    *_numbered("<|audio_", "|>", digits=3),
)

_STRUQ = (*_brackets("MARK", "INST", "INPT", "RESP", "COLN", "PAD"), *_SEQUENCE)

_FALCON = _bars("system", "user", "assistant", "pad", "endoftext")

# The published models are Llama 3, Llama 3.1, Qwen 2.5 and Falcon 3 with five more tokens.
_DEFENSIVE = (*_brackets("DefensiveToken0"), *_LLAMA3, *_QWEN, *_FALCON)

_GLM = (
    *_brackets("gMASK", "sMASK"),
    *_tags("sop", "eop"),
    *_bars("system", "user", "assistant", "observation", "endoftext", "begin_of_image", "end_of_image"),
    *_THINK,
)

_KIMI = (
    *_brackets("BOS", "EOS", "EOT", "PAD", "UNK"),
    *_bars("im_user", "im_system", "im_assistant", "im_middle", "im_end"),
    *_bars("tool_calls_section_begin", "tool_calls_section_end", "tool_call_begin", "tool_call_end"),
    *_bars("tool_call_argument_begin", "media_begin", "media_content", "media_end", "media_pad"),
)

_CLAUDE_NAMESPACE = "antml:"
_CLAUDE = (
    *_tags("EOT", "META", "META_START", "META_END", "SOS"),
    *_pairs("function_calls", "function_results"),
    # Whatever name follows in the tag, and whatever attributes.
    *(f"<{slash}{_CLAUDE_NAMESPACE}" for slash in ("", "/")),
)

_SMOLLM = (*_CHATML, *_STARCODER, *_THINK)


# What ``all`` leaves in data.
_ORDINARY: Final = frozenset(
    (
        # HTML, SVG and the words of machine learning's own prose
        *_SEQUENCE,
        *_tags("mask", "pad", "PAD", "UNK", "CLS", "SEP", "2mass", "EOT", "META", "SOS"),
        *_brackets("PAD", "UNK", "BOS"),
        # usage lines and placeholders: ``tool [ARGS]``, ``git clone <repo_name>``, Emacs' ``<escape>``
        *_brackets("ARGS", "CALL_ID", "PREFIX", "MIDDLE", "SUFFIX", "multimodal"),
        *_numbered("[control_", "]", digits=3),
        *_tags("escape"),
        *_STARCODER,
        # BBCode and transcripts
        *_brackets("IMG", "AUDIO", "TRANSCRIBE"),
    )
)


def _union(*families: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(token for family in families for token in family))


_LISTED: Final[Mapping[str, tuple[str, ...]]] = {
    "chatml": _CHATML,
    "claude": _CLAUDE,
    "llama2": _LLAMA2,
    "llama3": _LLAMA3,
    "mistral": _MISTRAL,
    "gemma": _GEMMA,
    "qwen": _QWEN,
    "harmony": _HARMONY,
    "openai": _OPENAI,
    "command-r": _COMMAND_R,
    "granite": _GRANITE,
    "deepseek": _DEEPSEEK,
    "phi": _PHI,
    "struq": _STRUQ,
    "defensive-token": _DEFENSIVE,
    "glm": _GLM,
    "kimi": _KIMI,
    "smollm": _SMOLLM,
}

ALL: Final = "all"
FINETUNE: Final = "finetune"

# Markers that fine-tunes and less common bases bring along: OpenChat, Nemotron, T5's sentinels.
_FINETUNES: Final = ("<|end_of_turn|>", "<extra_id_0>", "<extra_id_00>", "<SPECIAL_0>", "<SPECIAL_00>", "<SPECIAL_000>")

FAMILIES: Final[Mapping[str, tuple[str, ...]]] = MappingProxyType(
    {
        **{name: _union(tokens, _CHATML) for name, tokens in _LISTED.items()},
        "smollm": _union(_SMOLLM, _tags("filename", "reponame")),
        # A fine-tune keeps its base's tokens, and its name seldom says which base that is.
        FINETUNE: _union(*_LISTED.values(), _FINETUNES),
        ALL: tuple(token for token in _union(*_LISTED.values(), _FINETUNES) if token not in _ORDINARY),
    }
)

# Special builds, whose names also hold their base model's: the first word found decides.
_SPECIAL_BUILDS: Final = (
    ("defensivetoken", "defensive-token"),
    ("secalign", "llama3"),
    ("struq", "struq"),
    ("gpt-oss", "harmony"),
)

_WORDS: Final[Mapping[str, str]] = {
    "chatml": r"chatml",
    "claude": r"\bclaude",
    "finetune": r"hermes|dolphin|\borca|openchat|zephyr|nemotron|vicuna|wizard|alpaca|starling|tulu|\bfalcon|\byi-",
    "llama2": r"llama-?2|codellama",
    "llama3": r"llama-?[34]",
    "mistral": r"mistral|mixtral|magistral|codestral|devstral|pixtral|voxtral",
    "gemma": r"gemma",
    "qwen": r"qwen|\bqwq",
    "openai": r"\bgpt-?[345]|chatgpt|\bo[134]\b|\btext-embedding-(?:3|ada)\b",
    "command-r": r"\bcommand-[ar]\b|\bc4ai|\baya\b",
    "granite": r"granite",
    "deepseek": r"deepseek",
    "phi": r"\bphi-?[0-9]",
    "glm": r"\b(?:chat)?glm",
    "kimi": r"\bkimi",
    "smollm": r"smollm",
}


def family_for(model: str) -> str:
    """Guess a family by an upstream model's name.

    A fine-tune's name gets ``finetune``, whatever base it names. A name that speaks for no family, or for more than one
    (``DeepSeek-R1-Distill-Qwen``), gets ``all``.
    """
    name = model.lower()
    for word, family in _SPECIAL_BUILDS:
        if word in name:
            return family
    found = [family for family, words in _WORDS.items() if re.search(words, name)]
    if FINETUNE in found:
        return FINETUNE
    return found[0] if len(found) == 1 else ALL
