"""What the documents of awards that differ in their learners alone have in common: made and judged once. Pure.

Rows of a list mostly say the same of different people. The first of them is made and judged in full; of those that say
the same, only what names the learner, the place on a status list and the random parts are put in anew. Kept no longer
than a part of a list is prepared: results and words are a person's.
"""

import hashlib
from collections.abc import Hashable, Mapping
from typing import Any

import msgspec

from proto.canonical import CanonicalTemplate, canonical_json, canonical_texts
from proto.documents.claims_root import CLAIMS_ROOT_TERM, ClaimsOfMany, claim_values
from proto.documents.credential import Award, Learner
from proto.documents.open_badge import OF_THE_PERSON, who
from proto.documents.open_badge_names import NAMES
from proto.ids import Did, commitment, committed_credential_id
from services.issuer_gateway.domain.issuing import CommittedDocument, IssueStatement

DRAFTS_MAX = 256
"""So many drafts are kept at a time: a part of a list has little more than so many rows."""
_FRESH = frozenset({"id", "credentialStatus", CLAIMS_ROOT_TERM, "credentialSubject"})


class AwardDraft:
    """A document that was made and judged in full, for awards that say the same of other learners.

    `notes` are those for the institution that are not on the learner.
    """

    __slots__ = ("_claims", "_document", "_form", "_has_status", "_person", "_subject_form", "notes", "statement")

    def __init__(
        self, document: Mapping[str, Any], statement: IssueStatement, *, notes: tuple[str, ...], achievement: bytes
    ) -> None:
        subject = document["credentialSubject"]
        self.statement = statement
        self.notes = notes
        self._document = document
        self._has_status = "credentialStatus" in document
        self._person = {name: NAMES.get(name, name) for name in subject if name in OF_THE_PERSON}
        claims = claim_values(document, achievement=achievement)
        of_all = {name: value for name, value in claims.items() if name not in self._person.values()}
        self._claims = ClaimsOfMany(of_all, self._person.values())
        shared = {name: canonical_json(value) for name, value in document.items() if name not in _FRESH}
        self._form = CanonicalTemplate(shared, document.keys() - shared.keys())
        said = {name: canonical_json(value) for name, value in subject.items() if name not in self._person}
        self._subject_form = CanonicalTemplate(said, self._person)

    def filled(
        self,
        learner: Learner,
        issuer: Did,
        seed: bytes,
        *,
        document_id: str,
        credential_status: Mapping[str, Any] | None,
    ) -> CommittedDocument:
        """Return the document of another learner, of whom the same is known, and what follows from it for `issuer`.

        It has a status where the document has that was made first.
        """
        assert self._has_status == (credential_status is not None), "awards of one list are prepared alike"
        person = who(learner)
        stated = {name: person[name] for name in self._person}
        known = {name: canonical_texts(value) for name, value in stated.items()}
        root = self._claims.root(seed, {self._person[name]: value for name, value in known.items()})
        fresh: dict[str, Any] = {"id": document_id, CLAIMS_ROOT_TERM: root.hex()}
        if credential_status is not None:
            fresh["credentialStatus"] = credential_status
        members = {name: canonical_texts(value) for name, value in fresh.items()}
        members["credentialSubject"] = self._subject_form.filled(known)
        said = commitment(hashlib.sha256(self._form.filled(members)).digest(), root)
        return CommittedDocument(
            document={
                **self._document,
                **fresh,
                "credentialSubject": {**self._document["credentialSubject"], **stated},
            },
            commitment=said,
            credential_id=committed_credential_id(issuer, said),
        )


class AwardDrafts:
    """The drafts of one part of a list."""

    def __init__(self) -> None:
        self._drafts: dict[Hashable, AwardDraft] = {}

    def of(self, achievement: Hashable, award: Award) -> AwardDraft | None:
        """Return the draft for an award of a revision of an achievement, which is known by `achievement`.

        None unless an award that differs in its learner alone was made and had no fault.
        """
        key = _key(achievement, award)
        return None if key is None else self._drafts.get(key)

    def keep(self, achievement: Hashable, award: Award, draft: AwardDraft) -> None:
        """Keep the draft for awards that differ from this one in their learners alone."""
        key = _key(achievement, award)
        if key is not None and len(self._drafts) < DRAFTS_MAX:
            self._drafts[key] = draft


def _key(achievement: Hashable, award: Award) -> Hashable | None:
    """Return what an award says besides who its learner is, and what of the learner is known at all.

    None where its document is to be judged by itself: a learner's URI is an address, which may be unsafe.
    """
    learner, *rest = msgspec.structs.astuple(award)
    if learner.uri is not None or award.prerequisite_documents:
        return None
    known = (learner.given_name, learner.family_name, learner.date_of_birth, learner.email)
    return achievement, *map(bool, known), *rest
