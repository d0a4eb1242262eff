"""What strangers may do with connections, bodies and the log's pipe: each is counted, bounded and timed."""

import asyncio
import contextlib
import gzip
import io
import itertools
import os
import signal
import socket
import sys
from collections.abc import AsyncIterator
from urllib.parse import quote_plus

import aiohttp
import msgspec
import pytest
import uvloop
from aiohttp import web

from services.edge import Address, EdgeConfig, Form, ListenFault, Log, Media, Route, listening, make_app, serve
from services.edge.app import CONNECTIONS
from services.edge.body import read_lines
from services.edge.log_stream import HELD_BYTES_MAX
from services.edge.sockets import bound_sockets

SECONDS_MAX = 120.0
_GET = b"GET %s HTTP/1.1\r\nHost: x\r\n\r\n"


class Gate(asyncio.Event):
    """Lets the request that waits for it go on."""


GATE: web.AppKey[Gate] = web.AppKey("gate", Gate)


async def at_gate(request: web.Request) -> str:
    await request.app[GATE].wait()
    return "through"


async def take(request: web.Request, *, raw: bytes) -> str:
    return str(len(raw))


async def take_form(request: web.Request, *, body: Form) -> str:
    return " ".join(f"{name}={len(value)}" for name, value in body.fields.items())


async def take_lines(request: web.Request) -> str:
    return str([line.number async for line in read_lines(request, line_bytes_max=100, line_count_max=10)])


_TEXT = {200: Media("text/plain")}
ROUTES = [
    Route("GET", "/gate", at_gate, summary="x", response=_TEXT),
    Route("POST", "/raw", take, summary="x", request=bytes, request_media=("text/plain",), response=_TEXT),
    Route("POST", "/form", take_form, summary="x", request=Form, response=_TEXT, body_bytes_max=8_000_000),
    Route("POST", "/lines", take_lines, summary="x", request_lines=dict, response=_TEXT, body_bytes_max=8_000_000),
]


class Served:
    def __init__(self, app: web.Application, address: Address, lines: io.BytesIO) -> None:
        self.app, self.address, self._lines = app, address, lines

    def logged(self, event: str) -> list[dict[str, object]]:
        lines = [msgspec.json.decode(line) for line in self._lines.getvalue().splitlines()]
        return [line for line in lines if line["event"] == event]

    async def connect(self, source: str = "127.0.0.1") -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        return await asyncio.open_connection(self.address.host, self.address.port, local_addr=(source, 0))

    async def get(self, path: bytes, source: str = "127.0.0.1") -> bytes:
        reader, writer = await self.connect(source)
        writer.write(_GET % path)
        answer = await reader.readuntil(b"\r\n\r\n")
        writer.close()
        return answer


@contextlib.asynccontextmanager
async def running(**settings: object) -> AsyncIterator[Served]:
    lines = io.BytesIO()
    config = msgspec.convert(settings, EdgeConfig)
    app = make_app("sample", ROUTES, config=config, log=Log("sample", lines), version="1", description="")
    app[GATE] = Gate()
    async with asyncio.timeout(SECONDS_MAX), listening(app, host="127.0.0.1", port=0) as address:
        yield Served(app, address, lines)


async def metric(served: Served, name: str) -> float:
    connector = aiohttp.TCPConnector(local_addr=("127.0.0.9", 0))
    async with (
        aiohttp.ClientSession(served.address.url, connector=connector) as client,
        client.get("/metrics") as response,
    ):
        lines = (await response.text()).splitlines()
    return next(float(line.rpartition(" ")[2]) for line in lines if line.startswith(name))


async def test_one_client_address_has_so_many_connections_and_no_more_and_others_are_answered() -> None:
    async with running(connections_per_address_max=3) as served:
        kept = [await served.connect() for _ in range(3)]
        reader, writer = await served.connect()
        assert (await reader.read()).startswith(b"HTTP/1.1 429")
        writer.close()
        assert (await served.get(b"/livez", "127.0.0.2")).startswith(b"HTTP/1.1 200")
        assert len(served.logged("too_many_connections")) == 1
        for _, opened in kept:
            opened.close()
        assert await metric(served, 'credentify_http_connections_refused_total{reason="address"}') >= 1


async def test_a_trusted_proxy_has_no_bound_of_its_own() -> None:
    async with running(connections_per_address_max=1, trusted_proxies=("127.0.0.1/32",)) as served:
        kept = [await served.connect() for _ in range(3)]
        assert (await served.get(b"/livez")).startswith(b"HTTP/1.1 200")
        for _, writer in kept:
            writer.close()


async def test_where_all_are_taken_an_idle_one_makes_room_and_a_working_one_never_does() -> None:
    async with running(connections_max=3) as served:
        worker, working = await served.connect("127.0.0.2")
        working.write(_GET % b"/gate")
        idlers = [await served.connect("127.0.0.3") for _ in range(2)]
        assert (await served.get(b"/livez", "127.0.0.4")).startswith(b"HTTP/1.1 200")
        assert await idlers[0][0].read() == b""
        served.app[GATE].set()
        assert (await worker.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 200")
        for writer in (working, *(opened for _, opened in idlers)):
            writer.close()


@pytest.mark.parametrize("begun", [b"", b"GET / HTTP/1.1\r\nHost: x\r\nA"])
async def test_a_head_that_does_not_come_in_time_closes_the_connection(begun: bytes) -> None:
    async with running(header_timeout_seconds=0.05) as served:
        reader, writer = await served.connect()
        writer.write(begun)
        assert (await reader.read()).startswith(b"HTTP/1.1 408")
        writer.close()


async def test_a_second_head_has_its_time_too() -> None:
    async with running(header_timeout_seconds=1.0) as served:
        reader, writer = await served.connect()
        writer.write(_GET % b"/livez")
        await reader.readuntil(b"}")
        writer.write(b"GET / HT")
        assert (await reader.read()).startswith(b"HTTP/1.1 408")
        writer.close()


async def test_an_idle_connection_is_closed_after_its_time() -> None:
    async with running(idle_timeout_seconds=0.05) as served:
        reader, writer = await served.connect()
        writer.write(_GET % b"/livez")
        assert (await reader.read()).startswith(b"HTTP/1.1 200")
        writer.close()


async def half_closed(served: Served, *sent: bytes) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """Send requests and close the own side; the service has seen both once another client has its answer."""
    reader, writer = await served.connect()
    writer.write(b"".join(sent))
    writer.write_eof()
    await served.get(b"/livez", "127.0.0.2")
    return reader, writer


_POST = b"POST /raw HTTP/1.1\r\nHost: x\r\nContent-Type: text/plain\r\nContent-Length: %d\r\n\r\n"


@pytest.mark.parametrize("size", [0, 3, 900_000])
async def test_a_client_that_closes_its_side_after_its_request_is_answered_and_then_let_go(size: int) -> None:
    async with running() as served:
        reader, writer = await half_closed(served, _POST % size, bytes(size))
        head, _, body = (await reader.read()).partition(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 200")
        assert body == str(size).encode()
        writer.close()


async def test_a_client_that_closes_its_side_gets_an_answer_that_takes_its_time_and_those_behind_it() -> None:
    async with running() as served:
        reader, writer = await half_closed(served, _GET % b"/gate", _GET % b"/livez" * 9, b"GET /livez HTTP/1.1\r\nHo")
        served.app[GATE].set()
        answers = await reader.read()
        assert answers.count(b"HTTP/1.1 200") == 10
        assert answers.count(b"Connection: close") == 1
        writer.close()


async def test_a_body_that_ends_before_its_length_is_refused_in_words() -> None:
    async with running() as served:
        reader, writer = await half_closed(served, _POST % 10, b"abc")
        answer = await reader.read()
        assert answer.startswith(b"HTTP/1.1 400")
        assert b"broke off" in answer
        writer.close()


@pytest.mark.parametrize("begun", [b"", b"GET / HT", _GET % b"/livez"])
async def test_a_client_that_closes_its_side_and_waits_for_nothing_is_let_go_at_once(begun: bytes) -> None:
    async with running() as served:
        reader, writer = await half_closed(served, begun)
        await reader.read()
        assert await metric(served, "credentify_http_connections ") == 1, "the one that asks"
        assert await metric(served, 'credentify_http_connections_cut_total{reason="header"}') == 0
        writer.close()


async def test_a_client_that_closed_its_side_is_not_kept_for_ever_for_an_answer_that_does_not_come() -> None:
    async with running(idle_timeout_seconds=0.05) as served:
        reader, writer = await half_closed(served, _GET % b"/gate")
        assert await reader.read() == b""
        assert await metric(served, 'credentify_http_connections_cut_total{reason="half_closed"}') == 1
        served.app[GATE].set()
        writer.close()


async def test_a_head_has_a_bound_in_bytes() -> None:
    async with running() as served:
        reader, writer = await served.connect()
        writer.write(b"GET / HTTP/1.1\r\n")
        with contextlib.suppress(ConnectionError):
            for number in range(60):
                writer.write(b"X-%d: %s\r\n" % (number, b"a" * 8_000))
                await writer.drain()
            await reader.read()
        assert served.app is not None
        assert await metric(served, 'credentify_http_connections_cut_total{reason="header"}') == 1
        writer.close()


_CHUNKED = b"POST /raw HTTP/1.1\r\nHost: x\r\nContent-Type: text/plain\r\nTransfer-Encoding: chunked\r\n\r\n"


@pytest.mark.parametrize("endless", [b"1;" + b"a" * 65_536, b"1\r\n \r\n0\r\n" + b"X-A: aaaaaaaa\r\n" * 4_096])
async def test_chunks_that_hold_little_but_extensions_or_trailers_have_an_end(endless: bytes) -> None:
    async with running() as found:
        reader, writer = await found.connect()
        writer.write(_CHUNKED + endless)
        with contextlib.suppress(ConnectionError):
            while not reader.at_eof():
                writer.write(endless[2:])
                await writer.drain()
                await asyncio.sleep(0)
        assert b" 200 " not in await _rest_of(reader)
        writer.close()


async def _rest_of(reader: asyncio.StreamReader) -> bytes:
    with contextlib.suppress(ConnectionError):
        return await reader.read()
    return b""


async def test_chunks_of_one_byte_are_a_body() -> None:
    async with running() as found:
        reader, writer = await found.connect()
        writer.write(_CHUNKED + b"1\r\na\r\n" * 400_000 + b"0\r\n\r\n")
        assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 200")
        writer.close()


async def test_the_longest_query_that_is_described_is_answered_by_its_route() -> None:
    async with running() as served:
        answer = await served.get(b"/livez?q=" + b"%F0%9F%8E%93" * 2_600)
        assert answer.startswith(b"HTTP/1.1 200")


async def test_requests_sent_ahead_are_answered_one_after_the_other() -> None:
    async with running() as served:
        reader, writer = await served.connect()
        writer.write(_GET % b"/livez" * 40)
        for _ in range(40):
            assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 200")
            await reader.readuntil(b"}")
        writer.close()


async def test_a_refused_compressed_body_is_never_unpacked() -> None:
    packed = gzip.compress(bytes(50_000_000), 9)
    async with running() as served, aiohttp.ClientSession(served.address.url) as client:
        sent = {"Content-Encoding": "gzip", "Content-Type": "text/plain"}
        for path in ("/raw", "/livez", "/nowhere"):
            async with client.post(path, data=packed, headers=sent) as response:
                assert response.status in {404, 405, 415}
        assert await metric(
            served, 'credentify_http_received_bytes_total{code="4xx",method="POST",route="/raw"}'
        ) <= len(packed)


async def test_bodies_of_one_address_leave_room_for_those_of_others() -> None:
    async with running(bodies_held_bytes_max=1_048_576, body_bytes_max=1_000_000) as served:
        head = b"POST /raw HTTP/1.1\r\nHost: x\r\nContent-Type: text/plain\r\nContent-Length: 400000\r\n\r\n"
        first, held = await served.connect()
        held.write(head + bytes(399_999))
        await held.drain()
        second, refused = await served.connect()
        refused.write(head + bytes(400_000))
        assert (await second.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 503")
        other, taken = await served.connect("127.0.0.2")
        taken.write(head + bytes(400_000))
        assert (await other.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 200")
        held.write(b"\0")
        assert (await first.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 200")
        for writer in (held, refused, taken):
            writer.close()


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        ("text/plain" + ";" * 8_000, 200),
        ("TEXT/Plain ;a=" + "(" * 8_000, 200),
        ("text/plain(" + ";a*0*=(" * 1_000, 415),
        (";" * 8_000, 415),
    ],
)
async def test_a_content_type_is_read_without_its_parameters(sent: str, status: int) -> None:
    async with (
        running() as served,
        aiohttp.ClientSession(served.address.url) as client,
        client.post("/raw", data=b"x", headers={"Content-Type": sent}) as response,
    ):
        assert response.status == status


async def sent_form(data: bytes, media_type: str) -> tuple[int, str]:
    async with (
        running() as served,
        aiohttp.ClientSession(served.address.url) as client,
        client.post("/form", data=io.BytesIO(data), headers={"Content-Type": media_type}) as response,
    ):
        return response.status, await response.text()


_PART = b'--b\r\nContent-Disposition: form-data; name="%s"\r\n\r\n%s\r\n'


@pytest.mark.parametrize(
    "data",
    [
        _PART % (b"a", b"x") * 130_000 + b"--b--\r\n",
        b"\n" * 4_000_000 + _PART % (b"a", b"x") + b"--b--\r\n",
        _PART % (b"a", b"x") + b"--b--\r\n" + b"x" * 4_000_000,
        _PART % (b"a", b"x"),
        b"--b\r\n" + b"A: b\r\n" * 300_000 + b"\r\nx\r\n--b--\r\n",
        b"--b\r\nContent-Type: text/plain\r\n\r\nx\r\n--b--\r\n",
    ],
    ids=["parts", "preamble", "epilogue", "endless", "headers", "nameless"],
)
async def test_a_form_of_parts_is_counted_before_it_is_taken_apart(data: bytes) -> None:
    status, _ = await sent_form(data, "multipart/form-data; boundary=b")
    assert status == 400


async def test_a_form_of_parts_arrives_as_browsers_send_it() -> None:
    data = (
        _PART % (b"words", b"here --b is no boundary\r\n")
        + b'--b\r\ncontent-disposition: Form-Data; name="file"; filename="a;b.json"\r\nContent-Type: x/y\r\n\r\n'
        + b"\r\n\0\r\n--b--\r\n"
    )
    status, text = await sent_form(data, 'multipart/form-data; charset=utf-8; boundary="b"')
    assert (status, text) == (200, "words=25 file=3")


async def test_a_form_of_millions_of_escapes_is_read() -> None:
    status, text = await sent_form(b"document=" + b"%41" * 2_500_000, "application/x-www-form-urlencoded")
    assert (status, text) == (200, "document=2500000")


async def test_a_form_is_unquoted_as_the_standard_says() -> None:
    words = "= & + % \r\n é 漢 \x01 =41 =\n end "
    data = f"{quote_plus('é')}={quote_plus(words)}&b=&c".encode()
    status, text = await sent_form(data, "application/x-www-form-urlencoded")
    assert (status, text) == (200, f"é={len(words.encode())} b=0 c=0")


@pytest.mark.parametrize("data", [b"a=%4", b"a=%zz", b"a=%ff", b"&" * 64, "é=1".encode()])
async def test_what_is_no_form_is_refused(data: bytes) -> None:
    assert (await sent_form(data, "application/x-www-form-urlencoded"))[0] == 400


@pytest.mark.parametrize("blank", [b"\n", b" \n", b"\r\n"])
async def test_empty_lines_are_counted_as_lines_are(blank: bytes) -> None:
    async with running() as served, aiohttp.ClientSession(served.address.url) as client:
        sent = {"Content-Type": "application/x-ndjson"}
        async with client.post("/lines", data=b"{}\n" * 3 + blank * 10 + b"{}", headers=sent) as response:
            assert (response.status, await response.text()) == (200, "[1, 2, 3, 14]")
        async with client.post("/lines", data=io.BytesIO(blank * 1_000_000), headers=sent) as response:
            assert response.status == 413


async def test_a_log_that_nobody_reads_loses_lines_and_no_answer() -> None:
    unread, written = os.pipe()
    stream = os.fdopen(written, "wb")
    log = Log("sample", stream)
    app = make_app("sample", [], config=EdgeConfig(), log=log, version="1", description="")
    async with asyncio.timeout(SECONDS_MAX), listening(app, host="127.0.0.1", port=0) as address:
        log.event("long", words="x" * (HELD_BYTES_MAX - 200_000))
        log.event("lost", words="x" * 400_000)
        async with aiohttp.ClientSession(address.url) as client:
            for _ in range(300):
                async with client.get("/nowhere") as response:
                    assert response.status == 404
            async with client.get("/metrics") as response:
                assert "credentify_log_lines_lost_total 1.0" in await response.text()
    os.close(unread)
    stream.close()


async def test_held_lines_never_go_into_what_is_opened_after_the_stream_was_closed() -> None:
    lower = os.open(os.devnull, os.O_RDONLY)
    unread, written = os.pipe()
    with os.fdopen(written, "wb") as stream:
        log = Log("sample", stream)
        for _ in range(10):
            log.event("long", words="x" * 60_000)
    os.close(lower)
    others_end, reused = os.pipe()
    assert reused == written, "the number is in use again"
    os.close(unread)
    await asyncio.to_thread(log.flush)
    os.set_blocking(others_end, False)
    with pytest.raises(BlockingIOError):
        os.read(others_end, 1)
    os.close(others_end)
    os.close(reused)


async def test_a_log_that_is_read_is_whole_and_in_order() -> None:
    reading, writing = os.pipe()
    with os.fdopen(reading, "rb") as file, os.fdopen(writing, "wb") as stream:
        log = Log("sample", stream)
        for number in range(5_000):
            log.event("said", number=number)
        lines = await asyncio.to_thread(lambda: [file.readline() for _ in range(5_000)])
    assert [msgspec.json.decode(line)["number"] for line in lines] == list(range(5_000))
    assert log.lost_count == 0


async def test_keep_alive_connections_are_told_before_they_are_cut() -> None:
    app = make_app("sample", ROUTES, config=EdgeConfig(), log=Log("s", io.BytesIO()), version="1", description="")
    app[GATE] = Gate()
    stop, started = asyncio.Event(), asyncio.Queue[Address]()
    async with asyncio.timeout(SECONDS_MAX), asyncio.TaskGroup() as group:
        group.create_task(serve(app, host="127.0.0.1", port=0, stop=stop, on_started=started.put_nowait))
        served = Served(app, await started.get(), io.BytesIO())
        idle, idle_writer = await served.connect()
        idle_writer.write(_GET % b"/livez")
        assert b"Connection: close" not in await idle.readuntil(b"}")
        busy, busy_writer = await served.connect()
        busy_writer.write(_GET % b"/gate")
        idle_writer.write(_GET % b"/livez")
        await idle.readuntil(b"}")
        stop.set()
        await asyncio.sleep(0)
        idle_writer.write(_GET % b"/livez")
        served.app[GATE].set()
        for reader, writer in ((idle, idle_writer), (busy, busy_writer)):
            answer = await reader.read()
            assert answer.startswith(b"HTTP/1.1 200")
            assert b"Connection: close" in answer
            writer.close()


async def test_told_to_stop_while_it_starts_a_service_stops() -> None:
    lines, begun = io.BytesIO(), asyncio.Event()
    app = make_app("sample", [], config=EdgeConfig(), log=Log("sample", lines), version="1", description="")

    async def never_ready(_: web.Application) -> AsyncIterator[None]:
        begun.set()
        await asyncio.Event().wait()
        yield

    app.cleanup_ctx.append(never_ready)
    stop = asyncio.Event()
    async with asyncio.timeout(SECONDS_MAX), asyncio.TaskGroup() as group:
        group.create_task(serve(app, host="127.0.0.1", port=0, stop=stop))
        await begun.wait()
        stop.set()
    assert b"stopped_while_starting" in lines.getvalue()


async def test_a_command_asks_for_its_signal_before_anything_else_is_loaded() -> None:
    code = "import services.__main__, signal; print(callable(signal.getsignal(signal.SIGTERM)))"
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", code, stdout=asyncio.subprocess.PIPE)
    assert (await process.communicate())[0] == b"True\n"
    code = "import services.__main__, os, signal; os.kill(os.getpid(), signal.SIGTERM); print('heard not')"
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", code, stdout=asyncio.subprocess.PIPE)
    assert (await process.communicate())[0] == b""
    assert process.returncode == 128 + signal.SIGTERM


async def test_too_few_descriptors_are_refused_at_start() -> None:
    code = (
        "import resource; resource.setrlimit(resource.RLIMIT_NOFILE, (300, 300))\n"
        "from services.edge.connections import descriptors\n"
        "try: descriptors()\n"
        "except Exception as error: print(error)"
    )
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", code, stdout=asyncio.subprocess.PIPE)
    said = (await process.communicate())[0].decode()
    assert "may have 300 files and connections open, and needs 512" in said


def has_ipv6() -> bool:
    try:
        with socket.socket(socket.AF_INET6) as probe:
            probe.bind(("::1", 0))
    except OSError:
        return False
    return True


@pytest.mark.skipif(not has_ipv6(), reason="This machine has no IPv6: enable net.ipv6 (sysctl) to try it")
@pytest.mark.parametrize(("host", "found"), [("::", 1), ("127.0.0.1,::1", 2), ("127.0.0.1, ::1, 127.0.0.1", 2)])
def test_ipv4_and_ipv6_are_listened_to_together_on_one_port(host: str, found: int) -> None:
    with bound_sockets(host, 0) as sockets:
        assert len(sockets) == found
        assert len({each.getsockname()[1] for each in sockets}) == 1
        for each in sockets:
            each.listen()
        port = sockets[0].getsockname()[1]
        for address in ("127.0.0.1", "::1"):
            socket.create_connection((address, port), timeout=SECONDS_MAX).close()


def test_an_address_that_is_none_is_refused_in_words() -> None:
    with pytest.raises(ListenFault, match="this name has no address"), bound_sockets("no.such.host.invalid", 0):
        pass


def test_hundreds_that_come_together_are_accepted_in_a_few_turns_of_the_loop() -> None:
    """On the loop that services run on; the kernel greets them, so all of them wait before the first turn."""
    count = 128

    async def turns() -> int:
        async with running() as served:
            with contextlib.ExitStack() as opened:
                for _ in range(count):
                    opened.enter_context(socket.create_connection((served.address.host, served.address.port)))
                for number in itertools.count():
                    if len(served.app[CONNECTIONS]) == count:
                        return number
                    await asyncio.sleep(0)
            raise AssertionError

    assert uvloop.run(turns()) < count / 2
