"""Traces and request ids over all three services: one request is one trace, and what is away loses spans alone."""

import asyncio
import contextlib
import io
import json
import socket
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from services.call_context import CallContext
from services.edge import Log, listening
from services.edge.config import EdgeConfig
from services.settings import SettingsFault
from services.tracing import open_tracing
from services.verifier.app import make_app as make_verifier
from services.verifier.config import Config as VerifierConfig
from tests.support.databases import MakeDatabase
from tests.support.gateways import RunningGateway, running_gateway
from tests.support.judged import Verifier, document_of
from tests.support.ledgers import Registrar, RunningLedger, running_ledger, until
from tests.support.loopback import on_loopback
from tests.support.otlp_receiver import otlp_receiver

LOOPBACK = ("127.0.0.0/8", "::1/128")
OF_ONE_ISSUE = {
    "POST /v1/credentials",
    "database transaction",
    "outbox",
    "relay outbox",
    "log POST events",
    "POST /v1/events",
    "append",
    "database batch",
    "publish",
}
OURS = "0af7651916cd43dd8448eb211c80319c"


class Stack:
    """All three services, traced or not."""

    def __init__(self, ledger: RunningLedger, gateway: RunningGateway, verifier: Verifier) -> None:
        self.ledger, self.gateway, self.verifier = ledger, gateway, verifier

    def lines(self, log: io.BytesIO) -> list[dict[str, Any]]:
        return [json.loads(line) for line in log.getvalue().splitlines()]


@contextlib.asynccontextmanager
async def running_stack(make_database: MakeDatabase, folder: Path, **fields: Any) -> AsyncIterator[Stack]:
    fields = {"trusted_proxies": LOOPBACK} | fields
    async with contextlib.AsyncExitStack() as stack:
        ledger = await stack.enter_async_context(
            running_ledger(make_database, folder / "ledger", Registrar(rules_version=1), **fields)
        )
        gateway = await stack.enter_async_context(running_gateway(make_database, folder / "gateway", ledger, **fields))
        config = VerifierConfig(
            ledger_url=ledger.url,
            log_verifier_key=ledger.verifier_key,
            database_file=folder / "projection.sqlite",
            poll_seconds=1,
            port=0,
            **fields,
        )
        app = make_verifier(config, log=Log("verifier", io.BytesIO()), end_process=lambda _: None)
        address = await stack.enter_async_context(listening(app, host="127.0.0.1", port=0))
        session = await stack.enter_async_context(aiohttp.ClientSession())
        yield Stack(ledger, gateway, Verifier(session, address.url))


async def test_one_issue_is_one_trace_across_gateway_and_ledger_and_a_check_one_of_the_verifier(
    make_database: MakeDatabase, tmp_path: Path
) -> None:
    async with otlp_receiver() as receiver, running_stack(make_database, tmp_path, traces_url=receiver.url) as stack:
        office = await stack.gateway.institution("waterland")
        uri = (await office.describe()).achievement.uri
        answered = await office.client.send(
            "POST",
            "/v1/credentials",
            office.award(uri, "student-4711"),
            headers={"traceparent": f"00-{OURS}-b7ad6b7169203331-01", "X-Request-Id": "issue-of-the-test"},
        )
        credential = answered.body["credential_id"]
        await office.published(credential)
        document = await document_of(office, credential)
        await stack.verifier.answer(document)

        async def whole() -> bool | None:
            return {span.name for span in receiver.spans if span.trace_id == OURS} >= OF_ONE_ISSUE or None

        await until(whole, "the trace is whole")
        one = {span.name: span for span in receiver.spans if span.trace_id == OURS}
        assert one["POST /v1/credentials"].parent_id == "b7ad6b7169203331"
        assert one["POST /v1/events"].parent_id == one["log POST events"].span_id
        assert one["POST /v1/events"].service == "credentify-ledger"
        assert one["publish"].parent_id == one["database batch"].span_id
        assert one["POST /v1/credentials"].attributes["http.response.status_code"] in {"201", "202"}

        checked = await receiver.first("check document", **{"credentify.verdict": "valid"})
        followed = await receiver.first("log GET entries")
        asked = await receiver.first("GET /v1/entries", **{"http.response.status_code": "200"})
        assert checked.service == "credentify-verifier"
        assert asked.trace_id in {span.trace_id for span in receiver.named("log GET entries")}
        assert followed.service in {"credentify-verifier", "credentify-gateway"}

        for secret in (
            credential,
            "student-4711",
            "Zoë",
            "Łukasiewicz",
            office.created.api_key,
            "waterland",
            office.did,
        ):
            assert secret.encode() not in receiver.raw, secret


async def test_what_comes_of_several_requests_at_once_is_part_of_the_first_and_linked_to_the_others(
    tmp_path: Path,
) -> None:
    async with otlp_receiver() as receiver:
        tracing = open_tracing(url=receiver.url, share=1.0, service="ledger", version="1", say=lambda *_, **__: None)
        assert tracing is not None
        async with tracing.running():
            parents = [CallContext(None, f"00-{digit * 32}-{digit * 16}-01") for digit in "123"]
            with pytest.raises(ValueError, match="Zoë"), tracing.span("together", parents=parents):
                raise ValueError("Zoë has no address")
        span = await receiver.first("together")
    assert (span.trace_id, span.parent_id) == ("1" * 32, "1" * 16)
    assert span.links == ("2" * 32, "3" * 32)
    assert span.is_error
    assert span.attributes == {"error.type": "ValueError"}


async def test_a_stranger_cannot_have_his_trace_gone_on_with_nor_choose_an_id(
    make_database: MakeDatabase, tmp_path: Path
) -> None:
    async with (
        otlp_receiver() as receiver,
        running_ledger(
            make_database, tmp_path / "ledger", Registrar(rules_version=1), traces_url=receiver.url
        ) as ledger,
    ):
        sent = {"traceparent": f"00-{OURS}-b7ad6b7169203331-01", "X-Request-Id": "chosen-by-me"}
        _, _, headers = await ledger.get("/v1/log", **sent)
        span = await receiver.first("GET /v1/log")
    assert span.trace_id != OURS
    assert span.parent_id == ""
    assert next(value for name, value in headers.items() if name.lower() == "x-request-id") != "chosen-by-me"


@pytest.mark.parametrize("is_listening", [False, True], ids=["refuses connections", "never answers"])
async def test_a_receiver_that_is_away_delays_nothing_and_loses_spans_alone(
    make_database: MakeDatabase, tmp_path: Path, *, is_listening: bool
) -> None:
    with socket.socket() as away:
        away.bind(("127.0.0.1", 0))
        if is_listening:
            away.listen()
        url = f"http://127.0.0.1:{away.getsockname()[1]}/v1/traces"
        await issue_and_check(make_database, tmp_path, url)


async def issue_and_check(make_database: MakeDatabase, tmp_path: Path, url: str) -> None:
    async with running_stack(make_database, tmp_path, traces_url=url) as stack:
        office = await stack.gateway.institution("waterland")
        uri = (await office.describe()).achievement.uri
        issued = await office.issue(uri)
        await office.published(issued.credential_id)
        answer = await stack.verifier.answer(await document_of(office, issued.credential_id))
        assert answer["verdict"] == "valid"


async def test_a_request_id_goes_with_the_request_through_the_outbox_to_the_ledger(
    make_database: MakeDatabase, tmp_path: Path
) -> None:
    async with running_stack(make_database, tmp_path) as stack:
        office = await stack.gateway.institution("waterland")
        uri = (await office.describe()).achievement.uri
        sent = {"X-Request-Id": "issue-of-the-test"}
        answered = await office.client.send("POST", "/v1/credentials", office.award(uri), headers=sent)
        assert answered.headers["X-Request-Id"] == "issue-of-the-test"
        await office.published(answered.body["credential_id"])
        path = f"/v1/credentials/{answered.body['credential_id']}/pdf"
        headers = {"X-Request-Id": "bundle-of-the-test", "Authorization": f"Bearer {office.created.api_key}"}
        async with stack.ledger.session.get(stack.gateway.url + path, headers=headers) as asked:
            assert asked.status == 200, await asked.text()

        async def logged() -> bool | None:
            lines = stack.lines(stack.ledger.log)
            found = {(line.get("route"), line.get("request_id")) for line in lines}
            wanted = {("/v1/events", "issue-of-the-test"), ("/v1/bundles/{credential_id}", "bundle-of-the-test")}
            return True if wanted <= found else None

        await until(logged, "the ledger logs both ids")
        assert "issue-of-the-test" in named_in_relayed(stack)

        many = [f"one-of-many-{number}" for number in range(12)]
        asked_together = [
            office.client.send("POST", "/v1/credentials", office.award(uri, each), headers={"X-Request-Id": each})
            for each in many
        ]
        for each in await asyncio.gather(*asked_together):
            await office.published(each.body["credential_id"])
        assert set(many) <= named_in_relayed(stack)


def named_in_relayed(stack: Stack) -> set[str]:
    found = [line for line in stack.lines(stack.gateway.log) if line["event"] == "relayed"]
    return {name for line in found for name in (line["request_id"], *line.get("requests", ()))}


async def test_the_command_takes_the_trace_that_its_environment_hands_over(tmp_path: Path) -> None:
    seen: list[str] = []

    async def note(request: web.Request) -> web.Response:
        seen.append(request.headers.get("traceparent", ""))
        return web.json_response({}, status=503)

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", note)
    document = tmp_path / "document.json"
    document.write_text("{}")
    async with on_loopback(app) as url:
        for sent in (f"00-{OURS}-b7ad6b7169203331-01", "no trace at all"):
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "services", "verify", str(document), "--verifier", url),
                env={"PATH": "/bin", "TRACEPARENT": sent},
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
            )
            await process.wait()
    assert seen[0] == f"00-{OURS}-b7ad6b7169203331-01"
    assert seen[-1] == ""


LOADED = """
import sys, services.ledger.app, services.issuer_gateway.app, services.verifier.app
print([name for name in sys.modules if name.startswith(("opentelemetry", "google.protobuf", "requests"))])
"""


def test_off_imports_nothing_of_the_library_and_makes_nothing() -> None:
    found = subprocess.run([sys.executable, "-c", LOADED], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"
    assert open_tracing(url=EdgeConfig().traces_url, share=1.0, service="x", version="1", say=print) is None


def test_where_the_library_is_missing_the_setting_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "opentelemetry", None)
    monkeypatch.delitem(sys.modules, "services.tracing.otlp", raising=False)
    with pytest.raises(SettingsFault, match=r"install credentify\[tracing\]"):
        open_tracing(url="http://127.0.0.1:4318/v1/traces", share=1.0, service="x", version="1", say=print)
