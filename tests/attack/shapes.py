"""The shapes of attack: what one stranger, or a few, send to a port of ours. Runs in a process of its own."""

import gzip
import socket
import time
from collections.abc import Callable, Mapping

import msgspec

from tests.attack.disguises import BODIES
from tests.attack.lists import LISTS
from tests.attack.newer_routes import ROUTES
from tests.attack.stranger import SOURCE, Target, at_once, connection, get, head, held, post, summed, trouble
from tests.attack.wire import REQUESTS

NDJSON, JSON, PDF = "application/x-ndjson", "application/json", "application/pdf"
URLENCODED, MULTIPART = "application/x-www-form-urlencoded", "multipart/form-data; boundary=b"
VERIFY, EVENTS, FORM = "/v1/verifications", "/v1/events", "/"
_PART = b'--b\r\nContent-Disposition: form-data; name="a"\r\n\r\nx\r\n'
_OTHERS = tuple(f"127.0.0.{number}" for number in range(2, 10))
Attack = Callable[[Target], str]


class Shape(msgspec.Struct, frozen=True):
    """One attack, on one service; `fault` is what it stands for."""

    service: str
    fault: str
    work: Attack


def _posted(path: str, body: Callable[[], bytes], media_type: str, *lines: str, count: int = 2) -> Attack:
    """Return the attack that sends one body, a few times at once."""

    def work(target: Target) -> str:
        sent = body()
        return at_once(count, lambda _: post(target, path, sent, media_type, *lines))

    return work


def prefer(target: Target) -> str:
    """Ask for a receipt with commas and quotes."""
    lines = ["Prefer: " + ',"' * 4_000] * 120
    few = ["Prefer: " + ',"' * 200] * 100
    return summed(post(target, EVENTS, target.envelope, JSON, *some) for some in (lines, few, lines[:6]))


def semicolons(target: Target) -> str:
    """Name media types with thousands of empty parameters, and with open brackets."""
    types = [f"application/json{';' * 7_900}", "application/json" + ';a="' * 1_900, f"application/json;a={'(' * 7_900}"]
    return summed(post(target, EVENTS, b"{}", media_type) for media_type in types * 5)


def crowded_queries(target: Target) -> str:
    """Ask with thousands of parameters."""
    distinct = "&".join(f"{number:x}=1" for number in range(1_400))
    return summed(get(target, f"/v1/credentials/{'0' * 64}?{query}") for query in (distinct, "a&" * 4_000) * 20)


def idle_connections(target: Target) -> str:
    """Open more connections than a process has descriptors by default, and say nothing."""
    opened: list[socket.socket] = []
    with trouble():
        opened.extend(connection(target) for _ in range(1_100))
    return held(target, opened)


def slow_heads(target: Target) -> str:
    """Begin requests from several addresses and never end them."""
    opened: list[socket.socket] = []
    with trouble():
        for number in range(800):
            opened.append(connection(target, _OTHERS[number % len(_OTHERS)]))
            opened[-1].sendall(b"GET / HTTP/1.1\r\nHost: x\r\nA: ")
    return held(target, opened)


def _many_keys(*sources: str) -> Attack:
    """Return the attack that sends as many values as are decoded, in more bodies than are held of these addresses."""

    def work(target: Target) -> str:
        keys = b",".join(b'"%060d":"%d"' % (i, i) for i in range(95_000))
        body = b'{"document":{"issuer":"x","credentialSubject":{}},"status_lists":[{%s}]}' % keys
        return at_once(24, lambda number: post(target, VERIFY, body, JSON, source=sources[number % len(sources)]))

    return work


def slow_bodies(target: Target) -> str:
    """Begin large bodies from several addresses and never end them."""
    opened: list[socket.socket] = []
    start = head("POST", VERIFY, f"Content-Type: {JSON}", length=8_000_000) + b" " * 500_000
    with trouble():
        for number in range(160):
            opened.append(connection(target, _OTHERS[number % len(_OTHERS)]))
            opened[-1].settimeout(0.05)
            with trouble():
                opened[-1].sendall(start)
    return held(target, opened)


def large_heads(target: Target) -> str:
    """Send heads of a megabyte, several behind each other, while the first request waits."""
    one = head("GET", "/livez", *[f"X-{number}: {'a' * 8_000}" for number in range(100)])

    def work(number: int) -> str:
        with trouble() as said, connection(target, _OTHERS[number % len(_OTHERS)]) as opened:
            opened.sendall(one * 16)
            said.append(opened.recv(64)[9:12].decode() or "closed")
        return said[-1]

    return at_once(64, work)


def pipelined(target: Target) -> str:
    """Send thousands of requests ahead, and read nothing."""
    opened: list[socket.socket] = []
    with trouble():
        for number in range(32):
            opened.append(connection(target, _OTHERS[number % len(_OTHERS)]))
            opened[-1].settimeout(0.1)
            with trouble():
                opened[-1].sendall(head("GET", "/openapi.json") * 4_000)
    return held(target, opened)


def tiny_chunks(target: Target) -> str:
    """Send a body in chunks of one byte."""
    with trouble() as said, connection(target) as opened:
        opened.sendall(head("POST", VERIFY, f"Content-Type: {JSON}", "Transfer-Encoding: chunked"))
        opened.sendall(b"1\r\n \r\n" * 1_500_000 + b"0\r\n\r\n")
        said.append(opened.recv(64)[9:12].decode() or "closed")
    return said[-1]


def long_times(target: Target) -> str:
    """Ask at times of a megabyte, each another, to have them remembered."""
    pad = "1" * 900_000
    line = b'{"issuer":"did:web:a","credentialSubject":{},"validFrom":"2026-01-01T00:00:00.%s%d+00:00"}\n'
    body = b"".join(line % (pad.encode(), number) for number in range(60))
    answers = [post(target, VERIFY, body, NDJSON) for _ in range(2)]
    answers += [get(target, f"/v1/credentials/{'0' * 64}?at={pad[:8_000]}{number}") for number in range(200)]
    return summed(answers)


def waiting_polls(target: Target) -> str:
    """Wait for a checkpoint that does not come, as often as it is let."""
    opened: list[socket.socket] = []
    with trouble():
        for number in range(1_200):
            opened.append(connection(target, _OTHERS[number % len(_OTHERS)]))
            opened[-1].sendall(head("GET", "/v1/checkpoint/after/999999999?wait_seconds=300"))
    return held(target, opened)


def unknown_keys(target: Target) -> str:
    """Submit thousands of envelopes of keys that the log does not know."""
    envelope = msgspec.json.decode(target.envelope)
    dice = target.dice
    lines = []
    for _ in range(1_000):
        envelope["signatures"][0]["sig"] = "A" * 84 + f"{dice.randrange(10**4):04d}"[:2] + "=="
        lines.append(msgspec.json.encode(envelope))
    return at_once(8, lambda _: post(target, EVENTS, b"\n".join(lines), NDJSON))


def changing(path: str, body: Callable[[int], bytes], media_type: str) -> Attack:
    """Return the attack that sends other bodies one after the other, to its end."""

    def work(target: Target) -> str:
        answers, number = [], target.dice.randrange(10**6)
        while target.until > time.time() + 0.1:
            answers.append(post(target, path, body(number), media_type))
            number += 1
        return summed(answers)

    return work


def never_ending_rdf(number: int) -> bytes:
    """Return a document whose names of nodes have as many orders as there are."""
    nodes = [{"id": f"p:{i}", "k": [f"p:{(i + 1) % 48}", f"p:{(i + 2) % 48}"]} for i in range(48)]
    context = {"p": {"@id": "_:b", "@prefix": True}, "k": {"@id": "https://x/k", "@type": "@id"}}
    return _claimed(number, {"@context": ["https://www.w3.org/ns/credentials/v2", context], "relatedTo": nodes})


def vocabularies(number: int) -> bytes:
    """Return a document with many vocabularies and relative texts."""
    contexts = [{"@vocab": f"https://x/{i}/"} for i in range(900)]
    texts = [f"a{i}" for i in range(60_000)]
    return _claimed(number, {"@context": ["https://www.w3.org/ns/credentials/v2", *contexts], "x": texts}, proofs=8)


def _claimed(number: int, content: Mapping[str, object], *, proofs: int = 1) -> bytes:
    did = "did:key:z6MkhaXgBZDvotDkL5257faiztiGiC2QtKLGpbnnEGta2doK"
    proof = {
        "type": "DataIntegrityProof",
        "cryptosuite": "eddsa-rdfc-2022",
        "verificationMethod": f"{did}#{did[8:]}",
        "proofPurpose": "assertionMethod",
        "created": "2026-01-01T00:00:00Z",
        "proofValue": "z" + "3" * 87,
    }
    base = {
        "type": ["VerifiableCredential"],
        "id": f"urn:x:{number}",
        "issuer": did,
        "credentialSubject": {"id": "urn:s"},
        "proof": [proof] * proofs,
    }
    return msgspec.json.encode(base | dict(content))


def _bomb() -> bytes:
    return gzip.compress(bytes(400_000_000), 9)[:8_000_000]


_BODIES: Mapping[str, tuple[str, str, Callable[[], bytes], str]] = {
    # (name) service, path, body, media type
    "form of 130,000 parts": ("verifier", FORM, lambda: _PART * 130_000 + b"--b--\r\n", MULTIPART),
    "form with a long preamble": ("verifier", FORM, lambda: b"\r\n" * 4_000_000 + _PART + b"--b--\r\n", MULTIPART),
    "form of 2,500,000 escapes": ("verifier", FORM, lambda: b"document=" + b"%41" * 2_500_000, URLENCODED),
    "form of 4,000,000 fields": ("verifier", FORM, lambda: b"a&" * 4_000_000, URLENCODED),
    "status lists that are ones": (
        "verifier",
        VERIFY,
        lambda: b'{"document":{},"status_lists":[' + b"1," * 4_000_000 + b"1]}",
        JSON,
    ),
    "list of ones": ("verifier", VERIFY, lambda: b"[" + b"1," * 4_000_000 + b"1]", JSON),
    "list of lists": ("verifier", VERIFY, lambda: b"[" + b"[]," * 49_000 + b"1]", JSON),
    "presentation of lists": (
        "verifier",
        VERIFY,
        lambda: b'{"type":"VerifiablePresentation","a":[' + b"[]," * 49_000 + b"1]}",
        JSON,
    ),
    "deep JSON": ("verifier", VERIFY, lambda: b"[" * 95_000 + b"]" * 95_000, JSON),
    "document of many keys": (
        "verifier",
        VERIFY,
        lambda: b'{"issuer":"x","a":{' + b",".join(b'"%d":1' % i for i in range(90_000)) + b"}}",
        JSON,
    ),
    "32,000,000 empty lines": ("verifier", VERIFY, lambda: b"\n" * 32_000_000, NDJSON),
    "lines of lists": (
        "verifier",
        VERIFY,
        lambda: (b'{"issuer":"x","credentialSubject":[' + b"[]," * 20_000 + b"1]}\n") * 120,
        NDJSON,
    ),
    "ledger: empty lines": ("ledger", EVENTS, lambda: b"\n" * 8_000_000, NDJSON),
    "ledger: long lines": ("ledger", EVENTS, lambda: (b'{"payload":"' + b"A" * 55_000 + b'"}\n') * 150, NDJSON),
    "ledger: one long line": ("ledger", EVENTS, lambda: b"a" * 8_000_000, NDJSON),
    "gateway: rows of a stranger": ("gateway", "/v1/batches", lambda: b"a,b\n" * 2_000_000, "text/csv"),
}

SHAPES: Mapping[str, Shape] = {
    "Prefer of commas and quotes": Shape("ledger", "3", prefer),
    "Content-Type of semicolons": Shape("ledger", "3", semicolons),
    "queries of 1,400 parameters": Shape("verifier", "3", crowded_queries),
    **{
        name: Shape(service, "4, 5", _posted(path, body, media_type))
        for name, (service, path, body, media_type) in _BODIES.items()
    },
    **{
        f"{service}: refused gzip": Shape(service, "5", _posted(path, _bomb, JSON, "Content-Encoding: gzip", count=8))
        for service, path in (("ledger", EVENTS), ("gateway", "/livez"), ("verifier", VERIFY))
    },
    "times of a megabyte": Shape("verifier", "5", long_times),
    "chunks of one byte": Shape("verifier", "5", tiny_chunks),
    **{
        f"{service}: {name}": Shape(service, "6", work)
        for service in ("ledger", "gateway", "verifier")
        for name, work in (("1,100 idle connections", idle_connections), ("800 slow heads", slow_heads))
    },
    "24 bodies of 95,000 keys": Shape("verifier", "5", _many_keys(SOURCE)),
    "24 such bodies of eight addresses": Shape("verifier", "5", _many_keys(*_OTHERS)),
    "160 slow bodies of 8 MB": Shape("verifier", "6", slow_bodies),
    "heads of a megabyte": Shape("verifier", "6", large_heads),
    "requests sent ahead, answers not read": Shape("verifier", "6", pipelined),
    "1,200 long polls": Shape("ledger", "6", waiting_polls),
    "envelopes of unknown keys": Shape("ledger", "5", unknown_keys),
    "RDF that never ends": Shape("verifier", "1", changing(VERIFY, never_ending_rdf, JSON)),
    "many vocabularies": Shape("verifier", "2", changing(VERIFY, vocabularies, JSON)),
    **{name: Shape(service, "4, 5", work) for name, (service, work) in BODIES.items()},
    **{name: Shape(service, "5, 6", work) for name, (service, work) in REQUESTS.items()},
    **{name: Shape(service, "5", work) for name, (service, work) in LISTS.items()},
    **{name: Shape(service, "5", work) for name, (service, work) in ROUTES.items()},
}


def attack(name: str, target: Target) -> str:
    """Carry out one attack, in a process of its own."""
    try:
        return SHAPES[name].work(target)
    except Exception as error:  # noqa: BLE001 - an attack that breaks is a figure too
        return f"the attack broke: {type(error).__name__}: {error}"
