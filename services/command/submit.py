"""Appends a signed event of the command line to a ledger, and says the ledger's own words where it is refused."""

from proto.envelope import Envelope
from proto.problem import Problem
from proto.wire.ledger import Appended
from services.clients.http_session import client_session
from services.clients.log_client import LogClient


class RefusedProblem(Problem):
    """The ledger refused a signed event; the problem document is the ledger's own."""

    slug = "refused"
    title = "The ledger refused the event"


async def submit(ledger: str, envelope: Envelope) -> Appended:
    """Append one signed event and return its place; raises `RefusedProblem` with the ledger's words otherwise."""
    async with client_session() as session:
        line = (await LogClient(session, ledger).submit([envelope]))[0]
    if line.appended is None:
        refused = line.problem or {}
        problem = RefusedProblem(
            str(refused.get("detail")), pointer=refused.get("pointer"), members={"ledger": refused}
        )
        raise problem
    return line.appended
