"""The texts of awards and achievements before they are signed: nobody can read some, some are perhaps not meant.

Refuses the first kind and notes the second. The texts themselves are never repeated: they may name a person.
"""

from collections.abc import Iterable, Iterator, Mapping

from proto.documents import vc_addresses
from proto.documents.credential import Achievement, Award, Learner
from proto.problem import InvalidProblem
from proto.sentence import sentence
from proto.visible_text import address_fault_of, fault_of, slip_of

Texts = Iterable[tuple[str, str]]
"""JSON pointers and what stands there."""


def check_award(award: Award) -> tuple[str, ...]:
    """Return notes on the texts of an award; raises `InvalidProblem` with the pointer to one that nobody can read."""
    return (*check_awarded(award.learner), *check_stated(award))


def check_stated(award: Award) -> tuple[str, ...]:
    """Return the notes of `check_award` on all but the learner; raises the same."""
    texts = [*_of_award(award)]
    check_texts(texts)
    return slips_in(texts)


def check_awarded(learner: Learner) -> tuple[str, ...]:
    """Return the notes of `check_award` on its learner; raises the same."""
    check_learner(learner, under="/learner")
    return slips_in([("/learner/ref", learner.ref), *_of_learner(learner, "/learner")])


def check_learner(learner: Learner, *, under: str = "") -> None:
    """Raise `InvalidProblem` with the pointer to a name or address that nobody can read, or must not follow."""
    check_texts(_of_learner(learner, under))
    check_address(learner.email, f"{under}/email")
    vc_addresses.check_address(learner.uri, f"{under}/uri")


def check_achievement(achievement: Achievement) -> None:
    """Raise `InvalidProblem` with the pointer to what nobody can read, or must not follow, in an achievement."""
    check_texts(_of_achievement(achievement))
    vc_addresses.check_address(achievement.image, "/image")
    schemes = [("/grading_scheme", achievement.grading_scheme)]
    schemes += [(f"/further_grading_schemes/{n}", each) for n, each in enumerate(achievement.further_grading_schemes)]
    for pointer, scheme in schemes:
        vc_addresses.check_address(scheme.uri if scheme else None, f"{pointer}/uri")


def achievement_slips(achievement: Achievement) -> tuple[str, ...]:
    """Return notes on the texts of an achievement."""
    return slips_in(_of_achievement(achievement))


def title_slips(achievement: Achievement) -> tuple[str, ...]:
    """Return notes on the title that an award of this achievement will bear."""
    return slips_in(_by_language("/achievement/title", achievement.title))


def check_texts(texts: Texts) -> None:
    """Raise `InvalidProblem` with the pointer to the first text that nobody can read."""
    for pointer, text in texts:
        fault = fault_of(text)
        if fault is not None:
            said = sentence("The text at {pointer} {fault}", pointer=pointer, fault=sentence(fault))
            raise InvalidProblem(said, pointer=pointer)


def check_address(email: str | None, pointer: str) -> None:
    """Raise `InvalidProblem` for a mail address that holds something invisible."""
    fault = address_fault_of(email) if email is not None else None
    if fault is not None:
        said = sentence("The mail address at {pointer} {fault}", pointer=pointer, fault=sentence(fault))
        raise InvalidProblem(said, pointer=pointer)


def slips_in(texts: Texts) -> tuple[str, ...]:
    """Return a note on each text that is perhaps not what was meant."""
    found = ((pointer, slip_of(text)) for pointer, text in texts)
    return tuple(f"The text at {pointer} {slip}; correct it if it was not meant" for pointer, slip in found if slip)


def _of_learner(learner: Learner, under: str) -> Iterator[tuple[str, str]]:
    for name in ("given_name", "family_name", "email"):
        text = getattr(learner, name)
        if text is not None:
            yield f"{under}/{name}", text


def _of_award(award: Award) -> Iterator[tuple[str, str]]:
    if award.result is not None and award.result.text is not None:
        yield "/result/value", award.result.text
    for place, result in enumerate(award.further_results):
        if result.text is not None:
            yield f"/further_results/{place}/value", result.text
    if award.narrative is not None:
        yield "/narrative", award.narrative
    for place, shown in enumerate(award.evidence):
        for name in ("text", "kind"):
            if getattr(shown, name) is not None:
                yield f"/evidence/{place}/{name}", getattr(shown, name)
    for place, item in enumerate(award.other_identifiers):
        yield f"/other_identifiers/{place}/identifier", item.identifier


def _of_achievement(achievement: Achievement) -> Iterator[tuple[str, str]]:
    yield "/version", achievement.version
    for name in ("title", "description", "criteria", "prerequisites", "further_information"):
        yield from _by_language(f"/{name}", getattr(achievement, name) or {})
    for place, outcome in enumerate(achievement.learning_outcomes):
        yield from _by_language(f"/learning_outcomes/{place}/title", outcome.title)
    for name in ("learning_resources", "entitlements"):
        for place, titled in enumerate(getattr(achievement, name)):
            yield from _by_language(f"/{name}/{place}/title", titled.title)
    for place, tag in enumerate(achievement.tags):
        yield f"/tags/{place}", tag
    yield from _names_in(achievement)


def _names_in(achievement: Achievement) -> Iterator[tuple[str, str]]:
    """Yield the names of what an achievement refers to."""
    for name in ("quality_assurance", "esco", "alignments", "providers"):
        for place, item in enumerate(getattr(achievement, name)):
            yield f"/{name}/{place}/name", item.name
    for name in ("recipe", "entry_requirements"):
        for place, group in enumerate(getattr(getattr(achievement, name), "groups", ())):
            yield f"/{name}/groups/{place}/name", group.name
    if achievement.grading_scheme is not None:
        yield "/grading_scheme/name", achievement.grading_scheme.name
    if achievement.national_level is not None:
        yield "/national_level/framework", achievement.national_level.framework


def _by_language(pointer: str, texts: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    for tag, text in texts.items():
        yield f"{pointer}/{tag}", text
