"""The page at /docs: the OpenAPI document for people, whole in one file, without script and without the network."""

import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import jinja2
from markupsafe import Markup, escape

from proto.expected import NO_FORM, form_of
from services.edge.curl import curl_of

_FOLDER = Path(__file__).parent
_LINE_LENGTH_MAX = 72
_PROBLEM = "Problem"
_REFERENCE = re.compile(r"#/components/schemas/(\w+)")
_METHODS = ("get", "post", "put", "patch", "delete")


class DocsPage:
    """The page of one OpenAPI document, whole or what a search finds of it."""

    def __init__(self, document: Mapping[str, Any]) -> None:
        environment = jinja2.Environment(
            loader=jinja2.FileSystemLoader(_FOLDER), autoescape=True, trim_blocks=True, lstrip_blocks=True
        )
        self._info, self._schemas = document["info"], document["components"]["schemas"]
        self._groups = _groups(document)
        self._texts = {
            operation["operationId"]: _text_of(operation) for group in self._groups.values() for operation in group
        }
        self._schema_texts = {name: f"{name} {json.dumps(schema)}".lower() for name, schema in self._schemas.items()}
        environment.filters.update(pretty=_pretty, schema_name=_schema_name, is_problem=_is_problem, curl=self._curl)
        self.style = (_FOLDER / "docs.css").read_text(encoding="utf-8")
        """The text of the page's `<style>`, which `html_page` wants."""
        self._template = environment.get_template("docs.html.jinja")
        self.whole = self._rendered(self._groups, self._schemas, "")
        """The HTML of all of it."""

    def found(self, searched: str) -> str:
        """Return the page of the operations and schemas that have all of these words; schemas that they name, too."""
        words = searched.lower().split()
        groups = {
            tag: [item for item in group if _has(self._texts[item["operationId"]], words)]
            for tag, group in self._groups.items()
        }
        named = {_PROBLEM, *_REFERENCE.findall(json.dumps(groups))}
        schemas = {
            name: schema
            for name, schema in self._schemas.items()
            if name in named or _has(self._schema_texts[name], words)
        }
        return self._rendered(groups, schemas, searched)

    def _curl(self, operation: Mapping[str, Any]) -> str:
        return curl_of(operation, self._schemas)

    def _rendered(self, groups: Mapping[str, Any], schemas: Mapping[str, Any], searched: str) -> str:
        return self._template.render(
            info=self._info,
            groups=groups,
            schemas=schemas,
            style=self.style,
            searched=searched,
            count=sum(map(len, groups.values())),
            count_all=len(self._texts),
        )


def _text_of(operation: Mapping[str, Any]) -> str:
    """Return what is searched of an operation, in small letters."""
    parameters = (f"{item['name']} {item.get('description', '')}" for item in operation.get("parameters", ()))
    said = (operation.get(name, "") for name in ("method", "path", "operationId", "summary", "description"))
    return " ".join((*said, *operation["tags"], *parameters)).lower()


def _has(text: str, words: Sequence[str]) -> bool:
    return all(word in text for word in words)


def _groups(document: Mapping[str, Any]) -> dict[str, list[dict[str, Any]]]:
    """Return the operations of each tag, in the order of the document."""
    groups: dict[str, list[dict[str, Any]]] = {tag["name"]: [] for tag in document["tags"]}
    for path, methods in document["paths"].items():
        for method in _METHODS:
            if method in methods:
                operation = methods[method]
                groups[operation["tags"][0]].append({"path": path, "method": method.upper(), **operation})
    return groups


def _schema_name(schema: Any) -> str | None:
    """Return the name of a schema that stands among the others, further down; None for one that is written out."""
    place = schema.get("$ref") if isinstance(schema, dict) else None
    return str(place).rpartition("/")[2] if place else None


def _is_problem(content: Mapping[str, Any]) -> bool:
    """Tell whether an answer can be a problem document alone, which the head of the page describes for all of them."""
    return content.keys() == {"application/problem+json"}


def _pretty(value: Any) -> Markup:
    """Return JSON as the text of an element; quotes stand for themselves there, which halves what is sent."""
    return escape(_laid_out(_for_people(value))).replace(str(escape('"')), Markup('"'))


def _laid_out(value: Any, margin: str = "") -> str:
    """Return JSON in which what fits into a line stands in one."""
    line = json.dumps(value, ensure_ascii=False)
    if len(line) <= _LINE_LENGTH_MAX or not isinstance(value, dict | list):
        return line
    inner = margin + " "
    if isinstance(value, list):
        return f"[\n{inner}" + f",\n{inner}".join(_laid_out(item, inner) for item in value) + f"\n{margin}]"
    members = (f"{json.dumps(name, ensure_ascii=False)}: {_laid_out(item, inner)}" for name, item in value.items())
    return f"{{\n{inner}" + f",\n{inner}".join(members) + f"\n{margin}}}"


def _for_people(schema: Any) -> Any:
    """Return a schema in which what a pattern asks for stands in words; programs read the pattern at /openapi.json."""
    if isinstance(schema, list):
        return [_for_people(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    kept = {name: _for_people(value) for name, value in schema.items() if not _is_pattern(name, value)}
    if _is_pattern("pattern", schema.get("pattern")):
        kept["form"] = form_of(schema["pattern"]) or schema.get("description", NO_FORM)
    return kept


def _is_pattern(name: str, value: Any) -> bool:
    return name == "pattern" and isinstance(value, str)
