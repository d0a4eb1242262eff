"""Manifests as kustomize builds them."""

import functools
import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jsonschema
import yaml
from referencing import Resource
from referencing.jsonschema import DRAFT202012

from tests.packages.conftest import ROOT, run, tool
from tests.packages.schema_files import registry_of

FOLDER = ROOT / "deploy" / "kubernetes"
OPERATOR = "monitoring.coreos.com/v1"
DEFINITIONS = {
    "PrometheusRule": (
        "prometheusrules.yaml",
        "78be98554b9c8506ab2b4f4feb91c5f3a56e536a0a510f3a8e876a459970d56d",
    ),
    "ServiceMonitor": (
        "servicemonitors.yaml",
        "a99047972c9dd7679ce2050b9968e8a08773492e671b3e17abd476d42aa78a32",
    ),
}
Documents = list[dict[str, Any]]


@functools.cache
def built(name: str) -> Documents:
    """Return what kubectl makes of a folder."""
    said = run([tool(".programs/kubectl/kubectl"), "kustomize", FOLDER / name]).stdout
    return list(yaml.safe_load_all(said))


@functools.cache
def schemas() -> Callable[[dict[str, Any]], list[str]]:
    """Return what finds the faults of a document by the schema of its kind."""
    folder = tool(".python/kubernetes_validate/kubernetes-json-schema/v1.33.0-local-strict")

    def read(uri: str) -> Resource[Any]:
        return Resource.from_contents(
            json.loads((folder / Path(uri).name).read_text()), default_specification=DRAFT202012
        )

    registry = registry_of(read)

    def faults(document: dict[str, Any]) -> list[str]:
        if document["apiVersion"] == OPERATOR:
            return operator_faults(document)
        group, _, version = document["apiVersion"].rpartition("/")
        words = [document["kind"].lower(), *([group.split(".")[0]] if group else []), version]
        validator = jsonschema.Draft202012Validator({"$ref": f"{'-'.join(words)}.json"}, registry=registry)
        return [f"{document['kind']} {error.json_path}: {error.message}" for error in validator.iter_errors(document)]

    return faults


@functools.cache
def definition(kind: str) -> dict[str, Any]:
    """Return the Operator's schema of a kind; what it does not name there may not be."""
    name, digest = DEFINITIONS[kind]
    content = (ROOT / "tests" / "packages" / "operator" / name).read_bytes()
    assert hashlib.sha256(content).hexdigest() == digest, f"{name} is not the file that NOTICE.md says"
    (version,) = yaml.safe_load(content)["spec"]["versions"]
    schema: dict[str, Any] = _closed(version["schema"]["openAPIV3Schema"])
    schema["properties"]["metadata"] = {"type": "object"}
    return schema


def _closed(schema: Any) -> Any:
    """Return a schema in which an object has no other fields than those it names: the server would drop them."""
    if isinstance(schema, list):
        return [_closed(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    closed = {name: _closed(each) for name, each in schema.items()}
    if isinstance(schema.get("properties"), dict) and "type" in schema and "additionalProperties" not in schema:
        closed["additionalProperties"] = False
    return closed


def operator_faults(document: dict[str, Any]) -> list[str]:
    """Return the faults of a document of the Prometheus Operator's."""
    validator = jsonschema.Draft202012Validator(definition(document["kind"]))
    return [f"{document['kind']} {error.json_path}: {error.message}" for error in validator.iter_errors(document)]
