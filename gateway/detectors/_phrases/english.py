"""Which English phrases try to steer a model?"""

from typing import Final

from gateway.detectors._phrases.phrase import TARGET, Phrase, anywhere, imperative

_DROP: Final = (
    r"(?:ignore|disregard|forget|override|bypass|neglect|discard|do not follow|don't follow|"
    r"stop following|do not obey|disobey)"
)
_BEFORE: Final = (
    r"(?:previous|prior|preceding|above|earlier|foregoing|former|original|initial|existing|past|"
    r"system|safety)"
)
_ORDERS: Final = (
    r"(?:instructions?|prompts?|directives?|guidelines|programming|training|system (?:prompt|"
    r"message)s?)"
)
_FILL: Final = r"(?:(?:of|the|these|those|and|or|any|all|every|your|my|other|previously|given)\s+)"
ENGLISH: Final[tuple[Phrase, ...]] = (
    imperative(
        "override",
        5,
        rf"{_DROP}\s+(?:absolutely\s+)?(?:all|any|every|everything|your|the rest of)\s+"
        rf"{_FILL}{{0,4}}(?:{_BEFORE}[\s,]+){{1,3}}"
        rf"(?:\w+\s+){{0,2}}?{_ORDERS}\b",
    ),
    imperative(
        "override",
        5,
        rf"{_DROP}\s+(?:(?:the|these|those)\s+)?(?:{_BEFORE}(?:\s+(?:and|or)\s+|[\s,]+)){{1,3}}{_ORDERS}\b",
    ),
    imperative("override", 5, rf"{_DROP}\s+(?:all\s+)?(?:of\s+)?your\s+(?:\w+\s+)?{_ORDERS}\b"),
    imperative(
        "override",
        5,
        rf"{_DROP}\s+(?:all|any|all of)\s+(?:the\s+)?(?:instructions|directives|prompts)\s+"
        r"(?:above|before|that (?:came|were)|you (?:were|have|got|received)|given|so far|provided|up to)",
    ),
    imperative(
        "override",
        5,
        r"(?:ignore|disregard|forget)\s+(?:everything|anything|all|all that|whatever)\s+(?:that\s+)?"
        r"you(?:'ve| have| were| had)\s+"
        r"(?:been\s+)?(?:told|instructed|taught|asked|given|learned)\b",
    ),
    imperative(
        "override", 3, r"(?:ignore|disregard|forget)\s+(?:everything|all)\s+(?:above|before this|prior to this)\b"
    ),
    imperative("override", 3, r"(?:ignore|disregard|forget)\s+(?:all (?:of )?)?the above\s+(?:and|instead)\b"),
    imperative(
        "override",
        2,
        r"(?:ignore|disregard|forget)\s+all\s+(?:the\s+)?(?:previous|prior|earlier|above)\s+"
        r"(?:messages?|context|conversations?|rules)\b",
    ),
    anywhere(
        "override", 3, r"\byour (?:real|true|actual|only) (?:instructions?|task|goal|objective|mission) (?:is|are)\b"
    ),
    anywhere(
        "override",
        2,
        r"(?:^|\n|[.!\]>]\s*)\W{0,4}(?:new|updated) (?:system )?(?:instructions?|prompt|task|"
        r"directive)s?\s*:",
    ),
    anywhere(
        "override", 5, r"\binstead of (?:following|obeying) (?:your|the) (?:\w+ )?(?:instructions|system prompt)\b"
    ),
    anywhere(
        "persona",
        5,
        r"\byou are no longer (?:an? (?:ai|assistant|language model|chatbot)|chatgpt|claude|gpt|gemini|"
        r"(?:bound|restricted|limited|constrained) by|(?:required|obliged) to follow)\b",
    ),
    anywhere(
        "persona",
        5,
        r"\byou are now (?:dan\b|in (?:developer|debug|god|jailbreak|admin|dan) mode|(?:an? )?"
        r"(?:unrestricted|jailbroken|unfiltered|"
        r"uncensored|evil)\b|free (?:from|of) (?:all|any|your) )",
    ),
    imperative(
        "persona",
        5,
        r"(?:pretend|act as if|act like|imagine|assume|behave as if)\s+(?:that\s+)?you (?:have|had|"
        r"are under|were under|are bound by) no "
        r"(?:\w+ )?(?:restrictions|rules|guidelines|filters|limitations|limits|constraints|instructions)\b",
    ),
    anywhere(
        "persona",
        3,
        r"\bfrom now on,? you (?:are (?:an?|the|called)\b|will (?:act|behave|respond|answer|pretend|"
        r"obey|only)\b|must (?:act|obey|only|answer|respond)\b)",
    ),
    anywhere("persona", 3, r"\byou (?:can|will|are going to) do anything now\b"),
    anywhere("persona", 5, r"\b(?:stands? for|called|named|known as)\s+\W?do anything now\b"),
    anywhere(
        "frame",
        4,
        r"\b(?:ais?|llms?|language models?)(?: (?:assistant|agent|model|system)s?)? "
        r"(?:reading|processing|reviewing|parsing|summari[sz]ing|evaluating) this"
        r"(?: (?:page|document|text|message|e-?mail|file|resume|cv|paper|article|website))?"
        r"\s*(?:[:,]|must\b|should\b|please\b)",
    ),
    anywhere(
        "frame",
        4,
        r"<!--\s*(?:(?:note|message|instructions?) (?:to|for) )?"
        r"(?:the )?(?:ai|llm|assistant|chatbot|language model)s?\W{1,3}"
        r"(?:ignore|disregard|forget|say|include|always|never|you|please|do not|if)\b",
    ),
    anywhere(
        "frame",
        4,
        r"(?:^|[\n.!?\[({<#*\"'>-]\s*)(?:(?:important|urgent|critical|special|hidden|secret|attention|"
        r"new)\W{1,4})?"
        r"(?:message|note|notice|instructions?|directions|attention|reminder)s?\W{1,4}(?:to|for)?"
        r"\W{0,2}(?:(?:the|any|all|every)\s+)?"
        r"(?:ai|llm|ai/llm|language model|chatbot|gpt|chatgpt|copilot|claude|gemini|bot)s?(?:\s+"
        r"(?:assistant|agent|model|system|reader|reviewer|bot)s?)?\s*[:,.!\])>-]",
    ),
    anywhere(
        "frame",
        5,
        r"\bif you(?:'re| are) (?:an? |any )?(?:ai|llm|large language model|language model|chatbot|"
        r"automated (?:assistant|agent))"
        r"(?:\s+(?:language model|model|assistant|agent|system|bot))?,?\s+(?:(?:that is |who is |"
        r"and )?(?:reading|processing|summari[sz]ing|reviewing|"
        r"analy[sz]ing|evaluating|screening|parsing)|you must|you should|please|ignore|disregard|"
        r"do not|don't|include|say|write|respond|answer|add|rate|recommend)\b",
    ),
    anywhere("frame", 5, r"\bthis is an (?:extremely |very )?important message from me\b[^.\n]{0,60}\bto you\b"),
    anywhere(
        "frame",
        4,
        r"\bbefore you (?:can )?(?:solve|complete|continue|finish|answer|proceed|fulfil+|process|"
        r"do)\b[^.\n]{0,20}\b(?:task|request|question|query)\b[^.\n]{0,60}"
        r"\b(?:you (?:must|have to|need to) (?:first )?(?:do|call|execute|run|send|use|read)|"
        r"(?:please )?do the following)\b",
    ),
    anywhere(
        "frame",
        4,
        r"<(?:important|information|system_note|system-note|admin|secret)>\s*(?:this is|before|"
        r"you (?:must|are)|do not|always|ignore|when)\b",
    ),
    imperative(
        "concealment",
        3,
        r"(?:do not|don't|never|without)\s+(?:ever\s+)?(?:tell(?:ing)?|mention(?:ing)?|inform(?:ing)?|"
        r"notify(?:ing)?|alert(?:ing)?|disclos(?:e|ing)|reveal(?:ing)?)\s+"
        r"(?:(?:this|it|that|anything|these instructions|this (?:instruction|message|step|action))\s+"
        r")?(?:(?:about (?:this|it)\s+)?to\s+)?the (?:end )?user\b",
    ),
    imperative(
        "leak",
        5,
        r"(?:print|reveal|show|output|repeat|display|tell me|give me|write out|write down|recite|leak|"
        r"expose|dump|echo|share|disclose|paste|return)\s+"
        r"(?:(?:me|us|out|back|all|of|exactly|verbatim|everything in|the (?:text|contents?|wording|words) of)"
        r"\s+){0,3}your\s+(?:(?:full|"
        r"entire|complete|exact|initial|original|hidden|secret|"
        r"internal|developer|confidential|whole|own|current|above)[\s,]+){0,3}(?:system (?:prompt|"
        r"message|instructions?)|(?:initial|original|hidden|secret|internal) (?:prompt|instructions?)|"
        r"pre-?prompt|prompt|instructions)\b",
    ),
    anywhere(
        "leak",
        4,
        r"\bwhat (?:is|are|was|were) your (?:(?:exact|full|entire|initial|original|hidden|secret)\s+"
        r")*(?:system (?:prompt|message|instructions)|(?:initial|hidden|secret|original) (?:prompt|"
        r"instructions))\b",
    ),
    imperative(
        "leak",
        4,
        r"(?:repeat|print|output|copy|write|return)\s+(?:back\s+)?(?:everything|all (?:of )?(?:the )?"
        r"(?:text|words|content)|the (?:words|text|content|instructions|prompt)) above\b"
        r"[^.\n]{0,40}(?:starting|beginning|verbatim|word for word|exactly|in a (?:code|text|txt|"
        r"markdown) ?block|code ?block)",
    ),
    imperative(
        "exfiltration",
        5,
        r"(?:send|forward|e-?mail|mail|post|upload|transmit|exfiltrate|leak|submit|deliver)\s+"
        r"(?:(?:me|us|all|any|every|of|the|this|your|their|my|our|entire|full|whole|user's|users'|"
        r"stored|saved)\s+){0,5}"
        r"(?:(?:conversation|chat|message|browsing|search) (?:history|logs?|contents?|transcript)|"
        r"conversations?|system prompt|api[ _-]?keys?|passwords?|credentials|"
        r"access tokens?|session (?:tokens?|cookies?)|cookies|private keys?|environment variables|"
        r"env(?:ironment)? vars?)\b[^.\n]{0,60}?\b(?:to|via|at)\s+"
        rf"(?:the following (?:address|url|e-?mail|server)|{TARGET})",
    ),
    imperative(
        "exfiltration",
        5,
        r"(?:append|add|insert|encode|embed|put|include|place)\s+(?:(?:the|all|a|an|any|of|user's|"
        r"entire|full|whole|base64|encoded)\s+){0,5}"
        r"(?:conversation|chat history|chat|previous messages?|system prompt|summary of (?:the|"
        r"this) (?:conversation|chat))\b[^.\n]{0,60}\b(?:in|into|to|as|within)\s+"
        r"(?:(?:the|an?|this|end|of|following)\s+){0,4}(?:urls?|query(?: string| parameter)?|links?|"
        r"image|img|markdown)\b",
    ),
    anywhere(
        "exfiltration",
        4,
        r"!\[[^\]\n]{0,80}\]\(https?://[^)\s]{1,200}[?&][\w-]{1,30}=(?:\{|\[|<|\$\{|%7b|"
        r"%5b)[a-z][a-z _.'-]{2,60}(?:\}|\]|>|%7d|%5d)",
    ),
)
