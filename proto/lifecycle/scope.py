"""What an institution may, by the register: rules that issuing, recognising and endorsing share (DESIGN 3.6). Pure."""

from proto import events
from proto.ids import Did
from proto.lifecycle.book import Book
from proto.lifecycle.refusals import NotAllowedRefusal, OutOfScopeRefusal, UnknownIssuerRefusal
from proto.lifecycle.states import Profile
from proto.lifecycle.voidness import profile
from proto.sentence import sentence


def institution(book: Book, did: Did) -> Profile:
    """Return what the register says of an institution; refuses the registrar, and who is not admitted."""
    if did == book.opened_log().registrar:
        raise NotAllowedRefusal("The registrar is no institution: it neither issues nor recognises", pointer="/issuer")
    issuer = book.issuer(did)
    known = profile(book, issuer) if issuer else None
    if known is None:
        raise UnknownIssuerRefusal(
            sentence("{institution} does not issue: it is not an institution on this log", institution=did),
            pointer="/issuer",
        )
    return known


def check_scope(event: events.Issue | events.AchievementRecognised, scope: events.Scope) -> None:
    """Refuse a level or credits outside the institution's scope."""
    if event.eqf_level and not scope.eqf_min <= event.eqf_level <= scope.eqf_max:
        raise OutOfScopeRefusal(
            sentence(
                "EQF level {level} is outside this institution's {lowest} to {highest}",
                level=event.eqf_level,
                lowest=scope.eqf_min,
                highest=scope.eqf_max,
            ),
            pointer="/eqf_level",
        )
    if event.ects_hundredths > scope.ects_hundredths_max:
        raise OutOfScopeRefusal(
            sentence(
                "{ects} ECTS is above this institution's {highest}",
                ects=ects_number(event.ects_hundredths),
                highest=ects_number(scope.ects_hundredths_max),
            ),
            pointer="/ects_hundredths",
        )


def check_prefix(known: Profile, did: Did, uri: str, *, pointer: str) -> None:
    """Refuse a URI that is under no prefix which the institution registered."""
    if not uri.startswith(known.uri_prefixes):
        prefixes = ", ".join(known.uri_prefixes)
        raise OutOfScopeRefusal(
            sentence(
                "{uri} is not under a URI prefix that {institution} registered: {prefixes}",
                uri=uri,
                institution=did,
                prefixes=prefixes,
            ),
            pointer=pointer,
        )


def ects_number(hundredths: int) -> str:
    """Return credits as a number, such as `2.5`."""
    return f"{hundredths / 100:g}"
