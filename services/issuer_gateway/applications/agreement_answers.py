"""How agreements stand now, for those who read them: by what both signed, what ended it, and what the log says of both.

Reads the store and the log as it is followed; changes nothing.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping

from proto.documents.recognition_agreement import envelope_of
from proto.ids import AgreementId, Did
from proto.lifecycle import Book, profile
from proto.moment import Moment, from_datetime
from proto.wire.agreements import AgreementAnswer, AgreementGrounds, AgreementState
from services.issuer_gateway.domain import agreements as rules
from services.issuer_gateway.domain.tenant import Tenant
from services.issuer_gateway.store import agreements as store
from services.issuer_gateway.store import followed_log
from services.issuer_gateway.store.agreements import StoredAgreement
from services.persistence.postgres import Connection, Pool, transaction

Grounds = Mapping[AgreementId, AgreementGrounds]


async def answers(
    connection: Connection, found: Collection[StoredAgreement], *, of: Tenant | None, now: Moment
) -> list[AgreementAnswer]:
    """Return agreements as they stand; `of` is the party that reads them, None where anybody does."""
    parties = _parties(found)
    book = await followed_log.book_of_issuers(connection, parties)
    here = await store.served_here(connection, parties)
    ended = [each for each in found if each.ending is not None]
    late = await store.decided_since(connection, of.institution_id, ended) if of and ended else None
    return [_answer(book, each, here=here, late=late, now=now) for each in found]


async def grounds_of(pool: Pool, own: Did, agreement_ids: Iterable[AgreementId | None]) -> Grounds:
    """Return by which agreements something was decided at an institution, for those who read the decision."""
    names = {each for each in agreement_ids if each is not None}
    if not names:
        return {}
    found = await store.by_ids(pool, names)
    async with transaction(pool) as connection:
        book = await followed_log.book_of_issuers(connection, _parties(found.values()))
    return {
        name: AgreementGrounds(
            agreement_id=name,
            partner=each.agreement.other(own),
            partner_name=_name_of(book, each.agreement.other(own)),
            valid_from=each.agreement.valid_from,
            valid_until=each.agreement.valid_until,
        )
        for name, each in found.items()
    }


def _parties(found: Iterable[StoredAgreement]) -> set[Did]:
    return {party for each in found for party in each.agreement.parties}


def _name_of(book: Book, did: Did) -> str:
    issuer = book.issuer(did)
    known = profile(book, issuer) if issuer else None
    return known.legal_name if known else did


def _answer(
    book: Book, stored: StoredAgreement, *, here: Collection[Did], late: Mapping[AgreementId, int] | None, now: Moment
) -> AgreementAnswer:
    agreement = stored.agreement
    state = _state(book, stored)
    is_in_period = agreement.valid_from <= now < agreement.valid_until
    are_good = all(rules.is_in_good_standing(book, each) for each in agreement.parties)
    ended = stored.ending
    return AgreementAnswer(
        agreement_id=stored.agreement_id,
        state=state,
        is_in_force=state == "concluded" and is_in_period and are_good,
        proposer=agreement.proposer,
        proposer_name=_name_of(book, agreement.proposer),
        accepter=agreement.accepter,
        accepter_name=_name_of(book, agreement.accepter),
        valid_from=agreement.valid_from,
        valid_until=agreement.valid_until,
        terms=agreement.terms,
        proposed_at=from_datetime(stored.proposed_at),
        accepted_at=from_datetime(stored.accepted_at) if stored.accepted_at else None,
        ended_at=ended.ending.at if ended else None,
        ended_by=ended.ending.party if ended else None,
        ending_known_at=from_datetime(ended.known_at) if ended else None,
        ending_known_to=tuple(_those_who_know(stored, here)),
        decided_after_ending=late.get(stored.agreement_id, 0) if ended and late is not None else None,
        elsewhere=tuple(each for each in agreement.parties if each not in here),
        document=envelope_of(stored.payload, list(stored.consents.values())),
        ending=envelope_of(ended.payload, list(ended.signatures.values())) if ended else None,
    )


def _those_who_know(stored: StoredAgreement, here: Collection[Did]) -> Iterator[Did]:
    """Yield the parties that know of an ending: who signed it, and who reads of it at this gateway."""
    if stored.ending is not None:
        yield from (each for each in stored.agreement.parties if each in stored.ending.signatures or each in here)


def _state(book: Book, stored: StoredAgreement) -> AgreementState:
    if stored.ending is not None:
        return "ended"
    if not rules.are_consents_good(book, stored.consents, stored.consents):
        return "void"
    return "concluded" if len(stored.consents) == len(stored.agreement.parties) else "proposed"
