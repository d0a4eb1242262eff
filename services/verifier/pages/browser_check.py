"""The check of a credential in the reader's own browser, as one script: no server is asked, nothing is sent.

`browser/` holds its sources, in the order in which they build on each other; they share one scope, so that the page is
one file that also works from a disk. `browser/vendor/` holds two libraries of others, as `README.md` there says.
"""

import json
from collections.abc import Mapping
from functools import cache
from pathlib import Path

from proto.documents.open_badge_context import EU_TERMS
from proto.documents.open_badge_names import IRIS

_FOLDER = Path(__file__).parent / "browser"
CORE = (
    "bytes",
    "canonical",
    "keys",
    "events",
    "lifecycle",
    "statements",
    "log",
    "bundle",
    "document",
    "formats",
    "files",
)
"""What reads and judges: it touches no page, and tests run it alone."""


@cache
def core_script() -> str:
    """Return what reads and judges files, as one script."""
    return _joined("vendor/noble-ed25519") + _terms() + _joined(*CORE)


@cache
def page_script() -> str:
    """Return the script of the page: what judges, what reads QR codes, and what the page does with both."""
    return '\n(() => {\n"use strict";\n' + core_script() + _joined("vendor/qr-decode", "page") + "})();\n"


def _joined(*names: str) -> str:
    return "".join((_FOLDER / f"{name}.js").read_text(encoding="utf-8") for name in names)


def _terms() -> str:
    """Return the names of EU elements, which documents give by their IRIs, as the scripts read them."""
    terms = {
        "iris": dict(IRIS),
        "references": _defined_with("@type", "@id"),
        "byLanguage": _defined_with("@container", "@language"),
    }
    return f"const EU_TERMS = {json.dumps(terms)};\n"


def _defined_with(keyword: str, value: str) -> list[str]:
    return [name for name, each in EU_TERMS.items() if isinstance(each, Mapping) and each.get(keyword) == value]
