"""Refusals as pages, for whoever opened an address in a browser; machines get problem documents. Decides nothing.

Whoever names `text/html` in `Accept` and no JSON is a browser: scripts and commands send `*/*` or JSON.
"""

from functools import lru_cache
from pathlib import Path

import jinja2
from aiohttp import web

from proto.problem import Problem
from services.edge.pages import Templates
from services.edge.problems import problem_response

_ACCEPT_LENGTH_MAX = 1_000


def wants_page(request: web.BaseRequest) -> bool:
    """Tell whether a refusal is better read as a page by whoever sent this request."""
    accept = request.headers.get("Accept", "")[:_ACCEPT_LENGTH_MAX].lower()
    return "text/html" in accept and "json" not in accept


def problem_page(request: web.BaseRequest, problem: Problem) -> web.Response:
    """Return a refusal as a page, with the status and the headers that it has as a document."""
    templates, template = _page()
    way_back = "../" * (request.path.count("/") - 1) or "./"
    response = templates.page(template.render(problem=problem, way_back=way_back), status=problem.status)
    for name, value in problem_response(problem).headers.items():
        if name.lower() not in {"content-type", "content-length"}:
            response.headers[name] = value
    response.headers["Vary"] = "Accept"
    return response


@lru_cache(maxsize=1)
def _page() -> tuple[Templates, jinja2.Template]:
    templates = Templates(Path(__file__).parent)
    return templates, templates.environment.get_template("problem.html.jinja")
