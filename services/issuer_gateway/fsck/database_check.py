"""Checks a gateway's database: outbox against followed log, documents against their ids. Repairs and writes nothing.

Every envelope is opened and its signature checked with the institution's key on the log; every document of a learner
who was not erased is opened, its digest must lead to its credential id, and it must say what its event says.
"""

from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from proto.audit_trail import entry_hash, record_bytes
from proto.canonical import DECODE_ERRORS
from proto.documents.claims_root import claims_root, stated_root
from proto.documents.document import credential_id_of, document_digest
from proto.envelope import Envelope, open_envelope
from proto.events import ISSUE_TYPES
from proto.ids import CredentialId, Did, KeyId, commitment
from proto.keys import decode_public_key, is_signature
from proto.lifecycle import SIGNING_PURPOSES, Book, Needs
from proto.problem import Problem
from services import fsck_report
from services.fsck_report import Findings
from services.issuer_gateway.achievements.document_parts import with_part
from services.issuer_gateway.credentials.prepared_award import Sealed
from services.issuer_gateway.domain.statuses import is_withdrawn
from services.issuer_gateway.fsck.earlier_faults import EarlierFaults, Fault
from services.issuer_gateway.keys.keystore import Keystore
from services.issuer_gateway.keys.learner_keys import LearnerKeys
from services.issuer_gateway.keys.vault import Vault
from services.issuer_gateway.store import audit_trail, followed_log, learners
from services.issuer_gateway.store import fsck_rows as rows
from services.persistence import postgres_states
from services.persistence.postgres import Connection

_ENTRIES, _LEARNERS = 1_000, 1_000
_DECODE_ENVELOPE = msgspec.json.Decoder(Envelope).decode
_DECODE_SEALED = msgspec.json.Decoder(Sealed).decode


class Report(fsck_report.Report, frozen=True, kw_only=True):
    """How far the gateway has followed the log: entries, and their root hash as 64 hex digits."""

    followed_size: int
    root_hash: str


async def check(
    connection: Connection,
    keystore: Keystore,
    vault: Vault | None,
    *,
    no_vault: str = "The learners' keys are not at hand",
    mend: Callable[[Fault], None] | None = None,
) -> Report:
    """Return what was checked and what is wrong, all of one snapshot; only errors of the connection are raised.

    `mend` is given each credential that an earlier version got wrong, with the change that puts it right. Without the
    learners' keys (no vault, or one that holds no key of any) no document is opened, and the report says so: that is
    no damage. `no_vault` are the words for where they would have to be.
    """
    async with connection.transaction(isolation="repeatable_read", readonly=True):
        learner_ids = await learners.some_learners(connection, limit=_LEARNERS)
        why_not = no_vault if vault is None else f"{vault.folder} holds no key of any learner of this database"
        has_keys = vault is not None and (not learner_ids or bool(await vault.keys(learner_ids)))
        run = _Run(connection, keystore, LearnerKeys(vault, keystore) if vault is not None and has_keys else None)
        if learner_ids and not has_keys:
            run.findings.incomplete = f"no document was opened. {why_not}"
        await run.followed_log()
        await run.secrets()
        await run.outbox()
        await run.credentials()
        await run.earlier_faults(mend)
        await run.statuses()
        await run.wishes()
        await run.audit_trails()
        return run.report()


class _Run:
    """One pass: what was counted and found so far."""

    def __init__(self, connection: Connection, keystore: Keystore, learner_keys: LearnerKeys | None) -> None:
        self.connection = connection
        self.keystore = keystore
        self.learner_keys = learner_keys
        self.book = Book()
        self.findings = Findings()
        self.followed_size = 0
        self.root_hash = ""

    def report(self) -> Report:
        """Return what was found."""
        return Report(
            followed_size=self.followed_size,
            root_hash=self.root_hash,
            counts=self.findings.counts,
            damage_count=self.findings.damage_count,
            damages=tuple(self.findings.damages),
            incomplete=self.findings.incomplete,
        )

    async def followed_log(self) -> None:
        """The position agrees with itself and with the events that were met."""
        await postgres_states.load_log(self.connection, self.book)
        counts = await rows.counts(self.connection)
        position = await followed_log.position(self.connection)
        self.followed_size = position.size if position else 0
        self.root_hash = position.root_hash.hex() if position else ""
        if position is not None:
            self.findings.expect(
                position.tree().root() == position.root_hash, "position", "Its hashes do not lead to its root"
            )
        sizes = {self.followed_size, counts["followed_events"], counts["followed_indices"], counts["followed_size"]}
        self.findings.expect(len(sizes) == 1, "followed log", f"Position and events disagree: {sorted(sizes)}")
        missing = counts["issues_without_document"]
        self.findings.expect(missing == 0, "outbox", f"{missing} issues have no document")

    async def secrets(self) -> None:
        """Every secret key opens, and is the one that its name says."""
        for row in await rows.secret_rows(self.connection):
            self.findings.count("secret keys")
            try:
                self.keystore.open(row["sealed"], "secret-key", row["key_id"])
            except Problem as problem:
                self.findings.damaged(row["key_id"], problem.detail)

    async def outbox(self) -> None:
        """Every event is what its id says, signed, and stands on the log where the row says."""
        async for row in rows.outbox_rows(self.connection):
            self.findings.count(f"events {row['state']}")
            place = f"event {row['event_id'].hex()}"
            try:
                opened = open_envelope(_DECODE_ENVELOPE(row["envelope"]))
            except (Problem, *DECODE_ERRORS) as problem:
                self.findings.damaged(place, f"The envelope cannot be opened: {problem}")
                continue
            self.findings.expect(opened.event_id == row["event_id"].hex(), place, "The payload's hash is another")
            self.findings.expect(opened.event.issuer == row["did"], place, "It speaks for another institution")
            about = {bytes.fromhex(each) for each in opened.credential_ids}
            is_right = bool(row["streams"]) and (not about or about.issuperset(row["streams"]))
            self.findings.expect(is_right, place, "It is ordered by other credentials than it is about")
            is_published = row["state"] == "published"
            is_here = is_published and row["ended_log"] is None  # what an earlier log holds has no place on this one
            self.findings.expect(
                row["followed_index"] == (row["leaf_index"] if is_here else None),
                place,
                f"The row is {row['state']} at {row['leaf_index']}, the followed log has it at {row['followed_index']}",
            )
            if is_published:
                await self._signature(place, opened.key_id, opened.pae, opened.signature)

    async def _signature(self, place: str, key_id: KeyId, message: bytes, signature: bytes) -> None:
        owner = Did(key_id.partition("#")[0])
        if owner not in self.book.issuers:
            await postgres_states.load(self.connection, self.book, Needs(issuers={owner}))
        key = self.book.key(key_id)
        may_sign = key is not None and key.purpose in SIGNING_PURPOSES  # no other is of a kind that signs events
        is_good = key is not None and may_sign and is_signature(decode_public_key(key.public_key), message, signature)
        self.findings.expect(is_good, place, "The signature does not verify with the institution's key on the log")

    async def credentials(self) -> None:
        """Every credential has its event, and its document, unless its learner was erased."""
        async for row in rows.credential_rows(self.connection):
            credential_id = row["credential_id"].hex()
            place = f"credential {credential_id}"
            self.findings.expect(
                row["event_type"] in ISSUE_TYPES and row["is_in_stream"],
                place,
                "No event in the outbox issues it",
            )
            if self.learner_keys is None:
                self.findings.count("credentials erased" if row["erased_at"] else "credentials not opened")
                continue
            try:
                learner_id = row["learner_id"]
                key = None if row["erased_at"] else (await self.learner_keys.known([learner_id]))[learner_id]
                self.findings.count("credentials" if key else "credentials erased")
                if key is None:
                    continue
                sealed = _DECODE_SEALED(key.open(row["sealed_document"], "document", credential_id))
                document = with_part(sealed.document, row["part"])
                found = credential_id_of(document, Did(row["did"]))
                self.findings.expect(found == credential_id, place, "The document leads to another credential id")
                if found == credential_id:
                    self._commitment(place, document, bytes.fromhex(sealed.claims_seed), row["commitment"])
            except (Problem, *DECODE_ERRORS) as problem:
                self.findings.damaged(place, f"The document cannot be opened: {problem}")

    def _commitment(self, place: str, document: Mapping[str, Any], seed: bytes, kept: bytes | None) -> None:
        """By rules version 2 the commitment is kept beside the document, and the claims lead to their root."""
        root = stated_root(document)
        said = bytes.fromhex(commitment(document_digest(document), root)) if root else None
        self.findings.expect(said == kept, place, "The document has another commitment than the one that is kept")
        if root is not None:
            is_right = claims_root(document, seed) == root
            self.findings.expect(is_right, place, "Its claims and their seed lead to another claims root")

    async def earlier_faults(self, mend: Callable[[Fault], None] | None) -> None:
        """No credential that holds is one that an earlier version got wrong."""
        if self.learner_keys is None:
            return
        async for fault in EarlierFaults(self.connection, self.learner_keys).found():
            by = "`--corrections` writes the change that mends it. " if fault.change else ""
            self.findings.damaged(f"credential {fault.credential_id}", f"{fault.what}. {by}".rstrip())
            if mend is not None:
                mend(fault)

    async def wishes(self) -> None:
        """What lies sealed of requests and of awards to be claimed opens, unless its learner was erased."""
        if self.learner_keys is None:
            return
        async for row in rows.wish_rows(self.connection):
            self.findings.count(f"{row['purpose']}s")
            place = f"{row['purpose']} {row['name']}"
            try:
                key = (await self.learner_keys.known([row["learner_id"]]))[row["learner_id"]]
                if key is None:
                    continue
                key.open(row["sealed"], row["purpose"], row["name"])
            except Problem as problem:
                self.findings.damaged(place, f"What is sealed cannot be opened: {problem}")

    async def audit_trails(self) -> None:
        """Every trail is one chain, from where retention has left it to its end."""
        for end in await audit_trail.all_chain_ends(self.connection):
            number, previous, place = end.purged_number, end.purged_hash, f"audit trail {end.institution_id}"
            while page := await audit_trail.entries(self.connection, end.institution_id, after=number, limit=_ENTRIES):
                for entry in page:
                    self.findings.count("audit entries")
                    hashed = entry_hash(number + 1, previous, record_bytes(entry.record))
                    follows = (entry.number, entry.previous, entry.hash) == (number + 1, previous, hashed)
                    self.findings.expect(follows, place, f"Entry {entry.number} does not follow from those before it")
                    number, previous = entry.number, entry.hash
            is_whole = (number, previous) == (end.number, end.hash)
            self.findings.expect(is_whole, place, f"It ends with {number}, and says that it ends with {end.number}")

    async def statuses(self) -> None:
        """Every status bit is what the followed log says (or its refusal), unless its list waits to be derived anew."""
        position = await followed_log.position(self.connection)
        at = position.last_received_at if position else None
        async for page in rows.status_pages(self.connection):
            names = [CredentialId(row["credential_id"].hex()) for row in page]
            book = await followed_log.book_of_credentials(self.connection, names)
            for row, name in zip(page, names, strict=True):
                self.findings.count("status places")
                credential = book.credential(name)
                is_set = bool(row["is_refused"])
                if credential is not None and credential.issuer != row["did"]:
                    is_set = is_set or row["is_set"]  # another took the id: ours is refused, or is going to be
                elif credential is not None and at is not None:
                    is_set = is_set or is_withdrawn(book, credential, at=at)
                self.findings.expect(
                    row["is_set"] == is_set or row["is_waiting"],
                    f"status of {name}",
                    f"The bit is {row['is_set']}, by the followed log it is {is_set}",
                )
