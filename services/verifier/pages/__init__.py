"""Pages for people: no script, nothing loaded from anywhere, every value escaped. Decides and stores nothing."""

from collections.abc import Mapping
from pathlib import Path

from aiohttp import web

from proto.stacking import ects_text
from proto.wire.verifier import Answer, CheckName, Result, Verdict
from services.edge import Templates
from services.verifier.words import REASONS, STATES, when

_FOLDER = Path(__file__).parent
WORDS: Mapping[Verdict, str] = {"valid": "Valid", "invalid": "Not valid", "indeterminate": "Cannot be confirmed"}
NAMES: Mapping[CheckName, str] = {
    "document": "The document is as it was issued",
    "proof": "The document's own signature holds",
    "signature": "Signed by the institution",
    "inclusion": "Part of the public log",
    "issuer": "The institution may award it",
    "status": "Neither revoked nor suspended",
    "period": "Within its period of validity",
    "components": "All of its parts hold",
    "freshness": "The records are recent",
}
RESULTS: Mapping[Result, str] = {
    "valid": "yes",
    "invalid": "no",
    "unknown": "not known",
    "not_applicable": "does not apply",
}
MARKS: Mapping[Result, str] = {"valid": "\u2713", "invalid": "\u2717", "unknown": "?", "not_applicable": "\u2013"}


class Pages:
    """Renders the pages; made once, used by every request."""

    def __init__(self) -> None:
        self._templates = Templates(_FOLDER)
        environment = self._templates.environment
        environment.filters["ects"] = ects_text
        environment.filters["when"] = when
        environment.globals.update(names=NAMES, results=RESULTS, marks=MARKS, states=STATES, reasons=REASONS)
        self._home = environment.get_template("home.html.jinja")
        self._answer = environment.get_template("answer.html.jinja")

    def home(self, *, fault: str = "", status: int = 200) -> web.Response:
        """Return the page with the forms, saying above them what was wrong with the last one."""
        return self._templates.page(self._home.render(fault=fault), status=status)

    def answer(self, answer: Answer, *, heading: str, asked: str = "") -> web.Response:
        """Return the page of a verdict: its word first and large, then what was checked and what is on record.

        `asked` says for which other moment than now was asked.
        """
        page = self._answer.render(
            answer=answer, heading=heading, word=WORDS[answer.verdict], lead=_lead(answer), asked=asked
        )
        return self._templates.page(page)


def _lead(answer: Answer) -> list[str]:
    """Return the sentences under the verdict's word: what decided it."""
    if answer.verdict == "valid":
        is_document = any(check.check == "document" and check.result == "valid" for check in answer.checks)
        return [
            "The document is authentic and the credential holds." if is_document else "The credential on record holds."
        ]
    decisive: Result = "invalid" if answer.verdict == "invalid" else "unknown"
    return [check.detail for check in answer.checks if check.result == decisive]
