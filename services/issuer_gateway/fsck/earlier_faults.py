"""What earlier versions got wrong and nothing has put right: found in what is kept, with the change that mends it.

Three kinds: credits that document and event state otherwise (a 0 that was dropped), credentials of several people under
one learner (imports without a reference), and documents signed with the words of another one's achievement. Writes
nothing; a change is carried out by the institution, with its own API key. What was withdrawn since is not listed.
"""

import secrets
from collections.abc import AsyncIterator, Mapping
from typing import Any

import msgspec

from proto.canonical import DECODE_ERRORS
from proto.documents.agreement import differences, issue_of
from proto.documents.credential import Award
from proto.documents.document import credential_id_of
from proto.documents.open_badge_claims import claims
from proto.envelope import Envelope, open_envelope
from proto.events import CredentialStacked, CredentialStackedV2, Issue
from proto.ids import CredentialId, Did
from proto.imports.identity import UNNAMED
from proto.imports.open_badge import import_open_badge
from proto.lifecycle import effective
from proto.problem import Problem
from proto.tables.changes_csv import ChangeRow
from services.issuer_gateway.achievements.document_parts import with_part
from services.issuer_gateway.credentials.prepared_award import Sealed
from services.issuer_gateway.keys.keystore import UnsealableProblem
from services.issuer_gateway.keys.learner_keys import LearnerKeys
from services.issuer_gateway.store import followed_log
from services.issuer_gateway.store import fsck_rows as rows
from services.persistence.postgres import Connection

_DECODE_ENVELOPE = msgspec.json.Decoder(Envelope).decode
_DECODE_SEALED = msgspec.json.Decoder(Sealed).decode
_OTHER_WORDS = "The achievement is described here already, and otherwise in "
"""How an earlier version began the note on an import that it signed with the words of another one."""
_STACK_AGAIN = ". Stack its parts again: POST /v1/stacks with the same parts and `on_repeat`: `replace`"
_REF_BYTES = 16
_ENDED = frozenset({"revoked", "void"})


class Fault(msgspec.Struct, frozen=True, kw_only=True):
    """One credential that an earlier version got wrong: what, and, where it can be made of what is kept, the change."""

    credential_id: CredentialId
    institution: str
    what: str
    change: ChangeRow | None = None


class EarlierFaults:
    """One look through an institution's credentials, in the caller's snapshot."""

    def __init__(self, connection: Connection, learner_keys: LearnerKeys) -> None:
        self._connection = connection
        self._learner_keys = learner_keys
        self._people: dict[str, dict[bytes, str]] = {}

    async def found(self) -> AsyncIterator[Fault]:
        """Yield what is wrong of credentials that still hold."""
        async for row in rows.readable_credentials(self._connection):
            try:
                fault = await self._fault(row)
            except (UnsealableProblem, *DECODE_ERRORS):
                continue  # what cannot be opened is a damage, and is listed as one
            except Problem as problem:
                credential_id = CredentialId(row["credential_id"].hex())
                what = f"What it says cannot be read: {problem.detail}"
                fault = Fault(credential_id=credential_id, institution=row["slug"], what=what)
            if fault is not None and not await self._is_ended(fault.credential_id):
                yield fault

    async def _fault(self, row: Mapping[str, Any]) -> Fault | None:
        learner_id = row["learner_id"]
        key = (await self._learner_keys.known([learner_id]))[learner_id]
        if key is None:
            return None
        credential_id = CredentialId(row["credential_id"].hex())
        sealed = _DECODE_SEALED(key.open(row["sealed_document"], "document", credential_id))
        document = with_part(sealed.document, row["part"])
        if credential_id_of(document, Did(row["did"])) != credential_id:
            return None  # an altered document is a damage, and is listed as one
        event = open_envelope(_DECODE_ENVELOPE(row["envelope"])).event
        assert isinstance(event, Issue), "the row is that of an issue"
        ref, what = row["ref"], ""
        if differing := differences(claims(document), issue_of(event)):
            what = f"Document and event disagree about: {', '.join(differing)}"
        elif (own := self._ref_of(row, document)) != ref:
            ref, what = own, "It is another person's than the first credential of its learner"
        elif any(note.startswith(_OTHER_WORDS) for note in sealed.notes):
            what = "It has the words of an achievement that another document described. Import its document again, "
            return Fault(credential_id=credential_id, institution=row["slug"], what=f"{what}with `?on_repeat=replace`")
        if not what:
            return None
        change = _change(document, event, credential_id, ref=ref)
        if isinstance(event, CredentialStacked | CredentialStackedV2):
            what += _STACK_AGAIN
        return Fault(credential_id=credential_id, institution=row["slug"], what=what, change=change)

    def _ref_of(self, row: Mapping[str, Any], document: Mapping[str, Any]) -> str:
        """Return under which name a credential's person should stand: each person of one learner gets one."""
        ref: str = row["ref"]
        if not ref.startswith(f"{UNNAMED}-"):
            return ref
        identity = import_open_badge(document).identity.text
        people = self._people.setdefault(row["learner_id"], {})
        return people.setdefault(identity, f"{UNNAMED}-{secrets.token_hex(_REF_BYTES)}" if people else ref)

    async def _is_ended(self, credential_id: CredentialId) -> bool:
        book = await followed_log.book_of_credentials(self._connection, [credential_id])
        position = await followed_log.position(self._connection)
        credential = book.credential(credential_id)
        if credential is None or position is None or position.last_received_at is None:
            return False
        state = effective(book, credential, at=position.last_received_at)
        return state is not None and state.state in _ENDED


def _change(document: Mapping[str, Any], event: Issue, credential_id: CredentialId, *, ref: str) -> ChangeRow | None:
    """Return the reissue of a credential as its event has it, for a learner by this name.

    None where it cannot be made: of a stack, whose parts are to be stacked again, and of what cannot be read anew.
    """
    if isinstance(event, CredentialStacked | CredentialStackedV2):
        return None
    try:
        award = _award(document, ref=ref, ects_hundredths=event.ects_hundredths)
    except (Problem, ValueError):
        return None
    return ChangeRow(action="reissue", credential_id=credential_id, reason="error", award=award)


def _award(document: Mapping[str, Any], *, ref: str, ects_hundredths: int) -> Award:
    """Return the award that a document of ours was made of, for a learner by this name, with the event's credits."""
    award = import_open_badge(document, learner_ref=ref).award
    return msgspec.structs.replace(
        award,
        achievement=document["credentialSubject"]["achievement"]["id"],
        ects_hundredths=ects_hundredths,
        other_identifiers=tuple(each for each in award.other_identifiers if each.identifier != document["id"]),
    )
