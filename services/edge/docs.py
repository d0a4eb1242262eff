"""The page at /docs: the OpenAPI document for people, whole in one file, without script and without the network."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jinja2

from proto.expected import NO_FORM, form_of

_FOLDER = Path(__file__).parent
_METHODS = ("get", "post", "put", "patch", "delete")


def docs_page(document: Mapping[str, Any]) -> tuple[str, str]:
    """Return the HTML page for an OpenAPI document and the text of its `<style>`, which `html_page` wants."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(_FOLDER), autoescape=True, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters["pretty"] = _pretty
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


def _pretty(value: Any) -> str:
    return json.dumps(_for_people(value), indent=2, ensure_ascii=False)


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
