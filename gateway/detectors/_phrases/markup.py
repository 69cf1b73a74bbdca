"""Which marks of conversations and tools, in no language, does a text fake?"""

from typing import Final

from gateway.detectors._phrases.phrase import Phrase, anywhere

_STEERING: Final = (
    r"(?:you (?:must|shall|will|are (?:now )?(?:an?|the|no longer)\b|should now)|ignore\b|"
    r"disregard\b|forget\b|from now on|override|new (?:instructions|task)|"
    r"du (?:bist|musst|sollst)|ignoriere|vergiss|tu (?:es|dois)|vous (?:etes|devez)|oublie|eres\b|"
    r"debes\b|ignora\b|olvida\b)"
)
MARKUP: Final[tuple[Phrase, ...]] = (
    anywhere(
        "role_markup",
        4,
        r"<\|(?:im_start|start|header_start|start_header_id|turn)\|>\s{0,4}(?:system|developer|"
        r"assistant|user|tool|ipython)\b",
    ),
    anywhere(
        "role_markup",
        4,
        r"<\|(?:system|developer|assistant|user|eot_id|im_end|end_of_turn|endofprompt|end_header_id)\|"
        r">",
    ),
    anywhere(
        "role_markup",
        4,
        r"<start_of_turn>\s{0,4}(?:user|model|system)|<<sys>>|\[/?inst\]|\[/?system_prompt\]|"
        r"\[tool_(?:calls|results)\]",
    ),
    anywhere(
        "role_markup",
        4,
        rf"(?:^|\n)[\s\[#*<=-]{{0,8}}(?:system|developer|admin(?:istrator)?)(?: (?:message|prompt|note|"
        rf"override|update|instructions?))?[\]*>=]{{0,4}}\s{{0,3}}(?::|>|\n)[\s*]{{0,4}}{_STEERING}",
    ),
    anywhere(
        "role_markup",
        4,
        r"</?(?:system|system_prompt|system-prompt|system_message|developer|"
        rf"instructions?)>[\s*]{{0,4}}{_STEERING}",
    ),
    anywhere(
        "role_markup",
        3,
        r"</(?:untrusted_data|tool_response|tool_result|tool_output|function_results?|user_input|"
        r"external_content)>",
    ),
    anywhere("role_markup", 3, r"<(?:tool_call|function_calls?|antml:invoke|tool_use)\b[^>\n]{0,80}>\s{0,4}[\[{<]"),
    anywhere(
        "role_markup",
        4,
        r"[\[<=#-]\s{0,3}(?:begin|start|end)(?: of)?(?: the)? (?:system|hidden|admin|developer|"
        r"new) (?:prompt|message|instructions?)\b|\[system\]\(#",
    ),
    anywhere("role_markup", 2, r"(?:^|\n)###\s{0,3}(?:instruction|system|human|assistant)s?:"),
)
