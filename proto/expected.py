"""What a field would have taken, in words: allowed values, or what its pattern asks for. Reads types, no request."""

import ast
import re
from functools import lru_cache
from typing import Any

from msgspec import inspect

VALUES_SHOWN_MAX = 24
_FORMS = {
    r"^https?://[!-~]{1,300}/": "a URL that ends with a slash, as https://hogeschool.example/",
    r"^https?://[a-z0-9.-]+(:": "a base URL without a slash at its end, as https://gateway.example.org",
    r"^https?://": "a URL that begins with http:// or https://, as https://hogeschool.example/page",
    r"^(https?://": "the URI of an achievement, or its short id, as water-management",
    r"^did:key:z6Mk": "a did:key with an Ed25519 key, as did:key:z6Mkf5rG…",
    r"^did:(web|key):[A-Za-z0-9.%_:-]{1,220}#": "the name of a key, as did:web:example.org:issuers:name#key-1",
    r"^did:": "a DID, as did:web:example.org:issuers:name",
    r"^z6Mk": "an Ed25519 public key in multibase, as `credentify keygen` prints it (z6Mk…)",
    r"^[0-9a-f]{64}": "64 lower-case hexadecimal digits, as 3f0c…9a",
    r"^[0-9a-f]{8}-[0-9a-f]{4}-7": "a UUID of version 7, as 01927b3c-5f2e-7c41-9d0a-3b6f1e2d4c5a",
    r"^[0-9a-f]{8}(-": "a UUID in small letters, as 6f1c2b9e-3d4a-4c5b-8e7f-0a1b2c3d4e5f",
    r"^([A-Z]{2})?": "an ISO 3166 country code of two capital letters, as PT",
    r"^[A-Z]{2}": "an ISO 3166 country code of two capital letters, as PT",
    r"^(19[7-9][0-9]": "a time in UTC with milliseconds, as 2026-11-23T10:00:00.000Z",
    r"^[0-9]{4}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])(T": "a day, as 2026-11-23, or a time with its offset from "
    "UTC, as 2026-11-23T10:00:00+01:00",
    r"^[0-9]{4}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])T": "a time with its offset from UTC, as "
    "2026-11-23T10:00:00+01:00",
    r"^[0-9]{4}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])": "a day, as 2026-11-23",
    r"^[0-9]{4}-[0-9]{2}-[0-9]{2}\Z": "a day, as 2026-11-23",
    r"^([0-9]{4}-": "a month, as 2026-01",
    r"^[0-8]?": "an EQF level as one digit, as 6",
    r"^[a-z0-9](-?[a-z0-9])": "small letters, digits and single hyphens, as hogeschool-waterland",
    r"^[a-z][a-z0-9+.-]{1,30}:": "a URI with its scheme and without blanks, as https://example.org/a or urn:isbn:12",
    r"^[A-Za-z][A-Za-z0-9_+-]*(/": "the name of a time zone, as Europe/Lisbon",
    r"^[A-Za-z]{2,3}(-": "a language tag, as en or pt-BR",
    r"^http://data": "the URI of an ESCO skill or occupation, as "
    "http://data.europa.eu/esco/skill/0a2d70ee-d435-4965-9e96-702b2fb65740",
    r"^(0[0-9]|10|99)": "an ISCED-F code of 2 to 4 digits, as 0532",
    r"^[A-Za-z0-9][A-Za-z0-9._~-]{0,63}": "letters a to z, digits, dots, hyphens and underscores without blanks, "
    "as s-2026-17",
    r"^[A-Za-z0-9][A-Za-z0-9._~@-]*(/": "letters a to z, digits and the signs . _ ~ @ - and /, without blanks and "
    "at most 128 of them, as s-2026-17 or anna.nowak@hs.example",
    r"^(name|": "the kind of an identifier, as systemId, or one of your own behind ext:, as ext:studentCard",
    r"^(GradePointAverage": "the kind of a result, as LetterGrade or Percent, or one of your own behind ext:",
    r"^(ceasn": "the kind of a node, as CFItem or ceasn:Competency, or one of your own behind ext:",
    r"^[^@\s": "a mail address, as anna.nowak@hs.example",
    r"^[^\x00-\x1f\x7f]": "a text on one line, as Hogeschool Waterland",
    r"^[^\x00]": "any text without the null character, as water",
    r"^[A-Za-z0-9+/]{86}": "an Ed25519 signature in base64: 86 characters and ==",
    r"^[A-Za-z0-9_-]{43,128}": "the token as it was answered: 43 to 128 letters, digits, hyphens and underscores",
    r"^[A-Za-z0-9_-]+": "`next_cursor` of the page before, exactly as it was answered",
    r"^cfa_": "the secret exactly as it was answered, as cfa_ and 43 more characters",
    r"^cf[hs]_": "the secret exactly as it was answered, as cfh_ or cfs_ and 43 more characters",
    r"^([0-9]{1,3}%": "a share in percent or as a fraction, as 50% or 2/3",
    r"^cf[rc]_": "the secret exactly as it was answered, as cfr_ or cfc_ and 43 more characters",
    r"^application/vnd": "application/vnd.credentify.event+json",
    r"^[A-Za-z0-9][A-Za-z0-9.:/_-]{0,199}": "a log's address without https://, as log.example.org",
    r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}": "letters a to z, digits, dots, hyphens and underscores, as student-portal",
    r"^(|(": "names of what is counted by, with commas between them, as month,country",
}
"""What patterns ask for, in words and with an example, by how they begin; of several the first counts."""
_PATTERN = re.compile(r"Expected `str` matching regex (?P<pattern>'(?:[^'\\]|\\.)*'|\"(?:[^\"\\]|\\.)*\")")
_LENGTH = re.compile(r"Expected `str` of length (?P<bound><=|>=) (?P<count>[0-9]+)")
_OF_TYPES = ("Object ", "Expected `")
"""How messages about an object's fields begin; others say what its own rule says."""
NO_FORM = "The text does not have the form that is asked for"
DETAIL_CHARACTERS_MAX = 300
"""At most so many characters of what msgspec says are passed on: it quotes what was sent."""


def form_of(pattern: str) -> str:
    """Return in words what a pattern asks for, with an example; "" for one that nobody has described."""
    return next((form for start, form in _FORMS.items() if pattern.startswith(start)), "")


def in_words(message: str) -> str:
    """Return msgspec's message with what a pattern asks for in words: nobody has to read a regular expression."""

    def words(found: re.Match[str]) -> str:
        form = form_of(ast.literal_eval(found["pattern"]))
        return f"{NO_FORM}: {form}" if form else NO_FORM

    return _LENGTH.sub(_length_in_words, _PATTERN.sub(words, message))


def _length_in_words(found: re.Match[str]) -> str:
    count = int(found["count"])
    if found["bound"] == "<=":
        return f"The text has more than {count} characters"
    return "The text is empty" if count == 1 else f"The text has fewer than {count} characters"


def with_expected(detail: str, kind: Any, pointer: str) -> str:
    """Return what was wrong by msgspec's message without its path, and what the field at `pointer` of `kind` takes."""
    found = _at(kind, pointer)
    is_of_fields = found is not None and isinstance(_speaking(found), inspect.StructType)
    expected = "" if found is None or (is_of_fields and not detail.startswith(_OF_TYPES)) else _sentence(found)
    said = NO_FORM if expected and "matching regex" in detail else in_words(detail)
    return ". ".join(filter(None, (said[:DETAIL_CHARACTERS_MAX], expected)))


def expected_at(kind: Any, pointer: str) -> str:
    """Return a sentence on what the field at a JSON pointer takes, or "" where nothing more can be said.

    `kind` is the type that was decoded; the pointer is the one of the problem. Read only when something was refused.
    """
    found = _at(kind, pointer)
    return _sentence(found) if found is not None else ""


def _at(kind: Any, pointer: str) -> inspect.Type | None:
    found: inspect.Type | None = _known(kind) if isinstance(kind, type) else inspect.type_info(kind)
    for step in pointer.split("/")[1:]:
        if found is not None:
            found = _below(found, step.replace("~1", "/").replace("~0", "~"))
    return found


@lru_cache(maxsize=16)
def _known(kind: type) -> inspect.Type:
    """Return what is to be known of a class: a file has one wrong row after the other, each of the same."""
    return inspect.type_info(kind)


def _below(node: inspect.Type, step: str) -> inspect.Type | None:
    """Return the type of a member or element, through unions and what only adds metadata."""
    match _plain(node):
        case inspect.StructType(fields=fields):
            return next((field.type for field in fields if field.encode_name == step), None)
        case inspect.ListType(item_type=item) | inspect.VarTupleType(item_type=item):
            return item
        case inspect.DictType(value_type=value):
            return value
        case inspect.UnionType(types=types):
            return next((found for kind in types if (found := _below(kind, step))), None)
        case _:
            return None


def _plain(node: inspect.Type) -> inspect.Type:
    return _plain(node.type) if isinstance(node, inspect.Metadata) else node


def _speaking(node: inspect.Type) -> inspect.Type:
    """Return the type whose sentence is said of a field: of a union, the first that has one."""
    plain = _plain(node)
    if not isinstance(plain, inspect.UnionType):
        return plain
    return next((_speaking(kind) for kind in plain.types if _sentence(kind)), plain)


def _sentence(node: inspect.Type) -> str:
    match _plain(node):
        case inspect.LiteralType(values=values):
            return _one_of([str(value) for value in values])
        case inspect.EnumType(cls=cls):
            return _one_of([str(member.value) for member in cls])
        case inspect.StrType(pattern=str(pattern)):
            form = form_of(pattern)
            return f"It takes {form}" if form else _described(node)
        case inspect.UnionType(types=types):
            return next((found for kind in types if (found := _sentence(kind))), "")
        case inspect.StructType(fields=fields):
            return _one_of([field.encode_name for field in fields], what="Its fields are")
        case _:
            return ""


def _described(node: inspect.Type) -> str:
    """Return what the field says of itself, where it does."""
    if not isinstance(node, inspect.Metadata):
        return ""
    description = (node.extra_json_schema or {}).get("description")
    return f"What it is: {description}" if description else _described(node.type)


def _one_of(values: list[str], *, what: str = "It takes one of") -> str:
    shown = ", ".join(values[:VALUES_SHOWN_MAX])
    return f"{what}: {shown}{', …' if len(values) > VALUES_SHOWN_MAX else ''}"
