"""What a field would have taken, in words: allowed values, or what its pattern asks for. Reads types, no request."""

from typing import Any

from msgspec import inspect

VALUES_SHOWN_MAX = 24
_FORMS = {
    r"^https?://": "a URL that begins with http:// or https://",
    r"^did:": "a DID, as did:web:example.org:issuers:name",
    r"^z6Mk": "an Ed25519 public key in multibase, as `credentify keygen` prints it (z6Mk…)",
    r"^[0-9a-f]{64}": "64 lower-case hexadecimal digits",
    r"^[A-Z]{2}": "an ISO 3166 country code of two capital letters",
    r"^(19[7-9][0-9]": "a time in UTC with milliseconds, as 2026-11-23T10:00:00.000Z",
    r"^[a-z0-9](-?[a-z0-9])": "small letters, digits and single hyphens, as hogeschool-waterland",
}


def expected_at(kind: Any, pointer: str) -> str:
    """Return a sentence on what the field at a JSON pointer takes, or "" where nothing more can be said.

    `kind` is the type that was decoded; the pointer is the one of the problem. Read only when something was refused.
    """
    found = inspect.type_info(kind)
    for step in pointer.split("/")[1:]:
        below = _below(found, step.replace("~1", "/").replace("~0", "~"))
        if below is None:
            return ""
        found = below
    return _sentence(found)


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


def _sentence(node: inspect.Type) -> str:
    match _plain(node):
        case inspect.LiteralType(values=values):
            return _one_of([str(value) for value in values])
        case inspect.EnumType(cls=cls):
            return _one_of([str(member.value) for member in cls])
        case inspect.StrType(pattern=str(pattern)):
            forms = (f"It takes {form}" for start, form in _FORMS.items() if pattern.startswith(start))
            return next(forms, _described(node))
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
