"""Which French phrases try to steer a model? Accents are folded away."""

from typing import Final

from gateway.detectors._phrases.phrase import TARGET, Phrase, anywhere, imperative

_FR_ORDERS: Final = r"(?:instructions?|consignes?|directives?|prompts?|messages? systeme)"
_FR_BEFORE: Final = (
    r"(?:precedente?s?|anterieure?s?|ci-dessus|initiale?s?|d'origine|originale?s?|recues?|"
    r"qui precedent|systeme|du systeme|donnees (?:precedemment|auparavant))"
)
_FR_DROP: Final = (
    r"(?:ignor(?:e|ez|er)|oubli(?:e|ez|er)|ne (?:tiens|tenez|tenir) (?:pas|plus|"
    r"aucun) compte d(?:e|es)|fai(?:s|tes) abstraction d(?:e|es)|outrepasse[zr]?|contourne[zr]?|"
    r"desobei(?:s|ssez) a(?:ux)?|ne (?:suis|suivez) (?:pas|plus))"
)
FRENCH: Final[tuple[Phrase, ...]] = (
    imperative("override", 4, r"(?:ignor(?:e|ez)|oubli(?:e|ez))\s+tout ce qui (?:precede|vient avant|est ci-dessus)"),
    imperative(
        "override",
        5,
        rf"{_FR_DROP}\s+(?:(?:absolument|completement|immediatement|toutes?|tous|tout|les|vos|tes|ces|"
        rf"des|l'ensemble des|la totalite des)\s+){{0,4}}{_FR_ORDERS}\s+(?:\w+\s+)?{_FR_BEFORE}",
    ),
    imperative(
        "override",
        5,
        rf"{_FR_DROP}\s+(?:(?:toutes?|tous)\s+)?(?:les\s+)?(?:precedentes?|anterieures?)\s+"
        rf"{_FR_ORDERS}\b",
    ),
    imperative("override", 5, rf"{_FR_DROP}\s+(?:(?:toutes?|tous)\s+)?(?:tes|vos)\s+{_FR_ORDERS}\b"),
    imperative(
        "override",
        5,
        r"(?:oublie|oubliez|ignore|ignorez)\s+tout ce qu(?:'on|e l'on|e) (?:t'a|vous a|tu as|"
        r"vous avez|je t'ai|je vous ai)\s+(?:\w+\s+)?(?:dit|appris|demande|ordonne|donne|indique)",
    ),
    anywhere(
        "persona",
        5,
        r"\b(?:tu n'es plus|vous n'etes plus) (?:une? (?:ia|assistant|modele)|soumis|limitee?|lie|"
        r"tenu|oblige)",
    ),
    imperative(
        "persona",
        5,
        r"(?:fais comme si|faites comme si|agis comme si|agissez comme si|imagine que|imaginez que)\s+"
        r"(?:tu n'avais|vous n'aviez|tu n'as|vous n'avez)\s+(?:aucune?s?|pas de|plus de)\s+"
        r"(?:restrictions?|regles?|limites?|filtres?|consignes?|contraintes?)",
    ),
    anywhere(
        "frame",
        4,
        r"(?:^|[\n.!?\[({<#*\"'>-]\s*)(?:message|note|avis|remarque|instructions?|attention)\s+"
        r"(?:importante?s?\s+|urgente?s?\s+)?(?:pour|a l'attention de|a destination de|destinee?s? a|"
        r"a)\s+(?:l'|les\s+|le\s+|toute\s+|tout\s+|un\s+|une\s+)?(?:ia|assistant ia|"
        r"modeles? de langage|llms?|intelligences? artificielles?|chatbots?)\s*[:,.!\])>-]",
    ),
    anywhere(
        "frame",
        5,
        r"\bsi (?:tu es|vous etes) (?:une? )?(?:ia|modele de langage|llm|intelligence artificielle|"
        r"chatbot|assistant ia|agent ia)\b,?\s+(?:ignore|tu dois|vous devez|reponds|repondez|ecris|"
        r"ecrivez|dis|dites|ajoute|merci de|veuillez|qui lit|ne )",
    ),
    imperative(
        "concealment",
        3,
        r"(?:ne (?:dis|dites|mentionne|mentionnez|revele|revelez|signale|signalez) (?:rien|"
        r"pas (?:cela|ceci|ca))|n'en parle[sz]? pas|n'informe[sz]? pas)\s+(?:a\s+)?l'utilisateur\b",
    ),
    imperative(
        "leak",
        5,
        r"(?:affiche|montre|revele|repete|donne|imprime|divulgue|ecris|communique|recopie)(?:z|s|r)?"
        r"(?:-(?:moi|nous))?\s+(?:(?:integralement|exactement|mot pour mot|tout|toutes?|"
        r"l'integralite de|le texte de)\s+){0,2}(?:ton|tes|votre|vos)\s+(?:\w+\s+)?(?:prompt|"
        r"instructions?|consignes|message systeme|invite systeme)\b",
    ),
    imperative(
        "exfiltration",
        5,
        r"(?:envoie|envoyez|transmets|transmettez|transfere|transferez|poste|postez|"
        r"expedie[zr]?)(?:-(?:moi|nous))?\s+(?:(?:tout|tous|toutes|l'|la|le|les|tes|vos|mes|"
        rf"l'integralite de|l'ensemble de)\s*){{0,4}}(?:historique|conversation|mots? de passe|"
        rf"identifiants|cles? (?:d'api|api|privees?)|prompt systeme|jetons?)\b[^.\n]{{0,60}}?\s(?:a|"
        rf"vers|sur)\s+(?:l'(?:adresse|url) suivante|{TARGET})",
    ),
)
