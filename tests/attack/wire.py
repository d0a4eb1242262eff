"""Requests that are odd in how they come: headers of blanks, chunks and trailers without end, bytes one by one."""

import socket
import time
from collections.abc import Callable, Mapping

from tests.attack.stranger import Target, at_once, connection, get, head, held, post, summed, trouble

VERIFY, JSON, NDJSON = "/v1/verifications", "application/json", "application/x-ndjson"
OTHERS = tuple(f"127.0.0.{number}" for number in range(2, 10))
Attack = Callable[[Target], str]


def languages(target: Target) -> str:
    """Ask for a page in languages that are mostly blanks."""
    lines = ("Accept: text/html", "Accept-Language: de" + " " * 8_000 + "x")
    return at_once(8, lambda number: summed(get(target, "/nothing", *lines, source=OTHERS[number]) for _ in range(20)))


def crowded_headers(target: Target) -> str:
    """Send headers that are lists of thousands."""
    lines = ("Cookie: " + "a;" * 3_900, 'If-None-Match: "a",' * 1_800, "Accept: " + "text/html;q=1," * 500)
    return at_once(8, lambda number: summed(get(target, "/", line, source=OTHERS[number]) for line in lines * 10))


def _sent(target: Target, number: int, start: bytes, piece: bytes, count: int) -> str:
    with trouble() as said, connection(target, OTHERS[number % len(OTHERS)]) as opened:
        opened.sendall(start)
        for _ in range(count):
            opened.sendall(piece)
        said.append(opened.recv(64)[9:12].decode("ascii", "replace") or "closed")
    return said[-1]


def _chunked(path: str = VERIFY) -> bytes:
    return head("POST", path, f"Content-Type: {JSON}", "Transfer-Encoding: chunked")


def extensions(target: Target) -> str:
    """Send chunks of one byte with extensions of many."""
    piece = b"1;" + b"a" * 15_000 + b"\r\n \r\n"
    return at_once(8, lambda number: _sent(target, number, _chunked(), piece, 4_000))


def one_extension(target: Target) -> str:
    """Send one chunk whose extension does not end."""
    return at_once(8, lambda number: _sent(target, number, _chunked() + b"1;", b"a" * 65_536, 2_000))


def trailers(target: Target) -> str:
    """Send trailers that do not end."""
    start, piece = _chunked() + b"1\r\n \r\n0\r\n", b"X-A: " + b"a" * 7_000 + b"\r\n"
    return at_once(8, lambda number: _sent(target, number, start, piece * 9, 2_000))


def upgrades(target: Target) -> str:
    """Ask for another protocol, and talk on while the answer waits."""
    start = head("GET", "/v1/checkpoint/after/999999999?wait_seconds=30", "Connection: Upgrade", "Upgrade: websocket")
    return at_once(8, lambda number: _sent(target, number, start, b"a" * 65_536, 2_000))


def growing_line(target: Target) -> str:
    """Send a long line, and then byte after byte of it."""
    start = head("POST", VERIFY, f"Content-Type: {NDJSON}", length=30_000_000) + b'{"a":"' + b"a" * 1_000_000

    def work(number: int) -> str:
        with trouble() as said, connection(target, OTHERS[number % len(OTHERS)]) as opened:
            opened.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            opened.sendall(start)
            while time.time() < target.until - 0.2:
                opened.sendall(b"a")
            said.append("sent")
        return said[-1]

    return at_once(16, work)


def half_closed(target: Target) -> str:
    """Ask, and close the own side at once."""
    opened: list[socket.socket] = []
    with trouble():
        for number in range(800):
            opened.append(connection(target, OTHERS[number % len(OTHERS)]))
            opened[-1].sendall(head("GET", "/openapi.json"))
            opened[-1].shutdown(socket.SHUT_WR)
    return held(target, opened)


def promises(target: Target) -> str:
    """Promise bodies, ask to be told to go on, and send none."""
    lines = (f"Content-Type: {JSON}", "Expect: 100-continue")
    opened: list[socket.socket] = []
    with trouble():
        for number in range(800):
            opened.append(connection(target, OTHERS[number % len(OTHERS)]))
            opened[-1].sendall(head("POST", VERIFY, *lines, length=8_000_000))
    return held(target, opened)


def bundles(target: Target) -> str:
    """Ask for what the ledger proves anew each time."""

    def work(number: int) -> str:
        answers = []
        while target.until > time.time() + 0.2:
            answers.append(get(target, f"/v1/bundles/{target.credential_id}", source=OTHERS[number % len(OTHERS)]))
        return summed(answers)

    return at_once(16, work)


def entries(target: Target) -> str:
    """Ask for all entries, and read none of them."""
    opened: list[socket.socket] = []
    with trouble():
        for number in range(800):
            opened.append(connection(target, OTHERS[number % len(OTHERS)]))
            opened[-1].sendall(head("GET", "/v1/entries?from=0") * 4)
    return held(target, opened)


def submitted_again(target: Target) -> str:
    """Submit what is on the log already, by many lines at once, and wait for receipts."""
    body = (target.envelope + b"\n") * 900
    return at_once(
        16, lambda number: post(target, "/v1/events", body, NDJSON, "Prefer: wait=30", source=OTHERS[number % 8])
    )


def pages(target: Target) -> str:
    """Look at the pages that take most to make."""
    paths = (
        f"/c/{target.credential_id}",
        "/offline",
        "/docs?q=a",
        "/log",
        "/statistics",
        "/v1/issuers.csv",
        "/log.atom",
    )

    def work(number: int) -> str:
        answers: list[str] = []
        while target.until > time.time() + 0.2:
            path = paths[len(answers) % len(paths)]
            answers.append(get(target, path, "Accept-Encoding: gzip", source=OTHERS[number % len(OTHERS)]))
        return summed(answers)

    return at_once(16, work)


def figures(target: Target) -> str:
    """Ask for all figures, again and again from several addresses."""

    def work(number: int) -> str:
        answers: list[str] = []
        while target.until > time.time() + 0.2:
            answers.append(get(target, "/metrics", source=OTHERS[number % len(OTHERS)]))
        return summed(answers)

    return at_once(48, work)


REQUESTS: Mapping[str, tuple[str, Attack]] = {
    **{f"{service}: languages of blanks": (service, languages) for service in ("ledger", "gateway", "verifier")},
    **{f"{service}: headers of thousands": (service, crowded_headers) for service in ("ledger", "gateway", "verifier")},
    **{f"{service}: figures": (service, figures) for service in ("ledger", "gateway", "verifier")},
    "chunks with extensions": ("verifier", extensions),
    "an extension without end": ("verifier", one_extension),
    "trailers without end": ("verifier", trailers),
    "another protocol is asked for": ("ledger", upgrades),
    "a line that grows by bytes": ("verifier", growing_line),
    "800 half closed": ("verifier", half_closed),
    "800 promises": ("verifier", promises),
    "ledger: bundles": ("ledger", bundles),
    "ledger: entries that nobody reads": ("ledger", entries),
    "ledger: submitted again": ("ledger", submitted_again),
    "pages that take most": ("verifier", pages),
}
"""What is sent by the name of its shape: to which service, and how."""
