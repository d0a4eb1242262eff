"""What is known of a document before it is imported: its proof, this log, its dates, the status lists sent along.

Nothing is fetched: what would need the network is said to be unchecked. What is altered, revoked, suspended or expired
is refused, and what was found is noted with the credential. A finding is about the document; its words name no person.
"""

import asyncio
from collections.abc import Collection, Mapping, Sequence
from datetime import UTC, tzinfo
from functools import partial
from typing import Any, Literal

import msgspec

from proto.documents.document import credential_id_of
from proto.ids import CredentialId, Did
from proto.imports.imported import Imported
from proto.lifecycle import Book, Credential, effective, life_of
from proto.moment import Moment
from proto.problem import InvalidProblem, MalformedProblem
from services.crypto.attached_status import ENDING_PURPOSES, by_lists
from services.crypto.data_integrity import FormsOf
from services.crypto.issuer_proofs import DID_KEY, DocumentFinding, broken_for_others, by_itself, by_log, issuer_of
from services.crypto.rdf_forms import Forms
from services.crypto.rdf_processes import FormMakers
from services.issuer_gateway.log.log_state import FollowedLogState
from services.issuer_gateway.store.followed_log import book_of_issuers, load_issuers
from services.issuer_gateway.unit_of_work.decision_book import book_for
from services.persistence.postgres import Pool, transaction

Despite = Literal["not-on-log", "revoked", "suspended", "expired"]
"""What an institution may know of and import all the same; a proof that does not hold is none of it."""
_WORDS: Mapping[str, str] = {
    "proof-absent": "it carries no proof of its own",
    "proof-absent-outside": "it carries no proof: nothing shows who wrote it",
    "proof-sealed": "it came in a JAdES signature, which is not judged here: nothing shows who wrote it",
    "proof-of-others": "its proofs are by keys of others, and say nothing of its issuer",
    "proof-key-of-another": "its proof is by a key that its issuer does not name, and says nothing of the issuer",
    "proof-names-no-key": "it was not checked: its proof names no key (verificationMethod)",
    "proof-key-elsewhere": "it was not checked: its key would have to be fetched, and nothing is",
    "proof-key-unknown": "it was not checked: its key is not on this log",
    "proof-key-purpose": "its key may not sign documents",
    "proof-key-compromised": "its key was in other hands when it was made",
    "proof-not-checked": "it was not checked: {fault}",
    "proof-wrong": "it does not hold: {fault}",
    "proof-holds": "it holds, by a key of its issuer on this log",
    "proof-holds-outside": "it holds, by the key that its issuer is",
    "log-other": "its issuer is no institution of this log, so whether it was issued or revoked was not asked anywhere",
    "log-unknown": "its issuer is on this log, and has issued no such document there: it was altered, or never issued",
    "log-state": "it is {state} on this log",
    "period-over": "its time was over at {until}",
    "period-not-begun": "its time begins at {since}",
    "status-not-stated": "it names no status list: whether it was revoked since was not checked",
    "status-not-read": "its status was not checked: {fault}",
    "status-entry-wrong": "its status cannot be read: {fault}",
    "status-elsewhere": "{count} status lists that it names were not sent along, and nothing is fetched: not checked",
    "status-list-refused": "the status list that was sent along does not speak for it: {fault}",
    "status-list-set": "the status list that was sent along has it set ({purpose})",
    "status-list-clear": "the status list of {since}, sent along, has it clear",
}
_STATES: Mapping[str, Despite] = {"revoked": "revoked", "suspended": "suspended", "expired": "expired"}
_PURPOSES: Mapping[str, Despite] = {"revocation": "revoked", "suspension": "suspended"}


class SourceRefusedProblem(InvalidProblem):
    """The document was altered, or does not hold any more; the member `found` lists what was found of it."""

    slug = "source-refused"
    title = "This document is not imported as it stands"


class SourceFinding(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that was found: by which check, and whether it refuses the import, but for what the caller knows of."""

    check: Literal["proof", "log", "period", "status"]
    finding: DocumentFinding
    refuses: bool = False
    unless: Despite | None = None

    @property
    def detail(self) -> str:
        """The finding as a sentence."""
        said = _WORDS[self.finding.code].format(**self.finding.values)
        return f"{'The document' if self.check != 'proof' else 'Its proof'}: {said}"

    def listed(self) -> dict[str, Any]:
        """Return the finding for machines."""
        return {
            "check": self.check,
            "result": self.finding.result,
            "code": self.finding.code,
            "detail": self.detail,
        } | ({"despite": self.unless} if self.refuses and self.unless else {})


class Source(msgspec.Struct, frozen=True, kw_only=True):
    """A document that is to be imported, with the status lists sent along and what the caller knows of.

    Its days are days in `zone`.
    """

    document: Mapping[str, Any]
    imported: Imported
    status_lists: Sequence[Mapping[str, Any]] = ()
    despite: Collection[Despite] = ()
    zone: tzinfo = UTC


class CheckSource:
    """Checks documents of others before they are imported."""

    def __init__(self, pool: Pool, log_state: FollowedLogState, form_makers: FormMakers) -> None:
        self._pool = pool
        self._log_state = log_state
        self._form_makers = form_makers

    async def check(self, source: Source) -> tuple[str, ...]:
        """Return notes on what was found of a document.

        Raises `SourceRefusedProblem` where that refuses it, and `LogNotFollowedProblem` where it depends on a log that
        was not followed lately.
        """
        now = self._log_state.now()
        book, credential_id = await self._on_log(source.document, now)
        forms = Forms()
        find = partial(_found, source, book, credential_id, now=now, forms=forms.of)
        found = await asyncio.to_thread(find)  # canonical JSON and status lists of strangers take a while
        if forms.missing:
            forms.learn(await self._form_makers.forms(forms.missing))
            found = await asyncio.to_thread(find)
        refusing = [item for item in found if item.refuses and item.unless not in source.despite]
        if refusing:
            raise _refused(refusing, found)
        return tuple(f"{item.detail}{'; imported all the same' if item.refuses else ''}" for item in found)

    async def _on_log(self, document: Mapping[str, Any], now: Moment) -> tuple[Book, CredentialId | None]:
        """Return what the log says of the document's issuer, and of the credential where the issuer is on the log."""
        issuer = Did(issuer_of(document))
        if not issuer.startswith("did:"):
            return Book(), None
        async with transaction(self._pool) as connection:
            book = await book_of_issuers(connection, {issuer})
            if book.log is None or book.issuer(issuer) is None:
                return book, None
            self._log_state.check_fresh("Whether the document still holds")
            try:
                credential_id = credential_id_of(document, issuer)
            except MalformedProblem as problem:
                raise InvalidProblem(problem.sentence, pointer=problem.pointer) from problem
            whole = await book_for(connection, [], also=[credential_id], now=now)
            await load_issuers(connection, whole, {issuer})
            return whole, credential_id


def _refused(refusing: Sequence[SourceFinding], found: Sequence[SourceFinding]) -> SourceRefusedProblem:
    words = "; ".join(item.detail for item in refusing)
    kinds = [item.unless for item in refusing]
    if None in kinds:
        remedy = "ask whoever has it for the document as it was issued"
    else:
        named = "&".join(f"despite={kind}" for kind in dict.fromkeys(kinds))
        remedy = f"ask its issuer; where you know of it and import it all the same, send it with ?{named}"
    return SourceRefusedProblem(
        f"{words[:800]}. Nothing was issued: {remedy}", pointer="", members={"found": [item.listed() for item in found]}
    )


def _found(
    source: Source, book: Book, credential_id: CredentialId | None, *, now: Moment, forms: FormsOf
) -> tuple[SourceFinding, ...]:
    if credential_id is None:
        proof = _proof_outside(source, now=now, forms=forms)
        log = SourceFinding(check="log", finding=DocumentFinding(result="unknown", code="log-other"))
        return (proof, log, *_period(source, now), _status(source, book, now=now, forms=forms))
    credential = book.credential(credential_id)
    life = life_of(book, credential) if credential else None
    issuer = Did(issuer_of(source.document))
    proof = _refusing_proof(by_log(source.document, issuer, book, life, now=now, forms=forms))
    if credential is None or life is None:
        log = _unknown_on_log()
        return (proof, log, *_period(source, now), _status(source, book, now=now, forms=forms))
    return (proof, *_state(book, credential, source, now))


def _unknown_on_log() -> SourceFinding:
    return SourceFinding(
        check="log", finding=DocumentFinding(result="invalid", code="log-unknown"), refuses=True, unless="not-on-log"
    )


def _refusing_proof(finding: DocumentFinding) -> SourceFinding:
    return SourceFinding(check="proof", finding=finding, refuses=finding.result == "invalid")


def _proof_outside(source: Source, *, now: Moment, forms: FormsOf) -> SourceFinding:
    """Judge a stranger's proof; a good one by a key that the issuer does not name is neither good nor bad.

    What is no credential (flat metadata) has no proof, whatever it calls so.
    """
    document = source.document
    if source.imported.is_sealed and "proof" not in document:
        return _refusing_proof(DocumentFinding(result="unknown", code="proof-sealed"))
    if "credentialSubject" not in document:
        return _refusing_proof(DocumentFinding(result="unknown", code="proof-absent-outside"))
    finding = by_itself(document, now=now, forms=forms)
    if finding.code in {"proof-key-of-another", "proof-key-elsewhere"}:
        broken = broken_for_others(document, now=now, forms=forms)
        finding = broken or DocumentFinding(result="unknown", code=finding.code)
    return _refusing_proof(finding)


def _state(book: Book, credential: Credential, source: Source, now: Moment) -> tuple[SourceFinding, ...]:
    """Return what the log says of the credential, and of its dates where the log says nothing of them."""
    state = effective(book, credential, at=now)
    if state is None:
        return (_unknown_on_log(),)
    is_good = state.state in {"active", "not_yet_valid"}
    words = {"state": state.state.replace("_", " ")}
    finding = DocumentFinding(result="valid" if is_good else "invalid", code="log-state", values=words)
    said = SourceFinding(check="log", finding=finding, refuses=not is_good, unless=_STATES.get(state.state))
    return (said,) if state.state == "expired" else (said, *_period(source, now))


def _period(source: Source, now: Moment) -> tuple[SourceFinding, ...]:
    award = source.imported.award
    begins, ends = award.begins_in(source.zone), award.ends_in(source.zone)
    if ends is not None and ends <= now:
        finding = DocumentFinding(result="invalid", code="period-over", values={"until": ends})
        return (SourceFinding(check="period", finding=finding, refuses=True, unless="expired"),)
    if begins > now:
        return (
            SourceFinding(
                check="period",
                finding=DocumentFinding(result="unknown", code="period-not-begun", values={"since": begins}),
            ),
        )
    return ()


def _status(source: Source, book: Book, *, now: Moment, forms: FormsOf) -> SourceFinding:
    """Judge the status by the lists sent along; only a revocation or suspension that they show refuses."""

    def fault_of(status_list: Mapping[str, Any]) -> str | None:
        proof = _list_proof(status_list, book, now=now, forms=forms)
        return None if proof.result == "valid" else f"its proof: {_WORDS[proof.code].format(**proof.values)}"

    finding = by_lists(source.document, source.status_lists, now=now, fault_of=fault_of)
    purpose = str(finding.values.get("purpose"))
    is_ended = finding.code == "status-list-set" and purpose in ENDING_PURPOSES
    return SourceFinding(check="status", finding=finding, refuses=is_ended, unless=_PURPOSES.get(purpose))


def _list_proof(status_list: Mapping[str, Any], book: Book, *, now: Moment, forms: FormsOf) -> DocumentFinding:
    issuer = Did(issuer_of(status_list))
    if not issuer.startswith(DID_KEY) and book.issuers.get(issuer) is not None:
        return by_log(status_list, issuer, book, None, now=now, forms=forms)
    return by_itself(status_list, now=now, forms=forms)
