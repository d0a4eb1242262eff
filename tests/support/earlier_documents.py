"""Documents as they were before: EU terms under short names, defined by a context that stands inside the document."""

import json
from pathlib import Path
from typing import Any

from proto.documents.open_badge_names import with_names
from tests.support.documents import full_document

_GOLDEN = Path(__file__).parents[1] / "conformance" / "golden" / "documents-with-inline-context.json"


def signed_before() -> dict[str, dict[str, dict[str, Any]]]:
    """Return documents as they were signed then, by the name of their form and by suite."""
    found = json.loads(_GOLDEN.read_text(encoding="utf-8"))
    assert isinstance(found, dict)
    return found


def earlier_document(**other: Any) -> dict[str, Any]:
    """Return the document with every member in the last of the earlier forms, not signed."""
    document = with_names(full_document(**other))
    assert isinstance(document, dict)
    return document | {"@context": signed_before()["with-provision"]["eddsa-jcs-2022"]["@context"]}
