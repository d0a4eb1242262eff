"""Awards that were made before: recognised by what their documents say, whatever way they came, and not made twice.

The same content for the same learner is the same award. Other content of the same achievement is refused, unless the
award says in `on_repeat` whether it takes the earlier one's place or is one more. A credential that is void or expired
stands in nobody's way; one that was revoked is not made again by a list that is sent again.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import tzinfo
from functools import partial
from typing import Any, Protocol

import msgspec

from proto.documents.credential import Award
from proto.documents.open_badge_names import IRIS, stated, with_names
from proto.ids import CredentialId, EventId
from proto.lifecycle import Book, effective
from proto.moment import Moment, normalise
from proto.normal_form import normalised
from proto.problem import ConflictProblem, Problem
from services.issuer_gateway.domain.tenant import Tenant
from services.issuer_gateway.keys.learner_keys import LearnerKeys
from services.issuer_gateway.store import achievements
from services.issuer_gateway.store import earlier_awards as rows
from services.persistence.postgres import Connection

_ENDED = frozenset({"void", "expired"})
_TIMES = ("awardedDate", "validFrom", "validUntil")
_MEMBERS = ("evidence", "otherIdentifier")
_NOT_SAID = ("achievement", "type")
_NOT_SAID_OF_RESULTS = ("id", "type")
_NOT_CONTENT = ("prerequisites", "prerequisite_documents", "on_repeat")
_DECODE = msgspec.json.Decoder(dict[str, Any]).decode
_FROM_U_0300 = bytes(range(0xCC, 0x100))
"""With which UTF-8 begins every letter from U+0300 on, the first mark."""
_REMEDY = (
    "Say in `on_repeat` what is meant: `replace` (the earlier one is revoked and names this one) or `repeat` (the "
    "learner holds both)"
)


class AlreadyAwardedProblem(ConflictProblem):
    """The same award was made before; `credential_id` is the credential that was issued then."""

    slug = "already-awarded"
    title = "This was awarded before"

    def __init__(self, credential_id: CredentialId, event_id: EventId) -> None:
        detail = "The same award was made before, and nothing is issued twice; the member `credential_id` names it"
        super().__init__(detail, members={"credential_id": credential_id})
        self.credential_id = credential_id
        self.event_id = event_id


class AwardedBeforeProblem(ConflictProblem):
    """The learner was awarded the same achievement with other content; `credential_ids` names what there is."""

    slug = "awarded-before"
    title = "The learner was awarded this achievement before, with other content"


class MayNotRevokeProblem(Problem):
    """To replace a credential is to revoke it, which the API key may not."""

    slug = "may-not-revoke"
    title = "The API key may not revoke"
    status = 403


class Item(Protocol):
    """What is asked of an award that is ready to be issued."""

    @property
    def award(self) -> Award:
        """The award."""

    @property
    def achievement(self) -> achievements.StoredAchievement:
        """What it is for."""

    @property
    def credential_id(self) -> CredentialId:
        """The credential that it would become."""

    @property
    def event_id(self) -> EventId:
        """The event that would issue it."""

    @property
    def document(self) -> Mapping[str, Any]:
        """The document that it would become."""

    @property
    def replaces(self) -> tuple[CredentialId, ...]:
        """Credentials that it replaces whatever they say."""


class _Made(msgspec.Struct, kw_only=True):
    """One award that was made: its credential, and what its document says, which is asked of few."""

    credential_id: CredentialId
    event_id: EventId
    say: Callable[[], Any]
    known: Any = None

    @property
    def said(self) -> Any:
        """What its document says, comparable with what others said."""
        if self.known is None:
            self.known = self.say()
        return self.known


def check_may_replace(award: Award, *, may_revoke: bool) -> None:
    """Raise `MayNotRevokeProblem` where an award takes another's place and its sender may not revoke."""
    if award.on_repeat == "replace" and not may_revoke:
        raise MayNotRevokeProblem("`replace` needs the scope credentials:revoke", pointer="/on_repeat")


class EarlierAwards:
    """What the learners of some awards hold of the same achievements, within one transaction."""

    def __init__(self) -> None:
        self._made: dict[tuple[str, str], list[_Made]] = {}
        self._before: frozenset[tuple[str, str]] = frozenset()

    @classmethod
    async def read(
        cls,
        learner_keys: LearnerKeys,
        connection: Connection,
        tenant: Tenant,
        items: Sequence[Item],
        *,
        is_dry: bool = False,
    ) -> "EarlierAwards":
        """Return what was awarded before; unless `is_dry`, nobody else issues to those learners until the end."""
        found = cls()
        refs = list(dict.fromkeys(item.award.learner.ref for item in items))
        if not is_dry:
            await rows.lock_learners(connection, tenant.institution_id, refs)
        await found._read(learner_keys, connection, tenant, items)
        return found

    async def _read(
        self, learner_keys: LearnerKeys, connection: Connection, tenant: Tenant, items: Sequence[Item]
    ) -> None:
        pairs = list(dict.fromkeys(_pair(item) for item in items))
        stored = await rows.of_pairs(connection, tenant.institution_id, pairs)
        keys = await learner_keys.known(each.learner_id for each in stored) if stored else {}
        for each in stored:
            key = keys[each.learner_id]
            if key is None:
                continue
            document = _DECODE(key.open(each.sealed_document, "document", each.credential_id))["document"]
            say = partial(_said, document, each.version)
            made = _Made(credential_id=each.credential_id, event_id=each.event_id, say=say)
            self._made.setdefault((each.ref, each.achievement_id), []).append(made)

    @property
    def credential_ids(self) -> list[CredentialId]:
        """All credentials whose state a judgement asks for."""
        return [made.credential_id for each in self._made.values() for made in each]

    def add_before(self, pairs: Iterable[tuple[str, str]]) -> None:
        """Count what rows before these would give, of which only learner and achievement are known."""
        self._before = frozenset(pairs)

    def check(self, item: Item, book: Book, *, now: Moment) -> list[CredentialId]:
        """Return which credentials the award replaces.

        Raises `AlreadyAwardedProblem` and `AwardedBeforeProblem`.
        """
        others: list[CredentialId] = []
        revoked = None
        earlier = self._made.get(_pair(item), ())
        said = said_of(item) if earlier else None
        for made in earlier:
            if made.credential_id in item.replaces:
                continue
            state = _state(book, made.credential_id, now)
            if made.said == said and state not in {"revoked", "void"}:
                raise AlreadyAwardedProblem(made.credential_id, made.event_id)
            if state == "revoked":
                revoked = made if made.said == said else revoked
            elif state not in _ENDED:
                others.append(made.credential_id)
        if item.award.on_repeat is None:
            self._refuse(item, others, revoked)
        return others if item.award.on_repeat == "replace" else []

    def _refuse(self, item: Item, others: Sequence[CredentialId], revoked: _Made | None) -> None:
        if others or _pair(item) in self._before:
            detail = f"Its dates, result, names or other words differ. {_REMEDY}"
            raise AwardedBeforeProblem(detail, pointer="/on_repeat", members={"credential_ids": list(others)})
        if revoked is not None:
            detail = "The same award was made before and revoked. To award it again, say `on_repeat`: `repeat`"
            members = {"credential_ids": [revoked.credential_id]}
            raise AwardedBeforeProblem(detail, pointer="/on_repeat", members=members)

    def issued(self, item: Item, replaced: Sequence[CredentialId] = ()) -> None:
        """Count what this transaction issues, and no more what it replaces."""
        made = _Made(credential_id=item.credential_id, event_id=item.event_id, say=partial(said_of, item))
        known = [each for each in self._made.get(_pair(item), []) if each.credential_id not in replaced]
        self._made[_pair(item)] = [*known, made]


def _pair(item: Item) -> tuple[str, str]:
    return item.award.learner.ref, item.achievement.achievement_id


def _state(book: Book, credential_id: CredentialId, now: Moment) -> str:
    """Return the state by the log and by what was said here; what it does not show yet is on its way.

    What this very decision issues, and has not signed yet, is not in the book.
    """
    credential = book.credential(credential_id) if credential_id in book.credentials else None
    found = effective(book, credential, at=now) if credential else None
    return found.state if found else "active"


def said_of(item: Item) -> Any:
    """Return what an award's document would say of its learner, comparable with what others said."""
    return _said(item.document, item.achievement.achievement.version)


def _said(document: Mapping[str, Any], version: str) -> Any:
    """Return what a document says, by its short names and with times as events write them, as any form of it does."""
    subject = with_names(
        {name: value for name, value in document["credentialSubject"].items() if name not in _NOT_SAID}
    )
    if "result" in subject:
        subject["result"] = [
            {name: value for name, value in result.items() if name not in _NOT_SAID_OF_RESULTS}
            for result in subject["result"]
        ]
    times = {name: normalise(document[name]) if name in document else None for name in _TIMES}
    members = {name: stated(document, name) if name in IRIS else document.get(name) for name in _MEMBERS}
    return _plain({"version": version, "subject": subject, **times, **members})


def content_of(award: Award, zone: tzinfo) -> bytes:
    """Return what tells two rows of one file from each other: what they say once they are read, not how.

    Days are the institution's, in `zone`.
    """
    said = {name: value for name, value in msgspec.to_builtins(award).items() if name not in _NOT_CONTENT}
    moments = {
        "awarded_at": award.awarded_in(zone),
        "valid_from": award.begins_in(zone),
        "valid_until": award.ends_in(zone),
    }
    text = msgspec.json.encode(said | moments, order="sorted")
    return text if _is_plain(text) else msgspec.json.encode(_plain(said | moments), order="sorted")


def _is_plain(text: bytes) -> bool:
    """Tell whether no text within JSON changes where it is made plain, as is so of nearly all; False where in doubt.

    So it is where none begins or ends with a blank, and all letters are among the first 768 of Unicode: their normal
    form is they themselves.
    """
    if b"\\" in text or b'" ' in text or b' "' in text:
        return False
    if text.isascii():
        return True
    has_blanks = b"\xc2\x85" in text or b"\xc2\xa0" in text
    return not has_blanks and len(text.translate(None, _FROM_U_0300)) == len(text)


def _plain(value: Any) -> Any:
    if isinstance(value, str):
        return normalised("NFC", value).strip()
    if value is None or isinstance(value, int):
        return value
    if isinstance(value, dict | Mapping):
        return {key: _plain(member) for key, member in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return value
