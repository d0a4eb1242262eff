"""What refusals are called before a person, and what to do next; each has its translations. Pure.

A refusal that has no words of its own has those of its kind, and what exactly was found stands beside them.
"""

from collections.abc import Mapping

import msgspec

from proto.problem import Problem
from proto.sentence import Sentence


class SaidFault(msgspec.Struct, frozen=True, kw_only=True):
    """What a person is told of a refusal: what it is called and what to do next, both to be translated.

    `cause` is what exactly was found; None where nothing needs to be added.
    """

    title: str
    said: str
    cause: Sentence | None = None


_LOST = SaidFault(
    title="This link leads nowhere",
    said="A link that was sent to you ends in a long code, and works with all of it. Was it copied whole? "
    "What it led to may have been erased, too.",
)
_OVER = SaidFault(
    title="This link works no more",
    said="Its time is over, or somebody has ended it. Ask whoever gave it to you for a new one.",
)
_DECIDED = SaidFault(title="It was decided already", said="Open its page again, and see how.")
_ASK_AGAIN = SaidFault(title="Not possible at this moment", said="Nothing was done. Wait a moment, then try it again.")
_GONE = SaidFault(
    title="What belonged to it was erased",
    said="Nobody can read it here any more. What you saved before stays what it is.",
)
_NOT_UNDERSTOOD = SaidFault(
    title="This was not understood",
    said="Nothing was done. Go back, correct what stands here, and send it again.",
)
_NOT_NOW = SaidFault(
    title="The credential cannot be issued now",
    said="Nothing was issued, and the link is not used up. Ask the institution, and tell it what stands here.",
)
OWN_FAULTS: Mapping[str, SaidFault] = {
    "link-not-whole": _LOST,
    "unknown-claim": _LOST,
    "unknown-request": _LOST,
    "unknown-application": _LOST,
    "unknown-holder-link": _LOST,
    "claim-expired": _OVER,
    "request-link-ended": _OVER,
    "holder-link-ended": _OVER,
    "claim-used": SaidFault(
        title="This link was used already",
        said="It works once; for a day the browser that used it can get the credential again. Was it not you? Tell "
        "the institution, and ask for a new link.",
    ),
    "credential-suspended": SaidFault(
        title="The institution has suspended this credential",
        said="It is not handed out until it is reinstated. The link is not used up: ask the institution, and try "
        "again.",
    ),
    "credential-revoked": SaidFault(
        title="This credential was withdrawn",
        said="It does not hold any more, so it is not handed out. Ask the institution.",
    ),
    "erased": _GONE,
    "learner-erased": _GONE,
    "awarded-before": SaidFault(
        title="You were awarded this before",
        said="It says other dates, another result or another name, so nothing was issued. The link is not used up: "
        "ask the institution which of the two holds.",
    ),
    "takes-no-requests": SaidFault(
        title="Nobody can ask for this here",
        said="The institution takes no requests for it, or awards nothing now. Ask the institution itself.",
    ),
    "too-many-open-requests": SaidFault(
        title="The institution takes no more requests now",
        said="So many wait that it takes no more. Try again later, or ask the institution.",
    ),
    "request-decided": _DECIDED,
    "request-still-open": SaidFault(
        title="It was not decided yet",
        said="If you want nothing any more, open its page again and withdraw it.",
    ),
    "application-closed": SaidFault(
        title="It is closed", said="It was withdrawn or erased: nothing of it is left. Whoever applied can apply again."
    ),
    "item-decided": _DECIDED,
    "no-appeal": SaidFault(
        title="There is nothing to appeal against",
        said="You can appeal once, against a decision that does not recognise in full. Open the page again, and see "
        "how it stands.",
    ),
    "same-person": SaidFault(
        title="Somebody else decides an appeal",
        said="Sign in with another key than the one of the first decision.",
    ),
    "unknown-institution": SaidFault(
        title="There is no such institution here",
        said="Was the address copied whole? Ask whoever gave it to you.",
    ),
    "no-such-achievement": SaidFault(
        title="There is no such achievement here",
        said="Was the address copied whole? Ask the institution for the right one.",
    ),
    "unknown-credential-here": SaidFault(
        title="There is no such credential here",
        said="This link does not lead to it, or shows only parts of it. Open the page of the link again, and see "
        "what there is.",
    ),
    "no-logo": SaidFault(title="The institution has no logo here", said="Go back: the page is the same without it."),
    "too-many-holder-links": SaidFault(
        title="Too many links work already",
        said="End one that you need no more on the page of the credential, then make the new one.",
    ),
    "share-not-understood": SaidFault(
        title="The link was not made",
        said="Go back, say in at most 200 letters for whom it is, and choose between 1 and 366 days.",
    ),
    "not-your-own-link": SaidFault(
        title="This link only shows",
        said="Sharing and ending is for the learner's own link, which the institution gives.",
    ),
    "paper": SaidFault(
        title="No paper can be made of this credential",
        said="It says more than fits on one. Save the document itself: it holds everything.",
    ),
    "log-not-followed": SaidFault(
        title="Whether it holds cannot be said now",
        said="The public record could not be read lately, so nothing is handed out. Wait a moment, then try it again.",
    ),
    "outcome-unknown": SaidFault(
        title="It is not known yet whether this was done",
        said="Wait a moment, then send it again: nothing is done twice.",
    ),
    "rate-limited": SaidFault(title="Too much came from where you are", said="Wait a moment, then try it again."),
    "form-of-another-session": SaidFault(
        title="This form is not of your session",
        said="Go back, load the page anew, and send it then.",
    ),
    "not-issued-yet": SaidFault(
        title="It is not on the public record yet",
        said="Nothing was done. Wait a moment, then try it again.",
    ),
}
"""By the refusal's slug: what it is called, and what to do next. Nothing else needs to be said."""
KINDS_OF_FAULT: Mapping[str, SaidFault] = {
    "unavailable": _ASK_AGAIN,
    "not-found": SaidFault(
        title="There is nothing at this address",
        said="Was it copied whole? Ask whoever gave it to you.",
    ),
    "conflict": SaidFault(
        title="This does not go with what is on record",
        said="Nothing was done. What exactly was found stands here.",
    ),
    "forbidden": SaidFault(
        title="This is not allowed here",
        said="The link or the key that you use is not for this. Ask whoever gave it to you for another.",
    ),
    "invalid": _NOT_UNDERSTOOD,
    "malformed": _NOT_UNDERSTOOD,
    "refused": _NOT_NOW,
    "refused-by-log": _NOT_NOW,
    "issue-refused": _NOT_NOW,
    "credential-refused": _NOT_NOW,
    "prerequisite-missing": _NOT_NOW,
    "prerequisite-unknown": _NOT_NOW,
    "prerequisite-of-another": _NOT_NOW,
    "annex-i-incomplete": _NOT_NOW,
    "award-mismatch": _NOT_NOW,
    "credits-exceed-achievement": _NOT_NOW,
    "no-key": _NOT_NOW,
    "problem": SaidFault(title="This did not work", said="Ask the institution, and tell it what stands here."),
}
"""By the slug of a refusal or of what it descends from; what exactly was found is said beside it."""


def has_own_words(problem: Problem) -> bool:
    """Tell whether a refusal has words of its own, beside those of its kind."""
    return problem.slug in OWN_FAULTS


def said_fault(problem: Problem) -> SaidFault:
    """Return what a person is told of a refusal."""
    if has_own_words(problem):
        return OWN_FAULTS[problem.slug]
    slugs = (vars(kind).get("slug", "") for kind in type(problem).__mro__)
    found = next(KINDS_OF_FAULT[slug] for slug in slugs if slug in KINDS_OF_FAULT)
    return msgspec.structs.replace(found, cause=problem.sentence)
