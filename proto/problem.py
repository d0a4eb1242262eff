"""Every refusal of the project as one tree (RFC 9457); rendering over HTTP is `services.edge`."""

from collections.abc import Mapping
from typing import Any, ClassVar

from proto.sentence import Sentence

PROBLEM_TYPE_PREFIX = "urn:credentify:problem:"


class Problem(Exception):  # noqa: N818 - RFC 9457 calls it a problem
    """The root: a refusal with a stable `slug`, a `title` for people and the HTTP `status` it is answered with.

    `sentence` says what was wrong this time and what to do next, and `detail` is what it says in English; `pointer` is
    the RFC 6901 JSON pointer to the first fault, where the input was JSON; `members` are extension members (RFC 9457
    section 3.2), JSON values only. `retry_after_seconds` says when the same request may succeed, where that is known:
    it is a member of the document, and over HTTP the header `Retry-After`.
    """

    slug: ClassVar[str] = "problem"
    title: ClassVar[str] = "The request was refused"
    status: ClassVar[int] = 400
    is_family: ClassVar[bool] = False
    """Of this class alone: whoever names it as what may be refused means every subclass with it."""
    retry_after_seconds: float | None = None

    def __init__(
        self,
        detail: str | Sentence,
        *,
        pointer: str | None = None,
        members: Mapping[str, Any] | None = None,
        retry_after_seconds: float | None = None,
    ) -> None:
        self.sentence = detail if isinstance(detail, Sentence) else Sentence(detail)
        self.detail = str(self.sentence)
        super().__init__(self.detail)
        if retry_after_seconds is not None:
            self.retry_after_seconds = retry_after_seconds
        self.pointer = pointer
        self.members: dict[str, Any] = dict(members or {})

    def document(self) -> dict[str, Any]:
        """Return the RFC 9457 problem document; `pointer` and extension members only where there are any."""
        document: dict[str, Any] = {
            "type": PROBLEM_TYPE_PREFIX + self.slug,
            "title": self.title,
            "status": self.status,
            "detail": self.detail,
        }
        if self.pointer is not None:
            document["pointer"] = self.pointer
        if self.retry_after_seconds is not None:
            document["retry_after_seconds"] = self.retry_after_seconds
        return document | self.members


def slug_of(document: Mapping[str, Any]) -> str:
    """Return the last part of a problem document's type, such as `not-found`; empty where it has none."""
    return str(document.get("type", "")).rpartition(":")[2]


class MalformedProblem(Problem):
    """Input that is not what its format says it must be."""

    slug = "malformed"
    title = "The input is malformed"
    status = 400


class InvalidProblem(Problem):
    """Well-formed input that breaks a rule of its type: `pointer` says where."""

    slug = "invalid"
    title = "The input breaks a rule"
    status = 422


class NotFoundProblem(Problem):
    """Nothing is known under the name that was asked for."""

    slug = "not-found"
    title = "Not found"
    status = 404


class ConflictProblem(Problem):
    """The request contradicts what is already on record."""

    slug = "conflict"
    title = "The request conflicts with what is on record"
    status = 409


class UnavailableProblem(Problem):
    """The service cannot answer now; the same request may succeed later."""

    slug = "unavailable"
    title = "Not available now"
    status = 503


class BusyProblem(UnavailableProblem):
    """Others are being served, or work on the same thing; nothing was done, and the same request is taken later."""

    slug = "busy"
    title = "There is no room for this now"
    retry_after_seconds = 1


class OutcomeUnknownProblem(UnavailableProblem):
    """It may have been done or not; the same request again gets the answer, and does nothing twice."""

    slug = "outcome-unknown"
    title = "It is not known yet whether this was done"
    retry_after_seconds = 1
