"""Lists and documents of somebody with a key of the institution: as much as one request may hold, all of it odd."""

import secrets
import time
from collections.abc import Callable, Mapping

import msgspec

from tests.attack.stranger import Target, at_once, get, post, summed
from tests.support.gateways import achievement

CSV, JSON, NDJSON = "text/csv", "application/json", "application/x-ndjson"
DRY, AWARDS, CHANGES, IMPORT = (
    "/v1/batches?dry_run=true",
    "/v1/claims/awards",
    "/v1/batches/changes",
    "/v1/imports/open-badges",
)
ROWS = 99_000
HEADER = "learner_ref,given_name,family_name,achievement,valid_from,narrative"
Attack = Callable[[Target], str]


def by_key(path: str, body: Callable[[Target], bytes], media_type: str, *, count: int = 2) -> Attack:
    """Return the attack that sends one body with the institution's key, a few times at once."""

    def work(target: Target) -> str:
        sent, authorised = body(target), f"Authorization: Bearer {target.api_key}"
        return at_once(
            count,
            lambda _: post(target, path, sent, media_type, authorised, f"Idempotency-Key: {secrets.token_hex(8)}"),
        )

    return work


def _table(row: bytes, *, separator: bytes = b",", count: int = ROWS) -> Attack:
    content = HEADER.encode().replace(b",", separator) + b"\n" + row * count
    return by_key(DRY, lambda _: content, CSV)


def _award(target: Target, number: int, narrative: str) -> dict[str, object]:
    learner = {"ref": f"s-{number}", "given_name": "Zoë", "family_name": "Løvstad"}
    return {
        "learner": learner,
        "achievement": target.achievement,
        "valid_from": "2026-01-01T00:00:00Z",
        "narrative": narrative,
    }


def long_awards(target: Target) -> bytes:
    """Return as many awards as a list has, with texts as long as one may be, in signs that have to be escaped."""
    return msgspec.json.encode([_award(target, number, "é\\" * 2_000) for number in range(1_000)])


def wrong_awards(target: Target) -> bytes:
    """Return awards of which each field is wrong."""
    return b"[%s]" % b",".join([b'{"learner":{"ref":"","a":1},"valid_from":[],"achievement":1,"x":{}}'] * 1_000)


def wide_awards(_: Target) -> bytes:
    """Return awards of thousands of members, each of which its refusal could quote."""
    members = b",".join(b'"k%x":"v%x"' % (number, number) for number in range(3_900))
    return b"[%s]" % b",".join([b'{"learner":{"ref":""},"valid_from":[],"achievement":"v1f","x":{%s}}' % members] * 24)


def deep_lines(_: Target) -> bytes:
    """Return lines of JSON as deep as a line is long."""
    return (b"[" * 32_000 + b"]" * 32_000 + b"\n") * 200


def badge(_: Target) -> bytes:
    """Return a badge of as many values as are decoded, in numbers that only the exact way writes as JCS does."""
    members = b",".join(b'"\xc3\xa9%d":1e-7' % number for number in range(60_000))
    return (
        b'{"@context":["https://www.w3.org/ns/credentials/v2"],"type":["VerifiableCredential"],'
        b'"issuer":"did:web:x.example","credentialSubject":{%s}}' % members
    )


def advice(target: Target) -> str:
    """Describe as many recipes as one page of advice has, award as much as is looked at, and ask what to stack."""
    authorised = f"Authorization: Bearer {target.api_key}"

    def described(number: int) -> str:
        named = [f"https://x.example/{number}-{place}" for place in range(64)]
        recipe = {"allows_repeats": True, "outside_share_max": "1/3", "required_achievements": named}
        body = achievement(f"recipe-{number}", ects_hundredths=9_000, recipe=recipe)
        return post(target, "/v1/achievements", msgspec.json.encode(body), JSON, authorised)

    learner = {"ref": "s-advised", "given_name": "Zoë", "family_name": "Løvstad"}
    awards = [
        {
            "learner": learner,
            "achievement": target.achievement,
            "valid_from": f"2020-01-{1 + day % 28:02d}T{day // 28:02d}:00:00Z",
        }
        for day in range(256)
    ]
    key = "Idempotency-Key: awards-to-advise-on"
    said = [described(number) for number in range(100)]
    said.append(post(target, "/v1/batches", msgspec.json.encode(awards), JSON, authorised, key))
    while target.until > time.time() + 0.1:
        said.append(at_once(4, lambda _: get(target, "/v1/learners/s-advised/stacks?limit=100", authorised)))
    return summed(said)


LISTS: Mapping[str, tuple[str, Attack]] = {
    "gateway: rows of commas": ("gateway", _table(b"1,2,,,,\n")),
    "gateway: rows of semicolons": ("gateway", _table(b"1;2;;;;\n", separator=b";")),
    "gateway: rows of quotes": ("gateway", _table(b'"",1,2,,,\n')),
    "gateway: rows of days": ("gateway", _table(b"1,a,b,x,1.2.2026,\n")),
    "gateway: a header of 30,000 columns": ("gateway", by_key(DRY, lambda _: b"a," * 30_000 + b"\n", CSV, count=8)),
    "gateway: blank rows": ("gateway", by_key(DRY, lambda _: HEADER.encode() + b"\n" + b",,,,\n" * ROWS, CSV)),
    "gateway: a list of long awards": ("gateway", by_key(DRY, long_awards, JSON)),
    "gateway: a list of wrong awards": ("gateway", by_key(DRY, wrong_awards, JSON)),
    "gateway: a list of wide awards": ("gateway", by_key(DRY, wide_awards, JSON)),
    "gateway: links to wrong awards": ("gateway", by_key(AWARDS, wrong_awards, JSON)),
    "gateway: deep lines": ("gateway", by_key(DRY, deep_lines, NDJSON)),
    "gateway: changes of commas": (
        "gateway",
        by_key(CHANGES, lambda _: b"credential_id,change,reason\n" + b"1,2,3\n" * ROWS, CSV),
    ),
    "gateway: a badge of numbers": ("gateway", by_key(IMPORT, badge, JSON, count=4)),
    "gateway: advice on many recipes": ("gateway", advice),
}
"""What is sent by the name of its shape: to which service, and how."""
