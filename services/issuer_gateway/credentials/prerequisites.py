"""Prerequisites at work: what learners hold, by the followed log, against what achievements ask for before an award.

A learner is known by the institution's own `ref`: credentials that it issued to the same ref here are found by
themselves. Those of other institutions are shown with the award: as documents, whose holder must be the learner (by
DID, else by names and date of birth), or by id only; then that they are the learner's is the institution's word, as
with the parts of a stack (DESIGN 7), and a note says so. What cannot be read refuses the award.
"""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import msgspec

from proto.documents.credential import Award
from proto.documents.holder import Recognised, presented_id, recognised
from proto.ids import AchievementUri, CredentialId
from proto.lifecycle import Book, effective, life_of, living_end
from proto.moment import Moment
from proto.prerequisites import EntryRequirements, Held, Missing, missing_prerequisites
from proto.problem import InvalidProblem, MalformedProblem
from services.issuer_gateway.domain.awarding import is_own_uri
from services.issuer_gateway.domain.tenant import Tenant
from services.issuer_gateway.log.log_state import FollowedLogState
from services.issuer_gateway.store import achievement_titles, achievements, credentials
from services.issuer_gateway.unit_of_work.decision_book import book_for
from services.persistence.postgres import Connection

_DETAIL_CHARACTERS_MAX = 1_000
_REMEDY = (
    "Award it first; where another institution did, show that credential in `prerequisite_documents`, or name it in "
    "`prerequisites`; or describe the achievement without it in `entry_requirements`"
)


_SHOWN: Mapping[Recognised | None, str] = {
    None: "not issued here; that it is the learner's is the institution's word",
    "did": "not issued here; its document names the learner's DID",
    "name-and-birth": "not issued here; its document states the learner's names and date of birth",
    "name-and-mail": "not issued here; its document states the learner's names and mail address",
    "name": "not issued here; its document states the learner's names, and no DID or date of birth to compare",
}


class PrerequisiteProblem(InvalidProblem):
    """The learner does not hold what the achievement asks for; the member `missing` lists each requirement."""

    slug = "prerequisite-missing"
    title = "The learner does not hold what this achievement asks for"


class PrerequisiteUnknownProblem(InvalidProblem):
    """A credential that the award names as a prerequisite is not on the log that the gateway follows."""

    slug = "prerequisite-unknown"
    title = "A prerequisite cannot be checked"


class OtherHolderProblem(InvalidProblem):
    """A credential that the award names as a prerequisite was issued here to another learner."""

    slug = "prerequisite-of-another"
    title = "A prerequisite belongs to another learner"


class _Named(NamedTuple):
    """A credential that an award names, and by what its holder was recognised: None where only its id is known."""

    pointer: str
    credential_id: CredentialId
    by: Recognised | None


class Asking(msgspec.Struct, frozen=True, kw_only=True):
    """An award of an achievement that may ask for something."""

    award: Award
    achievement: achievements.StoredAchievement

    @property
    def required(self) -> EntryRequirements | None:
        """What must be held."""
        return self.achievement.achievement.entry_requirements

    @property
    def ref(self) -> str:
        """The learner."""
        return self.award.learner.ref


class Holdings:
    """What the learners of some awards hold, within one transaction; read only where something is asked for."""

    def __init__(self, tenant: Tenant, book: Book, now: Moment) -> None:
        self._tenant = tenant
        self._book = book
        self._now = now
        self._by_ref: dict[str, list[CredentialId]] = {}
        self._owners: dict[CredentialId, str] = {}
        self._titles: dict[AchievementUri, str] = {}
        self._fresh: dict[str, list[Held]] = {}
        self._is_asked = False

    @classmethod
    async def read(
        cls,
        log_state: FollowedLogState,
        connection: Connection,
        tenant: Tenant,
        asking: Sequence[Asking],
        *,
        now: Moment,
    ) -> "Holdings":
        """Return what the learners of awards that ask for something hold of that.

        Raises `LogNotFollowedProblem` where the log was not followed lately: a revocation may have been missed.
        """
        log_state.check_fresh("Whether prerequisites still hold")
        uris = list(dict.fromkeys(uri for item in asking if item.required for uri in item.required.named))
        own = await credentials.of_learners(connection, tenant.institution_id, [item.ref for item in asking], uris)
        named = [name.credential_id for item in asking for name in _readable(item.award)]
        ids = [*(name for names in own.values() for name in names), *named]
        holdings = cls(tenant, await book_for(connection, [], also=ids, now=now), now)
        holdings._is_asked = True
        holdings._by_ref = own
        holdings._owners = await credentials.refs_of(connection, tenant.institution_id, named)
        known = await achievements.by_uris(connection, tenant.institution_id, uris)
        others = await achievement_titles.described(connection, [uri for uri in uris if uri not in known])
        holdings._titles = {
            AchievementUri(uri): found.achievement.text_in(found.achievement.title) for uri, found in known.items()
        } | {uri: found.name for uri, found in others.items()}
        return holdings

    def check(self, item: Asking) -> tuple[str, ...]:
        """Return notes on an award that may be made.

        Raises `PrerequisiteProblem`, `PrerequisiteUnknownProblem` and `OtherHolderProblem`.
        """
        if item.required is None:
            return ()
        named = self._named(item)
        own = [held for name in self._by_ref.get(item.ref, ()) if (held := self._held(name)) is not None]
        every = [*own, *(held for _, held in named), *self._fresh.get(item.ref, ())]
        missing = missing_prerequisites(item.required, every, titles=self._titles)
        if missing:
            raise _problem(missing)
        return self._notes([name for name, _ in named])

    def issued(self, item: Asking) -> None:
        """Count what this transaction has just issued for awards that come after it, where one of them asks."""
        if self._is_asked and holds_at(self._tenant, item.award, self._now):
            self.add({item.ref: [item.achievement.achievement.uri]})

    def add(self, more: Mapping[str, Sequence[AchievementUri]]) -> None:
        """Count, by learner, achievements that were or would be awarded by the institution just before."""
        for ref, uris in more.items():
            self._fresh.setdefault(ref, []).extend(Held(uri, self._tenant.did, "active") for uri in uris)

    def _named(self, item: Asking) -> list[tuple[_Named, Held]]:
        """Return what the award itself names, each of which must be there and be nobody else's."""
        found = []
        for name in named_by(item.award):
            if self._owners.get(name.credential_id, item.ref) != item.ref:
                detail = f"{name.credential_id} was issued to another learner of this institution"
                raise OtherHolderProblem(detail, pointer=name.pointer)
            held = self._held(name.credential_id)
            if held is None:
                detail = "is not on the log, or was not issued to be counted; name one that is, or send this later"
                raise PrerequisiteUnknownProblem(f"{name.credential_id} {detail}", pointer=name.pointer)
            found.append((name, held))
        return found

    def _held(self, credential_id: CredentialId) -> Held | None:
        """Return a credential by the log; None where it is not there, or not issued by whom its URI belongs to."""
        credential = self._book.credential(credential_id)
        life = life_of(self._book, credential) if credential else None
        state = effective(self._book, credential, at=self._now) if credential else None
        if life is None or state is None:
            return None
        is_own = living_end(self._book, life.issuer) == self._tenant.did
        if is_own_uri(self._tenant, life.achievement) and not is_own:
            return None
        return Held(life.achievement, life.issuer, state.state)

    def _notes(self, named: Sequence[_Named]) -> tuple[str, ...]:
        foreign = [name for name in named if name.credential_id not in self._owners]
        return tuple(f"Prerequisite {name.credential_id}: {_SHOWN[name.by]}" for name in foreign)


def holds_at(tenant: Tenant, award: Award, now: Moment) -> bool:
    """Tell whether an award of the institution, once issued, holds at a moment."""
    ends_at = award.ends_in(tenant.zone)
    return award.begins_in(tenant.zone) <= now and (ends_at is None or ends_at > now)


def named_by(award: Award) -> list[_Named]:
    """Return the credentials that an award names, by id or by document.

    Raises `OtherHolderProblem` for a document whose holder is not shown to be the learner, and `InvalidProblem` for
    what is no credential document.
    """
    found = [
        _Named(f"/prerequisites/{place}", CredentialId(name), None) for place, name in enumerate(award.prerequisites)
    ]
    for place, document in enumerate(award.prerequisite_documents):
        pointer = f"/prerequisite_documents/{place}"
        try:
            name, by = presented_id(document), recognised(document, award.learner)
        except (InvalidProblem, MalformedProblem) as problem:
            raise InvalidProblem(problem.sentence, pointer=f"{pointer}{problem.pointer or ''}") from problem
        if by is None:
            detail = "The document's holder is not shown to be the learner: DID, or the whole name, must be the same"
            raise OtherHolderProblem(detail, pointer=pointer)
        found.append(_Named(pointer, name, by))
    return found


def _readable(award: Award) -> list[_Named]:
    try:
        return named_by(award)
    except InvalidProblem:  # said again when the award itself is judged
        return []


def _problem(missing: Sequence[Missing]) -> PrerequisiteProblem:
    words = "; ".join(item.detail for item in missing)
    listed: list[dict[str, Any]] = [
        {"code": item.code, "detail": item.detail, "achievements": list(item.achievements)} for item in missing
    ]
    return PrerequisiteProblem(
        f"{words[:_DETAIL_CHARACTERS_MAX]}. {_REMEDY}", pointer="/achievement", members={"missing": listed}
    )
