"""The page at /docs: the OpenAPI document for people, whole in one file, without script and without the network."""

import json
from collections.abc import Mapping
from html import escape
from pathlib import Path
from typing import Any

import jinja2
from markupsafe import Markup

from proto.expected import NO_FORM, form_of

_FOLDER = Path(__file__).parent
_LINE_LENGTH_MAX = 72
_METHODS = ("get", "post", "put", "patch", "delete")


def docs_page(document: Mapping[str, Any]) -> tuple[str, str]:
    """Return the HTML page for an OpenAPI document and the text of its `<style>`, which `html_page` wants."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(_FOLDER), autoescape=True, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters.update(pretty=_pretty, schema_name=_schema_name, is_problem=_is_problem)
    style = (_FOLDER / "docs.css").read_text(encoding="utf-8")
    page = environment.get_template("docs.html.jinja").render(
        info=document["info"], groups=_groups(document), schemas=document["components"]["schemas"], style=style
    )
    return page, style


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
    return Markup(escape(_laid_out(_for_people(value)), quote=False))  # noqa: S704 - escaped in this very line


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
