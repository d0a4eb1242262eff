"""Routes that came later: forms of the office by nobody, searches, statements, links that nobody has."""

import time
from collections.abc import Callable, Mapping, Sequence
from urllib.parse import quote

from tests.attack.disguises import MULTIPART, OTHERS, URLENCODED
from tests.attack.stranger import Target, at_once, get, post, summed

_PART = b'--b\r\nContent-Disposition: form-data; name="%d"\r\n\r\nx\r\n'
Attack = Callable[[Target], str]


def _again(paths: Callable[[Target], Sequence[str]], *lines: str, count: int = 16) -> Attack:
    """Return the attack that asks for these paths in turn, from several addresses, to its end."""

    def work(target: Target) -> str:
        wanted, said = paths(target), list[str]()

        def ask(number: int) -> str:
            asked = 0
            while target.until > time.time() + 0.2:
                path = wanted[(number + asked) % len(wanted)]
                said.append(get(target, path, *lines, source=OTHERS[number % len(OTHERS)]))
                asked += 1
            return ""

        at_once(count, ask)
        return summed(said)

    return work


def office_forms(target: Target) -> str:
    """Fill in forms of an office without being signed in, as large as they may be and in as many parts."""
    uuid, parts = "00000000-0000-4000-8000-000000000000", b"".join(_PART % number for number in range(8_000))
    large, fields = parts + b"--b--\r\n", b"&".join(b"a%d=%%41" % number for number in range(6_000))
    sent = [
        ("/office/agreement-documents", large, MULTIPART),
        (f"/office/applications/{uuid}/items/1", fields, URLENCODED),
        ("/office/session", b"key=" + b"%41" * 20_000, URLENCODED),
        ("/office/grade-conditions", fields, URLENCODED),
    ]
    return at_once(32, lambda number: post(target, *sent[number % len(sent)], source=OTHERS[number % len(OTHERS)]))


def _searches(_: Target) -> list[str]:
    words = [quote(" ".join(f"{chr(97 + at)}{number}" for at in range(12))) for number in range(50)]
    accents = quote("é́" * 60)
    return [
        f"{path}?q={word}" for word in (*words, accents) for path in ("/v1/achievements", "/achievements", "/issuers")
    ]


def _catalogue(_: Target) -> list[str]:
    accents = quote("é́" * 60)
    return [f"/v1/catalogue?q={word}" for word in (accents, *(quote(f"a{number} b c d e") for number in range(50)))]


def _words_of_verifiers(target: Target) -> list[str]:
    achievement = quote(target.achievement or "https://x.example/a", safe="")
    return [
        f"/v1/credentials/{target.credential_id}/statement",
        f"/v1/precedents?achievement={achievement}&issuer=did:web:x.example",
        f"/v1/achievements/{achievement}",
        "/v1/achievements.csv",
    ]


def _links(_: Target) -> list[str]:
    secrets = [f"{kind}_{'A' * 40}{number:03d}" for kind in ("cfh", "cfs", "cfr", "cfa") for number in range(20)]
    return [
        f"{path}/{secret}{more}"
        for secret in secrets
        for path, more in (("/credentials", "/export"), ("/v1/credential-links", ""), ("/applications", ""))
    ]


ROUTES: Mapping[str, tuple[str, Attack]] = {
    "gateway: forms of the office, of nobody": ("gateway", office_forms),
    "gateway: cookies of nobody": (
        "gateway",
        _again(lambda _: ["/office/applications"], "Cookie: credentify_office=" + "A" * 1_000),
    ),
    "gateway: searches": ("gateway", _again(_catalogue)),
    "gateway: links that nobody has": ("gateway", _again(_links)),
    "verifier: searches": ("verifier", _again(_searches)),
    "verifier: statements and precedents": ("verifier", _again(_words_of_verifiers)),
}
"""What is sent by the name of its shape: to which service, and how."""
