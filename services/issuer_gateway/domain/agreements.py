"""Agreements between institutions: from a request to what both sign, what may be agreed, and what it covers. Pure."""

from collections.abc import Collection, Iterator, Mapping
from datetime import timedelta, tzinfo

from msgspec import UNSET, UnsetType

from proto import days
from proto.documents.recognition_agreement import AgreementEnding, AgreementTerm, RecognitionAgreement
from proto.ids import Did, KeyId, Origin
from proto.lifecycle import Book, Profile, compromised_from, is_void, profile, standing
from proto.lifecycle.decide_issuer import is_of_one_line
from proto.moment import Moment, to_datetime
from proto.problem import InvalidProblem
from proto.sentence import sentence
from proto.wire.agreements import AgreementRequest
from proto.wire.verifier import CredentialFacts

YEARS_MAX = 5
SIGNING_PURPOSE = "assertion"
CLOCKS_APART_MAX = timedelta(minutes=5)
"""So far ahead of ours the clock of another gateway may be."""


def agreement_of(
    request: AgreementRequest, proposer: Did, *, log: Origin, now: Moment, zone: tzinfo, nonce: str
) -> RecognitionAgreement:
    """Return what a request asks both to sign; without a beginning it holds from now on.

    Raises `InvalidProblem`, with a pointer, for days that are none.
    """
    begins = days.on_record(days.begin(request.valid_from, zone), "/valid_from") if request.valid_from else now
    return RecognitionAgreement(
        log=log,
        proposer=proposer,
        accepter=request.partner,
        at=now,
        nonce=nonce,
        valid_from=begins,
        valid_until=days.on_record(days.end(request.valid_until, zone), "/valid_until"),
        terms=request.terms,
    )


def check_agreement(book: Book, agreement: RecognitionAgreement) -> None:
    """Raise `InvalidProblem`, with a pointer, where institutions may not agree so, by what the log says of them now."""
    proposer, accepter = (_profile_of(book, did, pointer="/partner") for did in agreement.parties)
    if is_of_one_line(book, *agreement.parties):
        raise InvalidProblem(
            "Nobody agrees with itself, with who comes after it or came before it: name another institution",
            pointer="/partner",
        )
    latest = f"{int(agreement.valid_from[:4]) + YEARS_MAX:04}{agreement.valid_from[4:]}"
    if not agreement.valid_from < agreement.valid_until <= latest:
        raise InvalidProblem(
            sentence("An agreement ends after it begins, and {years} years on at most", years=YEARS_MAX),
            pointer="/valid_until",
        )
    profiles = {agreement.proposer: proposer, agreement.accepter: accepter}
    for number, term in enumerate(agreement.terms):
        _check_term(profiles, term, f"/terms/{number}")


def _profile_of(book: Book, did: Did, *, pointer: str) -> Profile:
    issuer = book.issuer(did)
    known = profile(book, issuer) if issuer else None
    if known is None or not is_in_good_standing(book, did):
        raise InvalidProblem(
            "The log has no such institution, or it is suspended or closed: write the DID as its page has it",
            pointer=pointer,
        )
    return known


def is_in_good_standing(book: Book, did: Did) -> bool:
    """Tell whether an institution is admitted, and neither suspended nor closed, by all that is known."""
    issuer = book.issuer(did)
    if issuer is None or profile(book, issuer) is None:
        return False
    last = standing(book, issuer)
    return last is None or last.kind == "reinstated"


def may_recognise(book: Book, did: Did) -> bool:
    """Tell whether an institution may recognise now."""
    issuer = book.issuer(did)
    known = profile(book, issuer) if issuer else None
    return known is not None and known.scope.may_recognise and is_in_good_standing(book, did)


def _check_term(profiles: Mapping[Did, Profile], term: AgreementTerm, at: str) -> None:
    if {term.awarded_by, term.recogniser} != profiles.keys():
        raise InvalidProblem(
            "One of the two awards what counts at the other: name each once", pointer=f"{at}/awarded_by"
        )
    awards, recognises = profiles[term.awarded_by], profiles[term.recogniser]
    if not recognises.scope.may_recognise:
        raise InvalidProblem(
            "By the register this institution may not recognise; its registrar says otherwise if it may",
            pointer=f"{at}/recogniser",
        )
    if not term.programme.startswith(recognises.uri_prefixes):
        raise InvalidProblem(
            "The programme is one of the institution that recognises: write its address as that institution has it",
            pointer=f"{at}/programme",
        )
    for number, uri in enumerate(term.achievements):
        if not uri.startswith(awards.uri_prefixes):
            raise InvalidProblem(
                "The achievement is one of the institution that awards it: write its address as on the log",
                pointer=f"{at}/achievements/{number}",
            )
    _check_counted(term, at)


def _check_counted(term: AgreementTerm, at: str) -> None:
    if not term.achievements and term.isced_f is UNSET and term.eqf_level is UNSET:
        raise InvalidProblem(
            "Name the achievements, or all of a field of education (isced_f) or of a level (eqf_level)",
            pointer=f"{at}/achievements",
        )
    if term.achievements and (term.isced_f is not UNSET or term.eqf_level is not UNSET):
        raise InvalidProblem(
            "Name achievements, or all of a field or level, and not both: divide it into two terms",
            pointer=f"{at}/isced_f",
        )
    if (term.decision == "partial") != (term.ects_hundredths is not UNSET):
        raise InvalidProblem(
            "In part counts what you say in ects_hundredths; in full counts what the credential carries: leave it out",
            pointer=f"{at}/ects_hundredths",
        )


def are_consents_good(book: Book, signers: Mapping[Did, tuple[KeyId, bytes]], parties: Collection[Did]) -> bool:
    """Tell whether these parties signed with keys that are not condemned; an agreement has no time of receipt.

    So once a key is condemned nothing counts that it signed, whenever that was.
    """
    return all(party in signers and is_good_key(book, party, signers[party][0]) for party in parties)


def is_good_key(book: Book, party: Did, key_id: KeyId) -> bool:
    """Tell whether a key of the party may have signed an agreement: one for documents, added and never condemned."""
    issuer = book.issuer(party)
    key = next((each for each in issuer.keys if each.key_id == key_id), None) if issuer else None
    return (
        key is not None
        and key.purpose == SIGNING_PURPOSE
        and not is_void(book, key.added)
        and compromised_from(book, key_id) is None
    )


def check_ending(
    agreement: RecognitionAgreement, ending: AgreementEnding, signers: Collection[Did], *, now: Moment
) -> None:
    """Raise `InvalidProblem`, with a pointer, for what no party may end, or may not end so."""
    if not {ending.party, *signers} <= set(agreement.parties):
        raise InvalidProblem("Only a party of the agreement ends it, or signs that it is ended", pointer="/payload")
    if to_datetime(ending.at) > to_datetime(now) + CLOCKS_APART_MAX:
        raise InvalidProblem(
            "It ends the agreement at a time that has not come: take the file in then, or ask for one that ends it now",
            pointer="/payload",
        )


def ends_before(agreement: RecognitionAgreement, one: AgreementEnding, other: AgreementEnding) -> bool:
    """Tell whether of two endings the first counts: the earlier one, and of the same moment the proposer's."""
    return (one.at, one.party != agreement.proposer) < (other.at, other.party != agreement.proposer)


def terms_for(
    agreement: RecognitionAgreement, recogniser: Did, programme: str, found: CredentialFacts, fields: Collection[str]
) -> Iterator[tuple[int, AgreementTerm]]:
    """Yield, with their numbers, the terms that cover a credential, by its record and the fields that it proves."""
    for number, term in enumerate(agreement.terms):
        if (
            (term.recogniser, term.awarded_by, term.programme) == (recogniser, found.issuer, programme)
            and _is_meant(term, found, fields)
            and found.ects_hundredths >= (term.ects_hundredths_min or 0)
            and (found.eqf_level or 0) >= (term.eqf_level_min or 0)
        ):
            yield number, term


def _is_meant(term: AgreementTerm, found: CredentialFacts, fields: Collection[str]) -> bool:
    if term.achievements:
        return found.achievement in term.achievements
    is_of_field = term.isced_f is UNSET or any(each.startswith(term.isced_f) for each in fields)
    return is_of_field and (term.eqf_level is UNSET or found.eqf_level == term.eqf_level)


def is_beyond(most: int | UnsetType | None, total: int) -> bool:
    """Tell whether credits are more than the most that counts, where something is said to be the most; zero is too."""
    return isinstance(most, int) and total > most


def counted_by(term: AgreementTerm, own_hundredths: int) -> int | None:
    """Return the credits that a term counts of a credential; None where a part would be all of it, or more.

    Then a person decides.
    """
    if term.decision == "full":
        return own_hundredths
    part = term.ects_hundredths or 0
    return part if part < own_hundredths else None
