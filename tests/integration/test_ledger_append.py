"""What the ledger answers to those who submit: the main job, duplicates, and every kind of wrong input."""

from proto.ids import CredentialId
from services.log_client import LogProblem
from tests.ledgers import Registrar, RunningLedger


async def test_an_admitted_institution_issues_stacks_and_revokes(ledger: RunningLedger, registrar: Registrar) -> None:
    college = await ledger.admit("college")
    first, second = await ledger.issued(college, "first"), await ledger.issued(college, "second")
    await ledger.say(registrar.stack(college, [first, second], "stack"))
    revoked = await ledger.say(registrar.revocation(college, first))
    assert revoked.index == 5
    await ledger.published(6)
