"""How institutions decided, on the public log, on the credentials of one achievement, over one read transaction. Pure.

Each recognition is judged by its state; what was withdrawn, or said with a condemned key, is no precedent.
"""

from collections.abc import Iterable
from itertools import groupby

from proto.ids import Did
from proto.lifecycle import Book, Recognition, decisions_on, is_live
from proto.moment import Moment
from proto.wire.precedents import PrecedentsAnswer, PublicPrecedent
from proto.wire.verifier import AsOf, Check
from services.verifier.answers.register import Register
from services.verifier.projection.reader import ReadTransaction


def precedents_answer(
    transaction: ReadTransaction, achievement: str, issuer: Did, *, now: Moment, as_of: AsOf, fresh: Check
) -> PrecedentsAnswer:
    """Return the live recognitions by how they count, and the standing decisions that are in force now."""
    book, register = Book(), Register(transaction, is_certain=fresh.result == "valid")
    found, has_more = transaction.recognitions_of(book, achievement, issuer)
    live = [each for each in found if is_live(book, each)]
    return PrecedentsAnswer(
        achievement=achievement,
        issuer=issuer,
        precedents=tuple(sorted(_ways(live, register), key=lambda way: way.last_at, reverse=True)),
        decisions=tuple(register.decisions(decisions_on(issuer, achievement), now)),
        has_more=has_more,
        as_of=as_of,
        freshness=fresh,
    )


def _ways(live: Iterable[Recognition], register: Register) -> Iterable[PublicPrecedent]:
    for (recogniser, programme, decision, hundredths, _), group in groupby(sorted(live, key=_way), key=_way):
        same = list(group)
        yield PublicPrecedent(
            recogniser=recogniser,
            recogniser_name=register.name_of(recogniser),
            programme=programme,
            decision="full" if decision == "full" else "partial",
            ects_hundredths=hundredths,
            eqf_level=same[0].eqf_level,
            count=len(same),
            last_at=max(each.stamp.received_at for each in same),
        )


def _way(each: Recognition) -> tuple[Did, str, str, int, int]:
    return each.recogniser, each.programme, each.decision, each.ects_hundredths, each.eqf_level or 0
