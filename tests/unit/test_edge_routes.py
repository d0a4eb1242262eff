"""Routes and handlers that contradict each other do not start; small promises of the answers."""

import io
from typing import Any

import msgspec
import pytest
from aiohttp import web
from aiohttp.test_utils import make_mocked_request
from multidict import CIMultiDict

from proto.problem import UnavailableProblem
from services.edge import (
    EdgeConfig,
    Log,
    PreconditionProblem,
    Route,
    etag_of,
    make_app,
    matches_etag,
    problem_response,
    require_match,
)


class Closed(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    name: str


class Open(msgspec.Struct, frozen=True, kw_only=True):
    name: str


class Holder(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    inner: dict[str, list[Open]]


async def nothing(request: web.Request) -> None:
    pass


async def with_body(request: web.Request, *, body: Any) -> None:
    pass


async def with_path(request: web.Request, *, path: Closed) -> None:
    pass


@pytest.mark.parametrize(
    ("route", "words"),
    [
        (Route("POST", "/x", with_body, summary="x"), "asks for body"),
        (Route("POST", "/x", nothing, summary="x", request=Open), "Open must forbid unknown fields"),
        (Route("POST", "/x", nothing, summary="x", request=Holder), "Open must forbid unknown fields"),
        (Route("GET", "/x", nothing, summary="x", auth="bearer"), "authenticate"),
        (Route("GET", "/x", nothing, summary="x", scope="a:b"), "scope"),
        (Route("GET", "/x/{other}", with_path, summary="x", path_parameters=Closed), "path_parameters"),
    ],
)
def test_a_route_that_contradicts_itself_does_not_start(route: Route, words: str) -> None:
    with pytest.raises(TypeError, match=words):
        make_app("sample", [route], config=EdgeConfig(), log=Log("sample", io.BytesIO()), version="1", description="")


def test_the_template_of_a_path_has_no_patterns() -> None:
    route = Route("GET", r"/tile/{level:\d{1,2}}/{rest:.+}", nothing, summary="x")
    assert route.template == "/tile/{level}/{rest}"
    assert route.placeholders == ("level", "rest")


def test_an_etag_matches_by_weak_comparison() -> None:
    etag = etag_of(b"content")
    assert matches_etag(f'"other", W/{etag}', etag)
    assert matches_etag("*", etag)
    assert not matches_etag('"other"', etag)
    assert not matches_etag(None, etag)


def test_if_match_with_another_etag_is_refused() -> None:
    etag = etag_of(b"content")
    require_match(make_mocked_request("PUT", "/", headers={"If-Match": f'"a", {etag}'}), etag)
    require_match(make_mocked_request("PUT", "/"), etag)
    with pytest.raises(PreconditionProblem):
        require_match(make_mocked_request("PUT", "/", headers={"If-Match": '"a"'}), etag)


@pytest.mark.parametrize("lines", [["W/{}"], ["*", '"a"'], [""], [",,"], ['"a", *'], ["{}x"], ['"a"', '"b"']])
def test_an_odd_if_match_names_nothing(lines: list[str]) -> None:
    etag = etag_of(b"content")
    headers = CIMultiDict([("If-Match", line.format(etag)) for line in lines])
    with pytest.raises(PreconditionProblem):
        require_match(make_mocked_request("PUT", "/", headers=headers), etag)


def test_several_lines_of_if_match_are_one_list() -> None:
    etag = etag_of(b"content")
    headers = CIMultiDict([("If-Match", '"a"'), ("If-Match", etag)])
    require_match(make_mocked_request("PUT", "/", headers=headers), etag)


def test_retry_after_is_rounded_up_to_whole_seconds() -> None:
    response = problem_response(UnavailableProblem("full", retry_after_seconds=1.2))
    assert response.headers["Retry-After"] == "2"
    assert response.content_type == "application/problem+json"


def test_a_log_line_of_the_service_is_one_json_object() -> None:
    stream = io.BytesIO()
    log = Log("sample", stream)
    log.event("batch_committed", events=3)
    try:
        int("two\nlines")
    except ValueError as error:
        log.failure("batch_failed", error, batch=7)
    first, second = [msgspec.json.decode(line) for line in stream.getvalue().splitlines()]
    assert (first["service"], first["event"], first["events"]) == ("sample", "batch_committed", 3)
    assert (second["level"], second["error"], second["batch"]) == ("error", "ValueError", 7)
    assert "Traceback" in second["traceback"]


def test_a_log_stream_that_fails_loses_lines_and_nothing_else() -> None:
    stream = io.BytesIO()
    log = Log("sample", stream)
    stream.close()
    log.event("unheard")
    assert log.lost_count == 1
