"""What is missing for a stack, in words for the learner; each has its translations. Pure."""

from collections.abc import Mapping

from proto.stacking import UnmetCode

UNMET_WORDS: Mapping[UnmetCode, str] = {
    "part-count": "the number of credentials does not fit",
    "part-counted-twice": "a credential counts once only",
    "part-not-active": "a credential does not hold now",
    "credits-missing": "credits are missing",
    "credits-counted-once": "the same credits count once only",
    "achievement-missing": "a required achievement is missing",
    "group-incomplete": "a group of electives is not complete",
    "eqf-too-low": "the level is too low",
    "eqf-unknown": "the level is not known",
    "issuer-not-accepted": "a credential is of an institution that does not count there",
    "part-too-old": "a credential is too old",
    "part-in-other-stack": "a credential counts in another stack already",
    "outside-beyond-limit": "too much of it is from other institutions",
    "part-not-on-log": "a credential is not on this log",
}
