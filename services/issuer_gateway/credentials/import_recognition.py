"""Whom an import is about: the learner whom the institution names, one who was imported before, or somebody new.

Without a reference people are known by a mark: the fingerprint of all that identifies them (`proto.imports.identity`),
kept beside the learner's key in the key folder, so that no backup of the database holds it and it dies with the key.
What a document became is kept under a fingerprint by the learner's own key. So nothing links a person, or a document,
to a learner who was erased.
"""

import secrets

import msgspec

from proto.ids import CredentialId, LearnerId
from proto.imports.identity import UNNAMED, Identity
from proto.problem import BusyProblem
from services.issuer_gateway.credentials.document_store import learners_for
from services.issuer_gateway.domain.tenant import Tenant
from services.issuer_gateway.keys.keystore import DataKey, Keystore
from services.issuer_gateway.keys.learner_keys import LearnerKeys
from services.issuer_gateway.store import credentials, imports, learners
from services.persistence.postgres import Connection, Pool

_REF_BYTES = 16


class Sent(msgspec.Struct, frozen=True, kw_only=True):
    """A document that was sent to be imported: its content, whom it is about, and what the institution calls them."""

    content: bytes
    identity: Identity
    learner_ref: str | None


class Person(msgspec.Struct, frozen=True, kw_only=True):
    """A learner by the institution's own name; `learner_id` is None for somebody new."""

    ref: str
    learner_id: LearnerId | None


class ImportRecognition:
    """The people and the earlier imports of one institution."""

    def __init__(self, learner_keys: LearnerKeys, keystore: Keystore, tenant: Tenant) -> None:
        self._learner_keys = learner_keys
        self._keystore = keystore
        self._tenant = tenant

    async def lock(self, connection: Connection, sent: Sent) -> None:
        """Let nobody else import the same, or about the same person, until the transaction ends."""
        await imports.lock(connection, [*self._marks(sent), self._mark("lock", (sent.learner_ref or "").encode())])

    async def person(self, connection: Connection | Pool, sent: Sent) -> Person:
        """Return whom the document is about.

        Where the institution names nobody: who was imported with the same content, else with the same identity, where
        that is enough and leads to one learner; else somebody new.
        """
        if sent.learner_ref is not None:
            known = await learners.learner_id(connection, self._tenant.institution_id, sent.learner_ref)
            return Person(ref=sent.learner_ref, learner_id=known)
        for mark in self._marks(sent):
            marked = await self._learner_keys.marked(mark)
            found = await imports.refs(connection, self._tenant.institution_id, marked)
            if len(found) == 1:
                ((learner_id, ref),) = found.items()
                return Person(ref=ref, learner_id=learner_id)
        return Person(ref=f"{UNNAMED}-{secrets.token_hex(_REF_BYTES)}", learner_id=None)

    async def became(self, connection: Connection | Pool, sent: Sent, person: Person) -> CredentialId | None:
        """Return the credential that the same content became for the same person, or None."""
        key = None
        if person.learner_id is not None:
            key = (await self._learner_keys.known([person.learner_id]))[person.learner_id]
        if key is not None:
            found = await imports.became(connection, self._tenant.institution_id, _fingerprint(key, sent))
            if found is not None:
                return found
        return await self._became_earlier(connection, sent)

    async def _became_earlier(self, connection: Connection | Pool, sent: Sent) -> CredentialId | None:
        """Return what an earlier version, which did not ask for whom, made of the document for the same person."""
        institution_id = self._tenant.institution_id
        earlier = self._keystore.fingerprint(b"import", institution_id.encode(), sent.content)
        found = await imports.became(connection, institution_id, earlier)
        if found is None:
            return None
        ref = (await credentials.refs_of(connection, institution_id, [found])).get(found, "")
        is_same = ref == sent.learner_ref if sent.learner_ref else ref.startswith(f"{UNNAMED}-")
        return found if is_same else None

    async def remember(self, connection: Connection, sent: Sent, person: Person, credential_id: CredentialId) -> None:
        """In the transaction that issued it: remember what the document became, and by what its person is known.

        If we crash before the commit, marks of a learner who is not there stay behind: they lead to nobody.
        """
        learner_id = (await learners_for(connection, self._tenant, [person.ref]))[person.ref].learner_id
        key = (await self._learner_keys.made([learner_id]))[learner_id]
        if key is None:
            raise BusyProblem("The learner is being erased; send this again for a new one")
        if sent.learner_ref is None:
            await self._learner_keys.mark(learner_id, self._marks(sent))
        await imports.add(connection, self._tenant.institution_id, _fingerprint(key, sent), credential_id)

    def _marks(self, sent: Sent) -> list[bytes]:
        """Return by what the person is known, the surest first."""
        content = self._mark("content", sent.content)
        return [content, self._mark("identity", sent.identity.text)] if sent.identity.is_enough else [content]

    def _mark(self, kind: str, text: bytes) -> bytes:
        scope = (b"learner-mark", self._tenant.institution_id.encode(), kind.encode())
        return self._keystore.fingerprint(*scope, text)


def _fingerprint(key: DataKey, sent: Sent) -> bytes:
    return key.fingerprint(b"import", sent.content)
