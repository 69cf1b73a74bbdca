"""Which German phrases try to steer a model? Umlauts come folded (``fruher``) or written out (``frueher``)."""

from typing import Final

from gateway.detectors._phrases.phrase import TARGET, Phrase, anywhere, imperative

_DE_DROP: Final = (
    r"(?:ignorier(?:e|en sie|t)?|vergiss|vergesst|vergessen sie|missachten? ?(?:sie)?|umgehe|"
    r"verwirf|verwerfen sie|uberschreibe|ueberschreibe)"
)
_DE_BEFORE: Final = (
    r"(?:vorherigen?|bisherigen?|vorigen?|vorangegangenen?|vorangehenden?|vorhergehenden?|obigen?|"
    r"fr(?:u|ue)heren?|urspr(?:u|ue)nglichen?|zuvor gegebenen|oben ?(?:genannten|stehenden)|"
    r"anf(?:a|ae)nglichen?)"
)
_DE_ORDERS: Final = (
    r"(?:anweisung(?:en)?|instruktion(?:en)?|befehle?|vorgaben|prompts?|richtlinien|"
    r"system-?(?:prompts?|anweisung(?:en)?|nachricht(?:en)?))"
)
GERMAN: Final[tuple[Phrase, ...]] = (
    imperative(
        "override",
        4,
        r"(?:ignoriere|ignorieren sie|vergiss|vergessen sie)\s+(?:bitte\s+)?alles\s+"
        r"(?:oben (?:genannte|stehende)|bisherige|vorherige|obige)\b",
    ),
    imperative(
        "override",
        5,
        rf"{_DE_DROP}\s+(?:(?:bitte|sofort|jetzt|nun|ab sofort|alle|samtliche|saemtliche|jegliche|"
        rf"deine|ihre|eure|die|der|diese|all)\s+){{0,5}}{_DE_BEFORE}\s+{_DE_ORDERS}\b",
    ),
    imperative(
        "override",
        5,
        rf"{_DE_DROP}\s+(?:(?:bitte|sofort|jetzt|alle|samtliche|saemtliche)\s+){{0,3}}(?:deine|eure)\s+"
        rf"(?:\w+\s+)?{_DE_ORDERS}\b",
    ),
    imperative(
        "override",
        5,
        r"(?:vergiss|vergessen sie|ignoriere|ignorieren sie)\s+(?:bitte\s+)?alles,?\s+was\s+(?:dir|"
        r"man dir|ihnen|du|sie)\s+(?:\w+\s+){0,3}?(?:gesagt|gelernt|aufgetragen|befohlen|mitgeteilt|"
        r"angewiesen)",
    ),
    imperative(
        "override",
        5,
        r"(?:folge|folgen sie|befolge|befolgen sie|beachte|beachten sie)\s+(?:(?:nicht|ab|jetzt|mehr|"
        rf"keine[nr]?|den|die|deinen?|ihren?)\s+){{1,5}}(?:{_DE_BEFORE}\s+){_DE_ORDERS}\s+(?:nicht|"
        r"mehr)",
    ),
    anywhere(
        "persona",
        5,
        r"\bdu bist (?:jetzt|nun|ab jetzt|ab sofort) (?:kein(?:e)? (?:ki|assistent|sprachmodell)|"
        r"nicht (?:mehr|langer|laenger) an|uneingeschrankt|im entwicklermodus|frei von (?:allen|"
        r"deinen))",
    ),
    imperative(
        "persona",
        5,
        r"(?:tu|verhalte dich|handle|antworte) so,? als (?:hattest|haettest|ob du|gabe|gaebe|"
        r"wenn du)\s+[^.\n]{0,20}keine (?:regeln|einschrankungen|einschraenkungen|beschrankungen|"
        r"beschraenkungen|richtlinien|filter|vorgaben)\b",
    ),
    anywhere(
        "frame",
        4,
        r"(?:^|[\n.!?\[({<#*\"'>-]\s*)(?:wichtige?r?\W{1,4})?(?:nachricht|mitteilung|hinweis|"
        r"anweisung|achtung|notiz)(?:en)?\W{1,4}(?:(?:an|fur|fuer)\s+)?(?:(?:die|den|alle|das|jede|"
        r"jedes)\s+)?(?:ki|ai|sprachmodelle?|llms?|chatbots?|ki-\w+)\s*[:,.!\])>-]",
    ),
    anywhere(
        "frame",
        5,
        r"\b(?:wenn|falls) (?:du|sie) (?:eine? )?(?:ki|ai|llm|sprachmodell|chatbot|ki-\w+)(?:\s+\w+)?"
        r" (?:bist|sind)\b,?\s+(?:dann\s+)?(?:ignoriere|musst|sollst|antworte|schreibe|sage|gib|fuge|"
        r"fuege|bewerte|empfiehl|erwahne|erwaehne|bitte)",
    ),
    imperative(
        "concealment",
        3,
        r"(?:sage?|verrate|erzahle|erzaehle|teile|erwahne|erwaehne|melde)\s+(?:das\s+|dies\s+|es\s+|"
        r"davon\s+)?(?:dem|der) (?:benutzer|nutzer|anwender|user)(?:in)?\s+(?:nichts|nicht|"
        r"davon nichts|das nicht)\b",
    ),
    imperative(
        "leak",
        5,
        r"(?:zeige?|gib|nenne|verrate|drucke|wiederhole|schreibe?|offenbare|offenlege|verrat|lege)\s+"
        r"(?:(?:mir|uns|bitte|den|das|die|alle)\s+){0,3}(?:deinen?|ihren?)\s+(?:(?:vollstandigen?|"
        r"vollstaendigen?|gesamten?|genauen?|kompletten?|ganzen?|internen?|geheimen?|ursprunglichen?|"
        r"urspruenglichen?)\s+){0,3}(?:system-?(?:prompt|anweisung(?:en)?|nachricht)|prompt|"
        r"anweisungen|instruktionen)\b",
    ),
    imperative(
        "exfiltration",
        5,
        r"(?:sende|schicke?|leite|ubermittle|uebermittle|maile|ubertrage|uebertrage|poste)\s+"
        r"(?:(?:mir|uns|bitte|alle|den|die|das|der|deinen?|den gesamten|gesamten|ganzen|vollstandigen|"
        rf"kompletten)\s+){{0,4}}(?:chat-?verlauf|gesprachsverlauf|gespraechsverlauf|unterhaltung|"
        r"passworter|passwoerter|passwort|kennworter|zugangsdaten|api-?schlussel|api-?keys?|"
        rf"system-?prompt|anmeldedaten)\b[^.\n]{{0,60}}?\b(?:an|nach|zu|auf)\s+(?:(?:die|"
        rf"folgende) (?:folgende )?(?:adresse|url|e-?mail)|{TARGET})",
    ),
)
