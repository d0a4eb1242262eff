"""Parties with deterministic keys, and makers of every event they can say; nothing here decides or appends."""

import contextlib
import hashlib
from collections.abc import Iterable
from functools import lru_cache
from typing import Any

import msgspec
from msgspec.structs import replace

from proto import events
from proto.event_fields import KeyPurpose, Purpose
from proto.ids import Commitment, CredentialId, Did, EventId, KeyId, Origin, committed_credential_id
from proto.keys import PublicKey, SecretKey, key_id_of
from proto.moment import Moment, from_ms, to_ms
from proto.p256 import decode_p256_key, encode_p256_key
from proto.problem import InvalidProblem

DAY_MS = 86_400_000
SCOPE = events.Scope(eqf_min=1, eqf_max=8, ects_hundredths_max=6000, may_issue=True, may_stack=True, may_recognise=True)
ACCREDITATION = events.Accreditation(body="Agency of Example", url="https://agency.example/register/1")


def secret_key(*seed: object) -> SecretKey:
    """Return the one secret key that belongs to this seed."""
    return _secret_key(":".join(map(str, seed)))


@lru_cache(maxsize=4_096)
def _secret_key(seed: str) -> SecretKey:
    """A pair is made once: a history of sixty statements looks at a thousand keys to choose one that may speak."""
    return SecretKey(hashlib.sha256(seed.encode()).digest())


@lru_cache(maxsize=1_024)
def p256_public_key(*seed: object) -> PublicKey:
    """Return the P-256 public key that belongs to this seed; nobody knows its secret."""
    for number in range(1000):
        point = b"\x02" + hashlib.sha256(":".join(map(str, (*seed, number))).encode()).digest()
        with contextlib.suppress(InvalidProblem):
            key = encode_p256_key(point)
            decode_p256_key(key)
            return key
    raise AssertionError("half of all numbers are on the curve")


class Party:
    """Who speaks on the log, with as many keys of each purpose as asked for; each property is the first of its kind."""

    def __init__(self, name: str, did: Did | None = None) -> None:
        self.name = name
        self.did = did or Did(f"did:web:{name}.example")
        self.url = f"https://{name}.example/"
        self._secrets: dict[KeyId, SecretKey] = {}
        self._records: dict[tuple[Purpose, int], events.KeyRecord] = {}

    def secret(self, purpose: Purpose, number: int = 0) -> SecretKey:
        """Return the secret key of that purpose and number; the same one every time."""
        secret = secret_key(self.name, purpose, number)
        self._secrets[key_id_of(self.did, secret.public_key)] = secret
        return secret

    def key(self, purpose: Purpose = "event", number: int = 0) -> events.KeyRecord:
        """Return the key's record, as events carry it."""
        known = self._records.get((purpose, number))
        if known is None:
            public_key = self.secret(purpose, number).public_key
            known = events.KeyRecord(key_id=key_id_of(self.did, public_key), purpose=purpose, public_key=public_key)
            self._records[purpose, number] = known
        return known

    def form_key(self, number: int = 0, purpose: KeyPurpose = "form") -> events.KeyRecordV2:
        """Return the record of a P-256 key of this party."""
        public_key = p256_public_key(self.name, number)
        return events.KeyRecordV2(key_id=key_id_of(self.did, public_key), purpose=purpose, public_key=public_key)

    @property
    def event(self) -> events.KeyRecord:
        """The first event key."""
        return self.key("event")

    @property
    def assertion(self) -> events.KeyRecord:
        """The first assertion key."""
        return self.key("assertion")

    @property
    def recovery(self) -> events.KeyRecord:
        """The first recovery key."""
        return self.key("recovery")

    def sign(self, key_id: KeyId, message: bytes) -> bytes:
        """Return the signature of one of this party's keys."""
        return self._secrets[key_id].sign(message)


class Statements:
    """Makers of events. Each event may be changed with keyword arguments or `msgspec.structs.replace`."""

    origin: Origin
    parameters: events.Parameters
    registrar: Party
    _nonces: int = 0

    @property
    def rules_version(self) -> int:
        """The version of the rules that the next statement is made for."""
        return 1

    @property
    def now(self) -> Moment:
        """The time that the events claim."""
        raise NotImplementedError

    def make(self, kind: type[events.EventBase], speaker: Party, **fields: Any) -> Any:
        """Return an event with its common fields; `fields` override them too."""
        self._nonces += 1
        common = {
            "log": self.origin,
            "issuer": speaker.did,
            "at": self.now,
            "nonce": f"00000000-0000-7000-8000-{self._nonces:012x}",
        }
        return kind(**(common | fields))

    def opening(self, **fields: Any) -> events.LogOpened:
        """The registrar opens the log."""
        made: events.LogOpened = self.make(
            events.LogOpened,
            self.registrar,
            **{
                "keys": (self.registrar.event, self.registrar.recovery),
                "rules_version": 1,
                "parameters": self.parameters,
            }
            | fields,
        )
        return made

    def admission(self, subject: Party, **fields: Any) -> events.Admission:
        """The registrar admits an institution with one key of each purpose."""
        kind = events.IssuerAdmitted if self.rules_version == 1 else events.IssuerAdmittedV2
        made: events.Admission = self.make(
            kind,
            self.registrar,
            **{
                "subject": subject.did,
                "legal_name": f"{subject.name.title()} of Example",
                "country": "AT",
                "uri_prefixes": (subject.url,),
                "keys": (subject.event, subject.assertion, subject.recovery),
                "scope": SCOPE,
                "accreditation": ACCREDITATION,
            }
            | fields,
        )
        return made

    def scope_change(self, subject: Party, **scope: Any) -> events.IssuerScopeChanged:
        """The registrar changes these fields of the usual scope."""
        made: events.IssuerScopeChanged = self.make(
            events.IssuerScopeChanged, self.registrar, subject=subject.did, scope=replace(SCOPE, **scope)
        )
        return made

    def key_addition(self, speaker: Party, subject: Party, key: events.KeyRecord) -> events.IssuerKeyAdded:
        """Somebody adds a key; with the owner as speaker, say it with `key=owner.recovery`."""
        made: events.IssuerKeyAdded = self.make(events.IssuerKeyAdded, speaker, subject=subject.did, key=key)
        return made

    def form_key(self, subject: Party, key: events.KeyRecordV2) -> events.IssuerKeyAddedV2:
        """An institution adds a key of either kind (rules version 2); say it with `key=subject.recovery`."""
        made: events.IssuerKeyAddedV2 = self.make(events.IssuerKeyAddedV2, subject, subject=subject.did, key=key)
        return made

    def rotation(self, speaker: Party, subject: Party, key: events.KeyRecord, **fields: Any) -> events.IssuerKeyRetired:
        """Somebody retires a key as rotated."""
        made: events.IssuerKeyRetired = self.make(
            events.IssuerKeyRetired,
            speaker,
            **{"subject": subject.did, "key_id": key.key_id, "reason": "rotated"} | fields,
        )
        return made

    def condemnation(
        self, speaker: Party, subject: Party, key: events.KeyRecord, invalid_from: Moment
    ) -> events.IssuerKeyRetired:
        """Somebody condemns a key as compromised."""
        return self.rotation(speaker, subject, key, reason="compromised", invalid_from=invalid_from)

    def suspension(self, subject: Party) -> events.IssuerSuspended:
        """The registrar suspends an institution."""
        made: events.IssuerSuspended = self.make(events.IssuerSuspended, self.registrar, subject=subject.did)
        return made

    def reinstatement(self, subject: Party) -> events.IssuerReinstated:
        """The registrar reinstates an institution."""
        made: events.IssuerReinstated = self.make(events.IssuerReinstated, self.registrar, subject=subject.did)
        return made

    def closing(self, subject: Party, successor: Party | None = None) -> events.IssuerClosed:
        """The registrar closes an institution."""
        made: events.IssuerClosed = self.make(
            events.IssuerClosed,
            self.registrar,
            subject=subject.did,
            successor=successor.did if successor else msgspec.UNSET,
        )
        return made

    def issue(self, speaker: Party, name: str = "", **fields: Any) -> events.CredentialIssued:
        """An institution issues the credential of that name: 3.5 ECTS at EQF level 6, valid from now on."""
        made: events.CredentialIssued = self.make(
            events.CredentialIssued, speaker, **self._award(speaker, name, fields)
        )
        return made

    def stack(
        self, speaker: Party, components: Iterable[CredentialId], name: str = "", **fields: Any
    ) -> events.CredentialStacked:
        """An institution stacks components (sorted here) to a credential that declares the sum of two such."""
        made: events.CredentialStacked = self.make(
            events.CredentialStacked,
            speaker,
            **self._award(speaker, name, {"components": tuple(sorted(components)), "ects_hundredths": 700} | fields),
        )
        return made

    def commitment(self, speaker: Party, name: str) -> Commitment:
        """Return the commitment that stands for a document of that name."""
        return Commitment(hashlib.sha256(f"commitment\n{speaker.did}\n{name}".encode()).hexdigest())

    def committed_id(self, speaker: Party, name: str) -> CredentialId:
        """Return the credential id that follows from that commitment."""
        return committed_credential_id(speaker.did, self.commitment(speaker, name))

    def committed(self, speaker: Party, name: str = "", **fields: Any) -> events.CredentialIssuedV2:
        """An institution issues by commitment (rules version 2) what `issue` issues by an id."""
        made: events.CredentialIssuedV2 = self.make(
            events.CredentialIssuedV2, speaker, **self._committed(speaker, name, fields)
        )
        return made

    def committed_stack(
        self, speaker: Party, components: Iterable[CredentialId], name: str = "", **fields: Any
    ) -> events.CredentialStackedV2:
        """An institution stacks by commitment (rules version 2) what `stack` stacks by an id."""
        own = {"components": tuple(sorted(components)), "ects_hundredths": 700} | fields
        made: events.CredentialStackedV2 = self.make(
            events.CredentialStackedV2, speaker, **self._committed(speaker, name, own)
        )
        return made

    def issue_many(self, speaker: Party, names: Iterable[str], **fields: Any) -> events.CredentialsIssued:
        """An institution issues the credentials of these names together (rules version 2)."""
        own = self._award(speaker, "", {"commitments": tuple(sorted(self.commitment(speaker, each) for each in names))})
        del own["credential_id"]
        made: events.CredentialsIssued = self.make(events.CredentialsIssued, speaker, **own | fields)
        return made

    def revoke_many(self, speaker: Party, ids: Iterable[CredentialId], **fields: Any) -> events.CredentialsRevoked:
        """Somebody revokes credentials together for an error, from now on (rules version 2)."""
        own = {"credential_ids": tuple(sorted(ids)), "reason": "error", "effective_at": self.now}
        made: events.CredentialsRevoked = self.make(events.CredentialsRevoked, speaker, **own | fields)
        return made

    def _committed(self, speaker: Party, name: str, fields: dict[str, Any]) -> dict[str, Any]:
        award = self._award(speaker, name, fields)
        named = award.pop("credential_id")
        return {"commitment": self.commitment(speaker, name) if name else named} | award

    def _award(self, speaker: Party, name: str, fields: dict[str, Any]) -> dict[str, Any]:
        return {
            "credential_id": self.credential_id(speaker, name or f"unnamed {self._nonces}"),
            "achievement": f"{speaker.url}achievements/1",
            "ects_hundredths": 350,
            "eqf_level": 6,
            "valid_from": self.now,
        } | fields

    def credential_id(self, speaker: Party, name: str) -> CredentialId:
        """Return the id that stands for a document of that name."""
        return CredentialId(hashlib.sha256(f"{speaker.did}\n{name}".encode()).hexdigest())

    def revocation(self, speaker: Party, credential_id: CredentialId, **fields: Any) -> events.CredentialRevoked:
        """Somebody revokes a credential for an error, from now on."""
        made: events.CredentialRevoked = self.make(
            events.CredentialRevoked, speaker, **self._change(credential_id, fields)
        )
        return made

    def hold(self, speaker: Party, credential_id: CredentialId, **fields: Any) -> events.CredentialSuspended:
        """Somebody suspends a credential, from now on."""
        made: events.CredentialSuspended = self.make(
            events.CredentialSuspended, speaker, **self._change(credential_id, fields)
        )
        return made

    def release(self, speaker: Party, credential_id: CredentialId, **fields: Any) -> events.CredentialReinstated:
        """Somebody reinstates a suspended credential, from now on."""
        made: events.CredentialReinstated = self.make(
            events.CredentialReinstated, speaker, **self._change(credential_id, fields)
        )
        return made

    def _change(self, credential_id: CredentialId, fields: dict[str, Any]) -> dict[str, Any]:
        return {"credential_id": credential_id, "reason": "error", "effective_at": self.now} | fields

    def recognition(self, speaker: Party, credential_id: CredentialId, **fields: Any) -> events.AnyRecognition:
        """An institution recognises a credential in full, by the type that the rules in force, or the fields, have."""
        is_new = self.rules_version > 1 or not fields.keys().isdisjoint({"under", "replaces"})
        kind = events.CredentialRecognisedV2 if is_new else events.CredentialRecognised
        made: events.AnyRecognition = self.make(
            kind,
            speaker,
            **{
                "credential_id": credential_id,
                "decision": "full",
                "ects_hundredths": 350,
                "programme": f"{speaker.url}programmes/1",
            }
            | fields,
        )
        return made

    def withdrawal(self, speaker: Party, recognition: EventId) -> events.RecognitionWithdrawn:
        """Somebody withdraws a recognition."""
        made: events.RecognitionWithdrawn = self.make(events.RecognitionWithdrawn, speaker, recognition=recognition)
        return made

    def standing_decision(self, speaker: Party, issuer: Party, **fields: Any) -> events.AchievementRecognised:
        """An institution counts in full, for a year from now, what another awards for its usual achievement."""
        made: events.AchievementRecognised = self.make(
            events.AchievementRecognised,
            speaker,
            **{
                "achievement_issuer": issuer.did,
                "achievement": f"{issuer.url}achievements/1",
                "decision": "full",
                "ects_hundredths": 350,
                "programme": f"{speaker.url}programmes/1",
                "valid_from": self.now,
                "valid_until": from_ms(to_ms(self.now) + 365 * DAY_MS),
            }
            | fields,
        )
        return made

    def decision_withdrawal(self, speaker: Party, decision: EventId) -> events.AchievementRecognitionWithdrawn:
        """Somebody withdraws a standing decision."""
        made: events.AchievementRecognitionWithdrawn = self.make(
            events.AchievementRecognitionWithdrawn, speaker, recognition=decision
        )
        return made

    def invitation(self, speaker: Party, endorser: Party, **fields: Any) -> events.EndorserInvited:
        """An institution invites another to endorse its usual achievement, as assured in its quality."""
        made: events.EndorserInvited = self.make(
            events.EndorserInvited,
            speaker,
            **{"achievement": f"{speaker.url}achievements/1", "endorser": endorser.did, "role": "quality"} | fields,
        )
        return made

    def uninvitation(self, speaker: Party, invitation: EventId) -> events.EndorserUninvited:
        """Somebody withdraws an invitation."""
        made: events.EndorserUninvited = self.make(events.EndorserUninvited, speaker, invitation=invitation)
        return made

    def endorsement(self, speaker: Party, credential_id: CredentialId, **fields: Any) -> events.CredentialEndorsed:
        """An institution endorses a credential, as assured in its quality."""
        made: events.CredentialEndorsed = self.make(
            events.CredentialEndorsed, speaker, **{"credential_id": credential_id, "role": "quality"} | fields
        )
        return made

    def endorsement_withdrawal(self, speaker: Party, endorsement: EventId) -> events.EndorsementWithdrawn:
        """Somebody withdraws an endorsement."""
        made: events.EndorsementWithdrawn = self.make(events.EndorsementWithdrawn, speaker, endorsement=endorsement)
        return made

    def activation(self, version: int, from_index: int) -> events.RulesActivated:
        """The registrar activates a version of the rules."""
        made: events.RulesActivated = self.make(
            events.RulesActivated, self.registrar, version=version, from_index=from_index
        )
        return made
