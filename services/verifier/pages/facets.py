"""Properties of achievements in words, and where a description says something else than what was awarded. Pure."""

from collections.abc import Iterator, Mapping
from typing import Any

from proto.stacking import ects_text
from proto.wire.register import AchievementFacts, FacetName
from services.edge.language_names import name_of
from services.verifier.languages import Language
from services.verifier.pages.list_words import CREDITS, CREDITS_DIFFER, LEVELS_DIFFER, MODES, SUBJECTS

_WORDS: Mapping[str, Mapping[str, str]] = {"credits": CREDITS, "mode": MODES, "subject": SUBJECTS}


def facet_words(name: FacetName, value: str, label: str, *, language: Language) -> str:
    """Return the value of a facet as people read it."""
    if name == "language":
        return name_of(value)
    words = _WORDS.get(name, {}).get(value)
    return language.word(words) if words else label or value


def differences(answer: AchievementFacts) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield, as a sentence and its values, what the description says otherwise than the credentials on the log."""
    if answer.description is None or not answer.awards:
        return
    said = answer.description.achievement
    lowest = min(row.ects_hundredths_min for row in answer.awards)
    highest = max(row.ects_hundredths_max for row in answer.awards)
    if lowest != said.ects_hundredths or highest > (said.ects_hundredths_max or said.ects_hundredths):
        described = ects_text(said.ects_hundredths)
        yield CREDITS_DIFFER, {"lowest": ects_text(lowest), "highest": ects_text(highest), "described": described}
    levels = sorted({level for row in answer.awards for level in row.eqf_levels})
    if said.eqf_level is not None and levels and levels != [said.eqf_level]:
        yield LEVELS_DIFFER, {"awarded": ", ".join(map(str, levels)), "described": said.eqf_level}
