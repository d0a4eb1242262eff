"""Refusals as pages, for whoever opened an address in a browser; machines get problem documents. Decides nothing.

Whoever names `text/html` in `Accept` and no JSON is a browser: scripts and commands send `*/*` or JSON.
"""

from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path

import jinja2
from aiohttp import web

from proto.problem import Problem
from services.edge.page_words import page_words
from services.edge.pages import Templates
from services.edge.problems import (
    BodyTimeoutProblem,
    BodyTooLargeProblem,
    MediaTypeProblem,
    MethodNotAllowedProblem,
    RateLimitedProblem,
    UnauthenticatedProblem,
    UnknownPathProblem,
    problem_response,
)

_ACCEPT_LENGTH_MAX = 1_000
SAID: Mapping[str, str] = {
    UnknownPathProblem.slug: "There is no page at this address.",
    MethodNotAllowedProblem.slug: "This address is not opened by a link: something is sent to it.",
    BodyTooLargeProblem.slug: "What was sent has more bytes than this address takes.",
    MediaTypeProblem.slug: "This address takes content of another kind.",
    BodyTimeoutProblem.slug: "What was sent did not arrive in the time that there is for it.",
    UnauthenticatedProblem.slug: "This address asks for a key, and none that is known was sent.",
    RateLimitedProblem.slug: "Your address sent more requests than are taken in a while.",
}
"""What a page says where the sentence for programs speaks of what people do not know, by the problem's slug."""
NEXT: Mapping[int, str] = {
    401: "This address is for programs that have a key. Was it meant for you, ask whoever gave it to you for a link.",
    404: "Was the address copied whole? A link that was sent to you ends in a long code, and works with all of it.",
    405: "Open the page before this one again, and use what is on it.",
    408: "Load the page before this one again, and send it anew.",
    413: "Go back, and choose a smaller file: the credential itself, rather than what it came in.",
    429: "Wait a moment, then load this page again.",
}
"""What a person can do next, by the status."""


def wants_page(request: web.BaseRequest) -> bool:
    """Tell whether a refusal is better read as a page by whoever sent this request."""
    accept = request.headers.get("Accept", "")[:_ACCEPT_LENGTH_MAX].lower()
    return "text/html" in accept and "json" not in accept


def problem_page(request: web.Request, problem: Problem) -> web.Response:
    """Return a refusal as a page, with the status and the headers that it has as a document.

    It speaks the reader's language, says what to do next, and leads to the first page where the service has one.
    """
    templates, template = _page()
    root = "../" * (request.path.count("/") - 1) or "./"
    has_first_page = any(resource.canonical == "/" for resource in request.app.router.resources())
    words = page_words(named=request.query.get("lang"), accepted=request.headers.get("Accept-Language"))
    page = template.render(
        language=words.code,
        say=words.said,
        title=words.said(problem.title),
        said=words.said(SAID.get(problem.slug, problem.detail)),
        next=words.said(NEXT.get(problem.status, "")),
        way_back=root if has_first_page else "",
        docs=f"{root}docs",
    )
    response = templates.page(page, status=problem.status)
    for name, value in problem_response(problem).headers.items():
        if name.lower() not in {"content-type", "content-length"}:
            response.headers[name] = value
    response.headers["Vary"] = "Accept, Accept-Language"
    return response


@lru_cache(maxsize=1)
def _page() -> tuple[Templates, jinja2.Template]:
    templates = Templates(Path(__file__).parent)
    return templates, templates.environment.get_template("problem.html.jinja")
