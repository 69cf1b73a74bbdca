"""Which Spanish phrases try to steer a model? Accents are folded away."""

from typing import Final

from gateway.detectors._phrases.phrase import TARGET, Phrase, anywhere, imperative

_ES_ORDERS: Final = r"(?:instruccion(?:es)?|directrices|indicaciones|directivas|ordenes|prompts?)"
_ES_BEFORE: Final = (
    r"(?:anterior(?:es)?|previ[ao]s?|precedentes?|de arriba|originales|iniciales|del sistema|"
    r"recibidas|dadas|que (?:te|has|recibiste|se te))"
)
_ES_DROP: Final = (
    r"(?:ignor[ae]n?|olvid[ae]n?|olvidate de|olvidese de|omit[ae]|descart[ae]|desobedece|ha(?:z|"
    r"ga|gan) caso omiso (?:de|a)|no (?:hagas|haga) caso (?:de|a)|no (?:sigas|siga|obedezcas)|"
    r"anul[ae])"
)
SPANISH: Final[tuple[Phrase, ...]] = (
    imperative("override", 4, r"(?:ignor[ae]|olvid[ae])\s+todo lo (?:anterior|previo|de arriba)\b"),
    imperative(
        "override",
        5,
        rf"{_ES_DROP}\s+(?:(?:por completo|completamente|absolutamente|tod[ao]s?|las|los|tus|sus|"
        rf"cualquier|de|esas|estas)\s+){{0,4}}{_ES_ORDERS}\s+(?:\w+\s+)?{_ES_BEFORE}",
    ),
    imperative(
        "override",
        5,
        rf"{_ES_DROP}\s+(?:tod[ao]s?\s+)?(?:las\s+|los\s+|tus\s+)?(?:anteriores|previ[ao]s)\s+"
        rf"{_ES_ORDERS}\b",
    ),
    imperative("override", 5, rf"{_ES_DROP}\s+(?:tod[ao]s?\s+)?(?:tus)\s+{_ES_ORDERS}\b"),
    imperative(
        "override",
        5,
        r"(?:olvida|olvide|ignora|ignore)\s+todo lo que (?:te|se te|le|has|ha)\s+(?:han?\s+)?(?:dicho|"
        r"dijeron|ensenado|aprendido|ordenado|pedido|indicado)",
    ),
    anywhere(
        "persona",
        5,
        r"\b(?:ya no eres|dejas de ser) (?:una? )?(?:ia|asistente|modelo|chatbot)\b|"
        r"\beres ahora (?:una? )?(?:ia|asistente|modelo)\s+(?:sin|libre)\b",
    ),
    imperative(
        "persona",
        5,
        r"(?:finge|actua como si|compor?tate como si|imagina que|haz como si)\s+(?:que\s+)?"
        r"(?:no (?:tienes|tuvieras|tuvieses|hubiera))\s+(?:ningun[ao]?s?\s+)?(?:restricciones?|"
        r"reglas?|limites?|filtros?|limitaciones)",
    ),
    anywhere(
        "frame",
        4,
        r"(?:^|[\n.!?\[({<#*\"'>-]\s*)(?:mensaje|nota|aviso|instrucciones|atencion)\s+"
        r"(?:importantes?\s+|urgentes?\s+)?(?:para|dirigid[ao]s? a)\s+(?:la\s+|el\s+|los\s+|las\s+|"
        r"cualquier\s+|toda\s+)?(?:ia|modelos? de lenguaje|llms?|inteligencia artificial|chatbots?|"
        r"asistentes? de ia)\s*[:,.!\])>-]",
    ),
    anywhere(
        "frame",
        5,
        r"\bsi (?:eres|usted es) (?:una? )?(?:ia|modelo de lenguaje|llm|inteligencia artificial|"
        r"chatbot|asistente de ia)\b,?\s+(?:ignora|debes|debe|responde|escribe|di|anade|por favor|no |"
        r"que (?:lee|procesa))",
    ),
    imperative(
        "concealment",
        3,
        r"no (?:le )?(?:digas|diga|menciones|mencione|reveles|informes|cuentes)\s+(?:(?:nada|esto|"
        r"de esto|nada de esto)\s+)?(?:de esto\s+)?al usuario\b",
    ),
    imperative(
        "leak",
        5,
        r"(?:muestra|muestrame|revela|revelame|imprime|repite|dime|dame|escribe|ensename|comparte)\s+"
        r"(?:(?:exactamente|literalmente|tod[ao]s?|integramente)\s+){0,2}(?:tu|tus|sus?)\s+"
        r"(?:(?:prompt|mensaje|instrucciones) (?:del|de|inicial(?:es)?|ocult[ao]s?|secret[ao]s?|"
        r"original(?:es)?)|prompt|instrucciones)\b",
    ),
    imperative(
        "exfiltration",
        5,
        r"(?:envia|enviale|enviame|manda|mandale|reenvia|publica|transmite|sube)\s+(?:(?:tod[ao]s?|el|"
        rf"la|las|los|tus?|sus?|mis?|completo|entero)\s+){{0,4}}(?:historial|conversacion|contrasenas?|"
        r"credenciales|claves? (?:de )?(?:la )?(?:api|privadas?)|prompt del sistema|"
        rf"tokens?)\b[^.\n]{{0,60}}?\s(?:a|al|hacia)\s+(?:(?:la )?siguiente (?:direccion|url)|"
        rf"la (?:siguiente )?(?:direccion|url)|{TARGET})",
    ),
)
