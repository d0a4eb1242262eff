"""Which of a person's claims make up one achievement: the achievement, what it was learned by, proven by, entitles to.

Claims of other kinds that stand beside the only achievement are taken as its own; beside several they are nobody's.
"""

import msgspec

from proto.imports.elm_reader import ElmReader, NotAnElmCredentialProblem, all_of, types_of
from proto.imports.json_reader import Reader

CLAIMS = ("LearningAchievement", "Qualification", "LearningActivity", "LearningAssessment", "LearningEntitlement")
_ACHIEVED = frozenset({"LearningAchievement", "Qualification"})


class Claims(msgspec.Struct, frozen=True, kw_only=True):
    """The claim that is read as the achievement, and what belongs to it."""

    achievement: Reader
    activities: list[Reader]
    assessments: list[Reader]
    entitlements: list[Reader]


def claims_of(read: ElmReader, person: Reader) -> Claims:
    """Return what a person claims; raises `NotAnElmCredentialProblem` where that is no learning."""
    claims = [each for each in all_of(person, "hasClaim") if types_of(each) & set(CLAIMS)]
    if not claims:
        raise NotAnElmCredentialProblem("The person has no claim of learning", pointer=person.at("hasClaim"))
    achieved = [each for each in claims if types_of(each) & _ACHIEVED]
    main = (achieved or claims)[0]
    if not achieved:
        kind = ", ".join(sorted(types_of(main)))
        read.doubt(main.pointer, f"It claims no LearningAchievement; the {kind} was read as the achievement")
    beside = [] if len(achieved) > 1 else [each for each in claims if each is not main]
    if len(achieved) > 1:
        read.doubt(
            person.at("hasClaim"), f"Of {len(achieved)} achievements one was read; import the others by themselves"
        )
    elif beside:
        read.doubt(person.at("hasClaim"), "What is claimed beside the achievement is read as belonging to it")
    main.only("type", *CLAIMS)
    return Claims(
        achievement=main,
        activities=_of_kind("LearningActivity", [main, *all_of(main, "influencedBy"), *beside]),
        assessments=[*all_of(main, "provenBy"), *_of_kind("LearningAssessment", [main, *beside])],
        entitlements=[*all_of(main, "entitlesTo"), *_of_kind("LearningEntitlement", beside)],
    )


def _of_kind(kind: str, claims: list[Reader]) -> list[Reader]:
    return [each for each in claims if kind in types_of(each)]
