"""One word for one thing in each language, over the pages of both services, papers, mails and the command."""

import re
import tomllib
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path

import pytest

from services import edge, issuer_gateway, verifier
from services.verifier.languages.english import SENTENCES

FOLDERS = tuple(Path(str(each.__file__)).parent / "languages" for each in (issuer_gateway, verifier, edge))
LANGUAGES = sorted(path.stem for path in FOLDERS[0].glob("*.toml"))
GLOSSARY: Mapping[str, Mapping[str, str]] = {
    r"\bachievements?\b": {"de": "lernleistung", "es": "logro", "fr": "acquis"},
    r"\blearning outcomes\b": {"de": "lernergebnis", "es": "resultados de aprendizaje", "fr": "acquis d.apprentissage"},
    r"\bcredits?\b": {"de": "leistungspunkt", "es": "crédito", "fr": "crédit"},
    r"\bmicro-credentials?\b": {"de": "micro-credential", "es": "microcredencial", "fr": "microcertification"},
    r"(?<!micro-)(?<!{)\bcredentials?\b(?! ids?\b)(?!.json)": {
        "de": "nachweis",
        "es": "credencial",
        "fr": "attestation",
    },
    r"\beqf levels?\b": {"de": "eqr-niveau", "es": "nivel(es)? mec", "fr": "niveaux? cec"},
    r"\b(public )?log\b": {"de": "\\blogs?\\b", "es": "registro", "fr": "journal"},
    r"\bregistrar\b": {"de": "registerstelle", "es": "lleva", "fr": "teneur du registre"},
    r"\bregister\b": {"de": "register", "es": "registro", "fr": "registre"},
    r"\binstitutions?\b": {"de": "einrichtung", "es": "instituci", "fr": "établissement"},
    r"\bverifiers?\b": {"de": "prüfstelle", "es": "verificador", "fr": "vérificateur"},
    r"(?<!generic )(?<!office )\bprogrammes?\b": {"de": "studieng|programm", "es": "programa", "fr": "programme"},
    r"\bbundle\b": {"de": "beweisbündel", "es": "paquete de prueba", "fr": "dossier de preuve"},
    r"\bevidence\b": {"de": "beleg", "es": "evidencia", "fr": "preuve"},
    r"\bstack": {"de": "zusammen(ge)?setz|zusammenzusetz|in einem anderen", "es": "conjunto|compon", "fr": "assembl"},
    r"\brevo(ked|cation)\b": {"de": "widerruf", "es": "revoc", "fr": "révo"},
    r"\bsuspended\b": {"de": "ausgesetzt", "es": "suspend", "fr": "suspend"},
    r"\bwithdr(a|e)w": {"de": "zurück(zu)?zieh|zurückgezogen|ziehen sie .*zurück", "es": "ret[ií]r", "fr": "retir"},
    r"\bawarded (by|on|for|to)\b": {"de": "verliehen", "es": "otorg", "fr": "décern"},
    r"\bendors": {"de": "bestätig", "es": "aval", "fr": "caution"},
    r"\bin full\b": {"de": "ganz", "es": "por completo", "fr": "en totalité"},
    r"\bin part\b": {"de": "zum teil|teils", "es": "en parte|parcial", "fr": "en partie|partiel"},
}
"""By what the English says: what each language says of it, whatever else the sentence says."""
OTHER_WORDS: Mapping[str, str] = {
    "de": r"Verzeichnis(?!se werden|, das mehrere)|Lernangebot|EQR-Stufe|Registrar|\bLeistung(en)?\b|\bPunkte\b",
    "es": r"nivel (del|EQF)|registrador|\basiento\b",
    "fr": r"registre public|registraire|micro-certification|niveau du CEC",
}
"""What a language said for one of these once, beside its word of today."""
OF_SEVERAL = {"suspended", "revoked", "withdrawn", "reinstated", "all"}
"""What a column of numbers says of several, and a state of one."""
OF_A_SENTENCE = {"date of birth", "evidence"}
"""What stands in a row with a name before it as a whole, and in a list of things to choose with its article."""


def _texts(language: str) -> list[tuple[str, str]]:
    """Return every English text of ours with what this language says."""
    found = list[tuple[str, str]]()
    for folder in FOLDERS:
        read = tomllib.loads((folder / f"{language}.toml").read_text(encoding="utf-8"))
        found += [(english, said) for english, said in read.get("words", read).items() if english != "name"]
        found += [(SENTENCES[code], said) for code, said in read.get("sentences", {}).items()]
    return found


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_thing_has_one_word_wherever_it_is_spoken_of(language: str) -> None:
    other = {
        (said_by[language], english, said)
        for english, said in _texts(language)
        for meant, said_by in GLOSSARY.items()
        if re.search(meant, re.sub(r"{\w+}", "…", english), re.IGNORECASE)
        and not re.search(said_by[language], said, re.IGNORECASE)
    }
    assert other == set()


@pytest.mark.parametrize("language", LANGUAGES)
def test_no_word_that_was_given_up_comes_back(language: str) -> None:
    assert [said for _, said in _texts(language) if re.search(OTHER_WORDS[language], said)] == []


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_same_english_is_said_alike_by_every_service_as_a_heading_and_within_a_line(language: str) -> None:
    said_of = defaultdict(set)
    for english, said in _texts(language):
        said_of[english.casefold().rstrip(".: ")].add(said.casefold().rstrip(".: "))
    several = {english for english, ways in said_of.items() if len(ways) > 1}
    assert several <= OF_SEVERAL | OF_A_SENTENCE, {english: said_of[english] for english in sorted(several)}
