"""Which names on the register a new one may be taken for. Asks a verifier; what is signed does not rest on it."""

import msgspec

from proto.ids import Did
from proto.look_alikes import look_alike
from proto.problem import Problem
from services.clients.http_session import client_session
from services.clients.pages import every_page
from services.clients.verifier_client import VerifierClient

PAGES_MAX = 500
SHOWN_MAX = 10


class KnownName(msgspec.Struct, frozen=True):
    """An institution of the register."""

    did: Did
    legal_name: str


async def resembled(name: str, subject: str, *, verifier: str) -> list[KnownName]:
    """Return at most `SHOWN_MAX` other institutions of the register whose names look the same.

    Raises `UnreachableProblem`, `AnsweredProblem` or `MalformedProblem` where the verifier does not show the register.
    """
    found: list[KnownName] = []
    async with client_session() as session:
        client = VerifierClient(session, verifier)
        async for page in every_page(client.issuers, pages_max=PAGES_MAX):
            found += [
                KnownName(each.did, each.legal_name)
                for each in page.issuers
                if each.did != subject and look_alike(each.legal_name, name)
            ]
    return found[:SHOWN_MAX]


async def resemblance_notes(name: str, subject: str, *, verifier: str, is_asked: bool = True) -> list[str]:
    """Return what is to be told before a name comes onto the register, a sentence for each name that it resembles.

    That it could not be compared is told too, but where nobody `is_asked` whether to go on.
    """
    try:
        found = await resembled(name, subject, verifier=verifier)
    except Problem as problem:
        if not is_asked:
            return []
        words = "its name was not compared with those on the register: look there for one that looks the same, or name"
        return [f"{words} a verifier that answers (--verifier). {problem.detail}"]
    return [
        f"its name looks the same as that of {each.legal_name} ({each.did}): see that it does not pass for it"
        for each in found
    ]
