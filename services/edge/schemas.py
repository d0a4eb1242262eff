"""The JSON Schemas of a route table's types, as generators of clients read them. Knows no route and no HTTP.

What is sent and what is answered are described apart, because a member with a default may be left out of what is sent,
and is always in what is answered. A type that serves both ways and differs has the name with `Input` when it is sent.
"""

import inspect
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import msgspec
from msgspec import UNSET
from msgspec.inspect import StructType

Schema = dict[str, Any]
REFERENCE = "#/components/schemas/{name}"
_SENT_SUFFIX = "Input"
_NAMES = {str: "string", int: "integer", bool: "boolean"}
_BEYOND_ASCII = re.compile(r"\\u([0-9a-fA-F]{4})")
_NULL = {"type": "null"}


class Schemas:
    """The schemas of all types that are sent, answered, or given as parameters; `components` are those with names."""

    def __init__(self, *, sent: Iterable[Any], answered: Iterable[Any], parameters: Iterable[type[Any]]) -> None:
        incoming, outgoing, given = _Side(sent, _as_sent), _Side(answered, _as_answered), _Side(parameters, _as_given)
        doubled = _differing(incoming.components, outgoing.components)
        incoming.rename({name: name + _SENT_SUFFIX for name in doubled})
        self.components = {name: {"title": name} | schema for name, schema in outgoing.components.items()}
        self.components |= {name: schema | {"title": name} for name, schema in incoming.components.items()}
        self._sent, self._answered = incoming.by_type, outgoing.by_type
        self._given = {id(kind): given.component_of(kind) for kind in given.types}

    def sent(self, kind: Any) -> Schema:
        """Return the schema of a body that clients send."""
        return self._sent[id(kind)]

    def answered(self, kind: Any) -> Schema:
        """Return the schema of a body that clients receive."""
        return self._answered[id(kind)]

    def parameters(self, kind: type[msgspec.Struct] | None) -> dict[str, tuple[Schema, bool]]:
        """Return schema, and whether it must be given, for each field of a query or path Struct."""
        if kind is None:
            return {}
        component = self._given[id(kind)]
        required = set(component.get("required", ()))
        return {name: (schema, name in required) for name, schema in component["properties"].items()}


class _Side:
    """The types that go one way, with their schemas by type and by name."""

    def __init__(self, types: Iterable[Any], finish: Any) -> None:
        self.types = list(types)
        kinds = dict.fromkeys(found for info in msgspec.inspect.multi_type_info(self.types) for found in _structs(info))
        schemas, components = msgspec.json.schema_components([*self.types, *kinds], ref_template=REFERENCE)
        plain = [_plain(schema) for schema in schemas]
        self.by_type: dict[int, Schema] = dict(zip(map(id, self.types), plain, strict=False))
        self._named = dict(zip(kinds, map(_name_of, plain[len(self.types) :]), strict=True))
        self.components = {name: _plain(schema) for name, schema in components.items()}
        for kind, name in self._named.items():
            self.components[name] = finish(self.components[name], kind)

    def component_of(self, kind: type[Any]) -> Schema:
        """Return the component of a Struct."""
        component: Schema = self.components[self._named[kind]]
        return component

    def rename(self, names: Mapping[str, str]) -> None:
        """Give components other names, here and wherever they are referred to."""
        references = {REFERENCE.format(name=old): REFERENCE.format(name=new) for old, new in names.items()}
        self.components = {names.get(name, name): _renamed(each, references) for name, each in self.components.items()}
        self.by_type = {key: _renamed(schema, references) for key, schema in self.by_type.items()}


def _structs(info: msgspec.inspect.Type) -> Iterator[type[msgspec.Struct]]:
    """Yield every Struct inside of a type, once."""
    waiting: list[Any] = [info]
    seen: set[type] = set()
    while waiting:
        found = waiting.pop()
        if isinstance(found, StructType):
            if found.cls in seen:
                continue
            seen.add(found.cls)
            yield found.cls
        if isinstance(found, (tuple, list)):
            waiting.extend(found)
        elif isinstance(found, (msgspec.inspect.Type, msgspec.inspect.Field)):
            waiting.extend(getattr(found, name) for name in found.__struct_fields__)


def _name_of(reference: Schema) -> str:
    name: str = reference["$ref"].rpartition("/")[2]
    return name


def _plain(node: Any) -> Any:
    """Return a schema in the words that RE2, ECMAScript and generators have in common."""
    if isinstance(node, (list, tuple)):  # defaults are tuples
        return [_plain(item) for item in node]
    if not isinstance(node, dict):
        return node
    plain = {key: _plain(value) for key, value in node.items()}
    if isinstance(pattern := plain.get("pattern"), str):
        plain["pattern"] = plain_pattern(pattern)
    if isinstance(description := plain.get("description"), str):
        plain["description"] = inspect.cleandoc(description)
    if (
        isinstance(values := plain.get("enum"), list)
        and "type" not in plain
        and len(kinds := set(map(type, values))) == 1
    ):
        plain = {"type": _NAMES[kinds.pop()]} | plain
    if plain.get("type") == "object" and "additionalProperties" not in plain:
        plain["additionalProperties"] = True  # else TypeScript takes it for an object that may have no other members
    return plain


def plain_pattern(pattern: str) -> str:
    r"""Return a pattern of ours as JSON Schema has it: `$` for the end of the text, which Python writes `\Z`."""
    ended = pattern.removesuffix(r"\Z") + "$" if pattern.endswith(r"\Z") else pattern
    return _BEYOND_ASCII.sub(lambda found: chr(int(found[1], 16)), ended)  # RE2 knows no \u


def _as_sent(component: Schema, _: type[msgspec.Struct]) -> Schema:
    """Return a Struct's schema without defaults, which some generators demand of the sender; they are said in words."""
    properties = {name: _without_default(schema, says=True) for name, schema in component["properties"].items()}
    return component | {"properties": properties}


def _as_answered(component: Schema, kind: type[msgspec.Struct]) -> Schema:
    """Return a Struct's schema as it is encoded: with all members, or without those that have their default."""
    omits = kind.__struct_config__.omit_defaults
    fields = {field.encode_name: field for field in msgspec.structs.fields(kind)}
    required = [name for name, each in fields.items() if each.required or not (omits or each.default is UNSET)]
    properties = {}
    for name, schema in component["properties"].items():
        plain = _without_default(schema, says=False)
        properties[name] = _without_null(plain) if omits and fields[name].default is None else plain
    return component | {"properties": properties} | ({"required": required} if required else {})


def _as_given(component: Schema, _: type[msgspec.Struct]) -> Schema:
    """Return the schema of parameters: what is absent is absent, and never null."""
    properties = {}
    for name, schema in component["properties"].items():
        properties[name] = _without_null({k: v for k, v in schema.items() if k != "default" or v is not None})
    return component | {"properties": properties}


def _without_default(schema: Schema, *, says: bool) -> Schema:
    found = {key: value for key, value in schema.items() if key != "default"}
    if says and schema.get("default") not in (None, [], {}):
        words = f"Without it: {json.dumps(schema['default'])}."
        found["description"] = f"{found['description']}. {words}" if "description" in found else words
    return found


def _without_null(schema: Schema) -> Schema:
    """Return what `anyOf` allows beside null."""
    others = [each for each in schema.get("anyOf", ()) if each != _NULL]
    rest = {key: value for key, value in schema.items() if key != "anyOf"}
    if not others:
        return schema
    return others[0] | rest if len(others) == 1 else rest | {"anyOf": others}


def _references(node: Any) -> Iterator[str]:
    """Yield the names that a schema refers to."""
    if isinstance(node, dict):
        if isinstance(node.get("$ref"), str):
            yield _name_of(node)
        node = list(node.values())
    if isinstance(node, list):
        for item in node:
            yield from _references(item)


def _differing(incoming: Mapping[str, Schema], outgoing: Mapping[str, Schema]) -> set[str]:
    """Return the names that mean something else in what is sent, by themselves or by what they refer to."""
    both = incoming.keys() & outgoing.keys()
    found = {name for name in both if incoming[name] != outgoing[name]}
    while more := {name for name in both - found if not found.isdisjoint(_references(incoming[name]))}:
        found |= more
    return found


def _renamed(node: Any, references: Mapping[str, str]) -> Any:
    if isinstance(node, list):
        return [_renamed(item, references) for item in node]
    if not isinstance(node, dict):
        return node
    found = {key: _renamed(value, references) for key, value in node.items()}
    if isinstance(reference := found.get("$ref"), str):
        found["$ref"] = references.get(reference, reference)
    return found
