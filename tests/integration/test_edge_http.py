"""The edge on a real socket: every promise that a service makes at HTTP without doing anything for it."""

import asyncio
import base64
import contextlib
import hashlib
import html.parser
import io
import socket
import sys
from collections.abc import AsyncIterator, Callable
from typing import Annotated, Any

import aiohttp
import msgspec
import pytest
from aiohttp import web
from openapi_spec_validator import validate
from prometheus_client.parser import text_string_to_metric_families
from yarl import URL

from proto.problem import ConflictProblem, MalformedProblem, Problem
from services.edge import (
    LOG,
    STOPPING,
    Address,
    EdgeConfig,
    Form,
    Line,
    LineWriter,
    ListenFault,
    Log,
    Media,
    Principal,
    RateLimitedProblem,
    Reply,
    Route,
    annotate,
    client_address,
    decode_json,
    etag_of,
    html_page,
    listening,
    make_app,
    problem_line,
    read_lines,
    request_id,
    serve,
    token_hash,
)
from services.edge.dispatch import DISPATCH

SECONDS_MAX = 120.0
TOKEN = "a-token.of-A~tenant_1"


class Part(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    credits: Annotated[int, msgspec.Meta(ge=1)]


class Thing(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    name: str
    parts: list[Part] = []
    notes: dict[str, Part] = {}


class ThingPath(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    number: Annotated[int, msgspec.Meta(ge=1)]


class Window(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    limit: Annotated[int, msgspec.Meta(ge=1, le=100, description="How many at most")] = 10
    tag: list[str] = []


class Answer(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    number: int
    limit: int
    tags: list[str]


class Tenant(Principal, frozen=True, kw_only=True):
    name: str


PART = msgspec.json.Decoder(Part)


async def read_thing(request: web.Request, *, path: ThingPath, query: Window) -> Answer:
    annotate(request, asked=1)
    return Answer(number=path.number, limit=query.limit, tags=query.tag)


async def make_thing(
    request: web.Request, *, body: Thing, raw: bytes, principal: Tenant, idempotency_key: str | None
) -> Reply:
    if body.name == "taken":
        raise ConflictProblem("There is one already", pointer="/name", members={"index": 7})
    words = {"name": body.name, "tenant": principal.name, "key": idempotency_key, "bytes": len(raw)}
    return Reply(words, status=201, headers={"Location": "/things/1"})


async def count_lines(request: web.Request, *, body: Thing | None) -> web.StreamResponse | Reply:
    if body is not None:
        return Reply({"single": body.name})
    async with LineWriter(request) as answers:
        async for line in read_lines(request, line_bytes_max=100, line_count_max=5):
            await answers.write(_answer(line))
    return answers.response


def _answer(line: Line) -> Any:
    if line.content is None:
        return problem_line(line.number, MalformedProblem("This line is too long"))
    try:
        return {"line": line.number, "status": 200, "credits": decode_json(line.content, PART).credits}
    except Problem as problem:
        return problem_line(line.number, problem)


async def upload(request: web.Request, *, body: bytes) -> str:
    return hashlib.sha256(body).hexdigest()


async def send_form(request: web.Request, *, body: Form) -> web.Response:
    return html_page(f"<style>p {{}}</style><p>{body.text('words')} {len(body.fields.get('file', b''))}", style="p {}")


async def fail(request: web.Request) -> None:
    try:
        int(request.query.get("who", ""))
    except ValueError as error:
        raise RuntimeError("the password is hunter2", request.query_string) from error


async def break_off(request: web.Request) -> web.StreamResponse:
    async with LineWriter(request) as lines:
        await lines.write({"line": 1})
        await fail(request)
    return lines.response


async def who(request: web.Request) -> dict[str, str]:
    return {"address": client_address(request), "id": request_id(request)}


async def tagged(request: web.Request) -> Reply:
    return Reply({"content": 1}, etag=etag_of(b"1"))


async def go_elsewhere(request: web.Request) -> None:
    raise web.HTTPSeeOther("/who")


async def wait_for_stop(request: web.Request) -> dict[str, bool]:
    await request.app[STOPPING].wait()
    return {"stopped": True}


async def find_tenant(hashed: bytes) -> Tenant | None:
    known = token_hash(TOKEN)
    other = token_hash("reader")
    scopes = {known: frozenset({"things:write"}), other: frozenset({"things:read"})}
    return Tenant(token_hash=hashed, scopes=scopes[hashed], name="uni") if hashed in scopes else None


ROUTES = [
    Route("GET", "/things/{number}", read_thing, summary="Read", query=Window, path_parameters=ThingPath,
          response={200: Answer}, tag="things"),
    Route("POST", "/things", make_thing, summary="Make", request=Thing, unique_keys=True,
          response={201: dict[str, Any]}, problems=(ConflictProblem,),
          auth="bearer", scope="things:write", idempotency="required", tag="things",
          body_bytes_max=10_000),
    Route("POST", "/lines", count_lines, summary="Lines", request=Thing, request_lines=Part,
          response={200: Media("application/x-ndjson", dict[str, Any])}),
    Route("POST", "/upload", upload, summary="Upload", request=bytes, request_media=("text/csv",),
          response={200: Media("text/plain")}, body_bytes_max=2_000_000),
    Route("POST", "/things/changes", count_lines, operation="change", summary="Changes", request=Thing,
          request_lines=Part),
    Route("POST", "/form", send_form, summary="Form", request=Form, response={200: Media("text/html")}),
    Route("GET", "/fail", fail, summary="Fail"),
    Route("GET", "/break", break_off, summary="Break off", response={200: Media("application/x-ndjson", Part)}),
    Route("GET", "/who", who, summary="Who asks", response={200: dict[str, str]}),
    Route("GET", "/tagged", tagged, summary="With an ETag", response={200: dict[str, int]}),
    Route("GET", "/elsewhere", go_elsewhere, summary="Go", response={303: None}),
    Route("GET", "/wait", wait_for_stop, summary="Wait", response={200: dict[str, bool]}),
]  # fmt: skip  # a table reads better


class Sample:
    """A running service, a client for it, and what it logged."""

    def __init__(
        self, app: web.Application, address: Address, client: aiohttp.ClientSession, stream: io.BytesIO
    ) -> None:
        self.app = app
        self.address = address
        self.client = client
        self._stream = stream

    def lines(self) -> list[dict[str, Any]]:
        self.app[LOG].flush()
        return [msgspec.json.decode(line) for line in self._stream.getvalue().splitlines()]

    async def problem(self, method: str, path: str, **options: Any) -> tuple[dict[str, Any], aiohttp.ClientResponse]:
        async with self.client.request(method, path, **options) as response:
            assert response.content_type == "application/problem+json", await response.text()
            document = await response.json(content_type=None)
            assert document["status"] == response.status
            assert {"type", "title", "detail"} <= document.keys()
            return document, response


@contextlib.asynccontextmanager
async def running(config: EdgeConfig | None = None, **options: Any) -> AsyncIterator[Sample]:
    stream = io.BytesIO()
    app = make_app(
        "sample", ROUTES, config=config or EdgeConfig(), log=Log("sample", stream), version="1.2.3",
        description="A sample", authenticate=find_tenant, **options,
    )  # fmt: skip  # short
    timeout = aiohttp.ClientTimeout(total=SECONDS_MAX)
    async with (
        listening(app, host="127.0.0.1", port=0) as address,
        aiohttp.ClientSession(address.url, timeout=timeout) as client,
    ):
        yield Sample(app, address, client, stream)


@pytest.fixture
async def sample() -> AsyncIterator[Sample]:
    async with running() as sample:
        yield sample


async def until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(SECONDS_MAX):
        while not holds():  # noqa: ASYNC110 - the state is the server's own, and nothing announces it
            await asyncio.sleep(0.01)


def headers(**more: str) -> dict[str, str]:
    return {
        "Authorization": f"Bearer {TOKEN}",
        "Idempotency-Key": "first-1",
        "Content-Type": "application/json",
        **{name.replace("_", "-"): value for name, value in more.items()},
    }


async def test_a_good_request_is_answered_with_its_typed_input(sample: Sample) -> None:
    async with sample.client.get("/things/7?limit=3&tag=a&tag=b") as response:
        assert (response.status, await response.json()) == (200, {"number": 7, "limit": 3, "tags": ["a", "b"]})
        assert "Cache-Control" not in response.headers
    body = b'{"name":"Gr\xc3\xbc\xc3\x9fe"}'
    async with sample.client.post("/things", data=body, headers=headers()) as response:
        assert response.status == 201
        assert response.headers["Location"] == "/things/1"
        assert response.headers["Cache-Control"] == "no-store", "what one caller may read is kept by no cache"
        assert await response.json() == {"name": "Grüße", "tenant": "uni", "key": "first-1", "bytes": len(body)}


@pytest.mark.parametrize(
    ("body", "status", "pointer"),
    [
        (b'{"name":', 400, None),
        (b"", 400, None),
        (b"\xff\xfe", 400, None),
        (b'{"name":"x","name":"y"}', 400, ""),
        (b'{"name":"x","parts":[{"credits":1,"credits":2}]}', 400, "/parts/0"),
        (b'{"name":"x","more":1}', 422, ""),
        (b'{"name":"x","parts":[{"credits":1},{"credits":1,"more":1}]}', 422, "/parts/1"),
        (b'{"name":"x","parts":[{"credits":0}]}', 422, "/parts/0/credits"),
        (b'{"name":"x","notes":{"a":{"credits":"1"}}}', 422, "/notes"),
        (b"{}", 422, ""),
        (b'{"name":"taken"}', 409, "/name"),
    ],
)
async def test_a_wrong_body_is_a_problem_that_names_the_fault(
    sample: Sample, body: bytes, status: int, pointer: str | None
) -> None:
    document, response = await sample.problem("POST", "/things", data=body, headers=headers())
    assert response.status == status
    assert document.get("pointer") == pointer


async def test_extension_members_of_a_problem_are_sent(sample: Sample) -> None:
    document, _ = await sample.problem("POST", "/things", data=b'{"name":"taken"}', headers=headers())
    assert (document["type"], document["index"]) == ("urn:credentify:problem:conflict", 7)


@pytest.mark.parametrize(
    ("path", "parameter"),
    [("/things/0", "number"), ("/things/x", "number"), ("/things/1?limit=0", "limit"), ("/things/1?lim=1", "lim"),
     ("/things/1?limit=1&limit=2", "limit")],
)  # fmt: skip  # a table reads better
async def test_a_wrong_parameter_is_named(sample: Sample, path: str, parameter: str) -> None:
    document, response = await sample.problem("GET", path)
    assert (response.status, document["parameter"]) == (422, parameter)


async def test_ten_megabytes_are_refused_with_the_limit_before_they_have_come(sample: Sample) -> None:
    answered = asyncio.Event()

    async def body() -> AsyncIterator[bytes]:
        yield b" "
        await answered.wait()

    announced = {**headers(), "Content-Length": "10000000"}
    async with asyncio.timeout(SECONDS_MAX):
        document, response = await sample.problem("POST", "/things", data=body(), headers=announced)
    answered.set()
    assert (response.status, document["limit_bytes"]) == (413, 10_000)


async def test_a_body_of_unknown_length_is_refused_once_it_is_too_long(sample: Sample) -> None:
    async def chunks() -> AsyncIterator[bytes]:
        for _ in range(200):
            yield b" " * 50_000

    document, response = await sample.problem("POST", "/things", data=chunks(), headers=headers())
    assert (response.status, document["limit_bytes"]) == (413, 10_000)


async def test_a_body_that_waits_for_permission_gets_it_only_if_it_fits(sample: Sample) -> None:
    async with sample.client.post("/things", data=b'{"name":"x"}', headers=headers(), expect100=True) as response:
        assert response.status == 201
    reader, writer = await asyncio.open_connection(sample.address.host, sample.address.port)
    head = "".join(f"{name}: {value}\r\n" for name, value in headers().items())
    request = f"POST /things HTTP/1.1\r\nHost: x\r\n{head}Content-Length: 99999999\r\nExpect: 100-continue\r\n\r\n"
    writer.write(request.encode())
    async with asyncio.timeout(SECONDS_MAX):
        assert b" 413 " in await reader.readline()
    writer.close()
    await writer.wait_closed()


async def test_a_body_that_never_ends_is_given_up() -> None:
    async with running(EdgeConfig(body_timeout_seconds=0.1)) as sample:
        reader, writer = await asyncio.open_connection(sample.address.host, sample.address.port)
        head = "".join(f"{name}: {value}\r\n" for name, value in headers().items())
        writer.write(f"POST /things HTTP/1.1\r\nHost: x\r\n{head}Content-Length: 50\r\n\r\n{{".encode())
        async with asyncio.timeout(SECONDS_MAX):
            assert b" 408 " in await reader.readline()
        writer.close()
        await writer.wait_closed()


@pytest.mark.parametrize(
    "more", [{"Content_Type": "text/plain"}, {"Content_Encoding": "gzip"}, {"Content_Type": "application/x-ndjson"}]
)
async def test_another_kind_of_content_is_refused(sample: Sample, more: dict[str, str]) -> None:
    document, response = await sample.problem("POST", "/things", data=b"\x1f\x8b", headers=headers(**more))
    assert (response.status, document["accepted"]) == (415, ["application/json"])


async def test_wrong_methods_and_unknown_paths_are_problems(sample: Sample) -> None:
    document, response = await sample.problem("DELETE", "/things/1")
    assert (response.status, response.headers["Allow"], document["allowed"]) == (405, "GET, HEAD", ["GET", "HEAD"])
    for method, path in [("GET", "/nothing"), ("PROPFIND", "/%ff/..%2f"), ("GET", "/things/1/")]:
        _, response = await sample.problem(method, path)
        assert response.status == 404


async def test_a_fault_of_ours_says_nothing_outside_and_all_in_the_log(sample: Sample) -> None:
    document, response = await sample.problem("GET", "/fail?who=Quirinia")
    assert response.status == 500
    assert "hunter2" not in str(document)
    failure = next(line for line in sample.lines() if line["event"] == "request_failed")
    assert "Quirinia" not in str(sample.lines())
    assert failure["error"] == "RuntimeError from ValueError"
    assert failure["request_id"] == document["request_id"] == response.headers["X-Request-Id"]
    assert "hunter2" in failure["traceback"]


async def test_an_answer_that_breaks_off_is_not_taken_for_a_whole_one(sample: Sample) -> None:
    with pytest.raises(aiohttp.ClientError):
        async with sample.client.get("/break") as response:
            await response.read()
    assert [line["event"] for line in sample.lines()].count("answer_cut") == 1


@pytest.mark.parametrize(
    ("value", "status", "error"),
    [
        (None, 401, None),
        ("Bearer ", 401, "invalid_request"),
        ("Basic abc", 401, "invalid_request"),
        (f"Bearer {TOKEN}x", 401, "invalid_token"),
        ("Bearer reader", 403, "insufficient_scope"),
    ],
)
async def test_without_the_right_key_the_challenge_says_what_is_missing(
    sample: Sample, value: str | None, status: int, error: str | None
) -> None:
    sent = headers() | ({"Authorization": value} if value else {})
    if value is None:
        del sent["Authorization"]
    _, response = await sample.problem("POST", "/things", data=b"{}", headers=sent)
    assert response.status == status
    assert response.headers["WWW-Authenticate"].startswith('Bearer realm="sample"')
    assert error is None or f'error="{error}"' in response.headers["WWW-Authenticate"]


@pytest.mark.parametrize("key", [None, "", "two words", "x" * 129, "ключ"])
async def test_a_missing_or_odd_idempotency_key_is_refused(sample: Sample, key: str | None) -> None:
    sent = headers()
    if key is None:
        del sent["Idempotency-Key"]
    else:
        sent["Idempotency-Key"] = key
    document, response = await sample.problem("POST", "/things", data=b'{"name":"x"}', headers=sent)
    assert (response.status, document["header"]) == (422, "Idempotency-Key")


async def test_lines_are_answered_one_for_one_and_a_bad_one_sinks_no_other(sample: Sample) -> None:
    sent = b'{"credits":1}\r\n\n{"credits":0}\n' + b"x" * 1000 + b'\nnot json\n{"credits":5}'
    async with sample.client.post("/lines", data=sent, headers={"Content-Type": "application/x-ndjson"}) as response:
        assert (response.status, response.content_type) == (200, "application/x-ndjson")
        assert response.headers["X-Content-Type-Options"] == "nosniff"
        assert response.headers["X-Accel-Buffering"] == "no", "proxies pass each line on as it comes"
        lines = [msgspec.json.decode(line) for line in (await response.read()).splitlines()]
    assert [(line["line"], line["status"]) for line in lines] == [(1, 200), (3, 422), (4, 400), (5, 400), (6, 200)]
    assert lines[1]["problem"]["pointer"] == "/credits"


async def test_lines_in_pieces_are_put_together(sample: Sample) -> None:
    async def pieces() -> AsyncIterator[bytes]:
        for byte in b'{"credits":1}\n{"credits":2}\n':
            yield bytes([byte])

    async with sample.client.post(
        "/lines", data=pieces(), headers={"Content-Type": "application/x-ndjson"}
    ) as response:
        lines = [msgspec.json.decode(line) for line in (await response.read()).splitlines()]
    assert [line["credits"] for line in lines] == [1, 2]


async def test_the_same_route_takes_one_body_or_lines(sample: Sample) -> None:
    async with sample.client.post("/lines", json={"name": "one"}) as response:
        assert msgspec.json.decode(await response.read()) == {"single": "one"}


async def test_raw_bodies_and_forms_arrive_whole(sample: Sample) -> None:
    data = bytes(range(256)) * 4000
    async with sample.client.post("/upload", data=io.BytesIO(data), headers={"Content-Type": "text/csv"}) as response:
        assert await response.text() == hashlib.sha256(data).hexdigest()
    async with sample.client.post("/form", data={"words": "Zoë b", "ö": "ü"}) as response:
        assert "<p>Zoë b 0" in await response.text()
    form = aiohttp.FormData()
    form.add_field("words", "é")
    form.add_field("file", data[:5000], filename="document.json")
    async with sample.client.post("/form", data=form) as response:
        assert "<p>é 5000" in await response.text()
    _, refused = await sample.problem(
        "POST", "/form", data=b"nonsense", headers={"Content-Type": "multipart/form-data; boundary=x"}
    )
    assert refused.status == 400
    for media_type, sent in {
        "multipart/form-data; boundary=x": b"--x\r\n\x0c: \xc2\n\r\n\r\n--x--\r\n",
        "application/x-www-form-urlencoded": b"words=%ff",
    }.items():
        body, refused = await sample.problem("POST", "/form", data=sent, headers={"Content-Type": media_type})
        assert (refused.status, body["type"]) == (400, "urn:credentify:problem:malformed")


async def test_a_path_that_is_written_out_is_not_taken_for_a_name(sample: Sample) -> None:
    for method in ("GET", "DELETE", "OPTIONS"):
        body, refused = await sample.problem(method, "/things/changes")
        assert (refused.status, refused.headers["Allow"], body["allowed"]) == (405, "POST", ["POST"])


async def test_a_page_runs_no_script_and_only_its_own_style(sample: Sample) -> None:
    async with sample.client.post("/form", data={"words": "x"}) as response:
        policy = response.headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "script-src" not in policy
    assert "style-src 'sha256-" in policy


async def test_every_answer_has_the_security_headers(sample: Sample) -> None:
    for path in ("/who", "/nothing", "/fail", "/docs", "/elsewhere"):
        async with sample.client.get(path, allow_redirects=False) as response:
            assert response.headers["X-Content-Type-Options"] == "nosniff"
            assert response.headers["Referrer-Policy"] == "no-referrer"
            assert "default-src 'none'" in response.headers["Content-Security-Policy"]
            assert response.headers["Server"] == "credentify"


async def test_an_etag_that_the_client_has_is_answered_without_body(sample: Sample) -> None:
    async with sample.client.get("/tagged") as response:
        etag = response.headers["ETag"]
    async with sample.client.get("/tagged", headers={"If-None-Match": etag}) as response:
        assert (response.status, await response.read(), response.headers["ETag"]) == (304, b"", etag)


async def test_a_redirect_stays_a_redirect(sample: Sample) -> None:
    async with sample.client.get("/elsewhere", allow_redirects=False) as response:
        assert (response.status, response.headers["Location"]) == (303, "/who")


async def test_head_is_get_without_body(sample: Sample) -> None:
    async with sample.client.head("/tagged") as response:
        assert (response.status, await response.read()) == (200, b"")
        assert response.headers["Content-Length"] == "13"


async def test_a_client_over_its_rate_is_told_when_to_come_back() -> None:
    async with running(EdgeConfig(rate_per_second=0.5, rate_burst=3)) as sample:
        for _ in range(3):
            async with sample.client.get("/who") as response:
                assert response.status == 200
        document, response = await sample.problem("GET", "/who")
        assert (response.status, document["type"]) == (429, f"urn:credentify:problem:{RateLimitedProblem.slug}")
        assert 1 <= int(response.headers["Retry-After"]) <= 2
        _, response = await sample.problem("GET", "/nothing")
        assert response.status == 429
        async with sample.client.get("/livez") as response:
            assert response.status == 200


async def test_each_client_behind_a_trusted_proxy_has_its_own_rate() -> None:
    config = EdgeConfig(rate_per_second=0.01, rate_burst=1, trusted_proxies=("127.0.0.0/8",))
    async with running(config) as sample:
        for number in range(3):
            sent = {"X-Forwarded-For": f"6.6.6.6, 1.2.3.{number}", "X-Request-Id": f"proxy-id-{number}"}
            async with sample.client.get("/who", headers=sent) as response:
                assert await response.json() == {"address": f"1.2.3.{number}", "id": f"proxy-id-{number}"}
        _, response = await sample.problem("GET", "/who", headers={"X-Forwarded-For": "1.2.3.0"})
        assert response.status == 429


async def test_without_a_trusted_proxy_nobody_chooses_an_address_or_an_id(sample: Sample) -> None:
    async with sample.client.get(
        "/who", headers={"X-Forwarded-For": "1.2.3.4", "X-Request-Id": "mine-mine"}
    ) as response:
        found = await response.json()
    assert found["address"] == "127.0.0.1"
    assert found["id"] != "mine-mine"


async def test_a_log_line_tells_the_route_and_never_what_was_asked(sample: Sample) -> None:
    async with sample.client.get("/things/4711?limit=3&tag=secret") as response:
        await response.read()
    await sample.problem("GET", "/nothing/Ada-Lovelace?mail=a@b.example")
    await sample.problem("POST", "/things", data=b'{"name":"Ada","Ada":1}', headers=headers())
    found, unknown, refused = sample.lines()
    assert found.keys() == {
        "time", "level", "service", "event", "method", "route", "status", "duration_ms", "bytes", "request_id", "asked",
    }  # fmt: skip  # a set reads better
    assert (found["service"], found["event"], found["route"], found["status"]) == (
        "sample", "request", "/things/{number}", 200,
    )  # fmt: skip  # short
    assert found["bytes"] > 0
    assert (unknown["route"], unknown["problem"]) == ("unmatched", "unknown-path")
    assert (refused["route"], refused["problem"], refused["status"]) == ("/things", "invalid", 422)
    for word in ("4711", "secret", "Ada", "mail", TOKEN, "first-1"):
        assert word not in str([found, unknown, refused])


@pytest.mark.parametrize("path", ["/nothing%0Ahere", "/%0A", "/things%0D%0A/4711", "/%85", "/%E2%80%A8"])
async def test_a_path_with_line_ends_in_it_is_unknown_like_any_other(sample: Sample, path: str) -> None:
    async with sample.client.get(URL(path, encoded=True)) as response:
        assert (response.status, response.content_type) == (404, "application/problem+json")


async def test_log_lines_come_by_themselves(sample: Sample) -> None:
    async with sample.client.get("/who") as response:
        await response.read()
    await until(lambda: b'"/who"' in sample._stream.getvalue())


async def test_probes_are_not_logged_while_all_is_well(sample: Sample) -> None:
    async with sample.client.get("/livez") as response:
        assert await response.json() == {"status": "alive", "service": "sample", "version": "1.2.3"}
    assert sample.lines() == []


async def test_metrics_count_by_route_template_and_class_of_status(sample: Sample) -> None:
    for number in (1, 2, 3):
        async with sample.client.get(f"/things/{number}") as response:
            await response.read()
    await sample.problem("GET", "/things/0")
    await sample.problem("GET", "/a/path/of/theirs")
    async with sample.client.get("/metrics") as response:
        families = {family.name: family for family in text_string_to_metric_families(await response.text())}
    counts = {
        (found.labels["route"], found.labels["code"]): found.value
        for found in families["credentify_http_requests"].samples
    }
    assert counts["/things/{number}", "2xx"] == 3
    assert counts["/things/{number}", "4xx"] == 1
    assert counts["unmatched", "4xx"] == 1
    durations = families["credentify_http_request_duration_seconds"].samples
    finite = {"method": "GET", "route": "/things/{number}", "code": "2xx"}
    assert [s.value for s in durations if s.name.endswith("_count") and s.labels == finite] == [3]
    own = [s.value for s in families["credentify_http_requests_in_flight"].samples if s.labels["route"] == "/metrics"]
    assert own == [1]
    assert all(len(family.documentation.split()) > 4 for name, family in families.items() if "credentify" in name)
    assert families["credentify_http_problems"].samples
    if sys.platform == "linux":
        assert families["process_open_fds"].samples[0].value < families["process_max_fds"].samples[0].value


async def test_readiness_names_what_fails() -> None:
    words: dict[str, str | None] = {"database": None, "disk": "12 MB are left, 500 are needed"}

    async def database() -> str | None:
        return words["database"]

    async def disk() -> str | None:
        return words["disk"]

    async def hang() -> str | None:
        await asyncio.Event().wait()
        return None

    async def crash() -> str | None:
        raise OSError("postgresql://user:password@host")

    checks: dict[str, Callable[..., Any]] = {"database": database, "disk": disk}
    async with running(readiness=checks) as sample:
        document, response = await sample.problem("GET", "/readyz")
        assert (response.status, document["failing"]) == (503, {"disk": words["disk"]})
        words["disk"] = None
        async with sample.client.get("/readyz") as ready:
            assert (ready.status, await ready.json()) == (200, {"status": "ready", "checks": ["database", "disk"]})
    config = EdgeConfig(readiness_timeout_seconds=0.05)
    async with running(config, readiness={"hang": hang, "crash": crash}) as sample:
        document, _ = await sample.problem("GET", "/readyz")
        assert document["failing"].keys() == {"hang", "crash"}
        assert "password" not in str(document)


async def test_the_openapi_document_is_valid_and_describes_every_route(sample: Sample) -> None:
    async with sample.client.get("/openapi.json") as response:
        document = await response.json()
    validate(document)
    assert document["openapi"].startswith("3.1")
    described = {(method.upper(), path) for path, methods in document["paths"].items() for method in methods}
    assert described >= {(route.method, route.template) for route in ROUTES}
    make = document["paths"]["/things"]["post"]
    assert make["responses"].keys() >= {"201", "400", "401", "403", "408", "409", "413", "415", "422", "429", "500"}
    assert make["requestBody"]["content"]["application/json"]["schema"] == {"$ref": "#/components/schemas/Thing"}
    assert make["security"] == [{"bearer": []}]
    read = document["paths"]["/things/{number}"]["get"]
    assert {(found["name"], found["in"], found["required"]) for found in read["parameters"]} == {
        ("number", "path", True), ("limit", "query", False), ("tag", "query", False),
    }  # fmt: skip  # a set reads better
    assert document["components"]["schemas"]["Part"]["additionalProperties"] is False


async def test_the_docs_page_is_whole_in_itself(sample: Sample) -> None:
    class Page(html.parser.HTMLParser):
        loaded: list[str] = []  # noqa: RUF012 - one page is parsed

        def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
            names = dict(attrs)
            if tag in {"script", "link", "img", "iframe"} or "style" in names or "onclick" in names:
                self.loaded.append(tag)

    async with sample.client.get("/docs") as response:
        page = await response.text()
        policy = response.headers["Content-Security-Policy"]
    Page().feed(page)
    assert Page.loaded == []
    style = page.partition("<style>")[2].partition("</style>")[0]
    digest = hashlib.sha256(style.encode()).digest()
    assert f"'sha256-{base64.b64encode(digest).decode()}'" in policy
    for route in ROUTES:
        assert route.template in page
        assert route.summary in page
    assert "http://" not in page
    assert "https://" not in page


async def test_a_port_in_use_is_told_in_clear_words() -> None:
    app = make_app("sample", [], config=EdgeConfig(), log=Log("sample", io.BytesIO()), version="1", description="")
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(ListenFault, match=f"port {port}: another program already listens there"):
            await serve(app, host="127.0.0.1", port=port, stop=asyncio.Event())


async def test_what_has_started_is_stopped_where_a_later_part_cannot_start() -> None:
    """Else a service that is refused its database ends with a fault of its own beside the reason."""
    app = make_app("sample", [], config=EdgeConfig(), log=Log("sample", io.BytesIO()), version="1", description="")
    ended: list[str] = []

    async def first(_: web.Application) -> AsyncIterator[None]:
        yield
        ended.append("first")

    async def second(_: web.Application) -> AsyncIterator[None]:
        if not ended:
            raise ConflictProblem("cannot start")
        yield

    app.cleanup_ctx.extend([first, second])
    with pytest.raises(ConflictProblem, match="cannot start"):
        await serve(app, host="127.0.0.1", port=0, stop=asyncio.Event())
    assert ended == ["first"]


async def test_stopping_lets_running_requests_finish() -> None:
    stream = io.BytesIO()
    app = make_app("sample", ROUTES, config=EdgeConfig(), log=Log("sample", stream), version="1", description="",
                   authenticate=find_tenant)  # fmt: skip  # short
    stop, started = asyncio.Event(), asyncio.Queue[Address]()
    async with asyncio.timeout(SECONDS_MAX), asyncio.TaskGroup() as group:
        serving = group.create_task(serve(app, host="127.0.0.1", port=0, stop=stop, on_started=started.put_nowait))
        address = await started.get()
        async with aiohttp.ClientSession(address.url) as client:
            waiting = group.create_task(client.get("/wait"))
            await until(lambda: _waits(app))
            stop.set()
            async with await waiting as response:
                assert await response.json() == {"stopped": True}
        await serving
    assert [msgspec.json.decode(line)["event"] for line in stream.getvalue().splitlines()] == [
        "started", "stopping", "request",
    ]  # fmt: skip  # short


def _waits(app: web.Application) -> bool:
    return any(tally.in_flight for tally in app[DISPATCH].tallies if tally.template == "/wait")
