"""The achievement of an Open Badge, in its own terms, those of the Dutch profile (educredentials), and our own.

What is essential (whose, what, since when, which level) refuses a document where it is wrong; the rest is left out.
"""

from collections.abc import Sequence
from typing import Any

from proto.documents.credential import Achievement, Identifier
from proto.documents.fields import (
    WORKLOAD_HOURS_MAX,
    AnyUri,
    CodeText,
    IdentifierText,
    IdentifierType,
    LongText,
    Text,
    Title,
)
from proto.documents.open_badge_claims import NotAnOpenBadgeProblem
from proto.documents.vocabulary import AssessmentType, ParticipationMode, Supervision, eqf_level_of, is_language
from proto.event_fields import AchievementField, UriField
from proto.imports.educredentials import ASSESSMENT, PARTICIPATION, SUPERVISED_ONLINE, SUPERVISION, UNCHECKED
from proto.imports.imported import LANGUAGE_UNKNOWN, ImportedIssuer, converted, made_uri
from proto.imports.json_reader import Reader, is_number, number_text
from proto.imports.open_badge_alignments import Alignments
from proto.imports.open_badge_results import schemes_of
from proto.imports.ornaments import Ornaments, ascii_address, fits
from proto.imports.own_terms import OwnTerms

_IDENTIFIERS_MAX, _TAGS_MAX, _DIGITS_MAX = 15, 32, 7
_EARLIER_ID = "identifier"


def achievement_of(read: Ornaments, source: Reader, subject: Reader, issuer: ImportedIssuer) -> Achievement:
    """Return the achievement that a document describes; raises `NotAnOpenBadgeProblem` with a JSON pointer."""
    return _AchievementImport(read, source, subject, issuer).run()


class _AchievementImport:
    """The reader of one achievement."""

    def __init__(self, read: Ornaments, source: Reader, subject: Reader, issuer: ImportedIssuer) -> None:
        self._read = read
        self._source = source
        self._subject = subject
        self._issuer = issuer
        self._own = OwnTerms(read, source)

    def run(self) -> Achievement:
        source = self._source
        source.only("type", "Achievement", "EducredentialAchievement")
        source.only("achievementType", "MicroCredential", "Achievement")
        language = self._language()
        title = source.needed_text("name")
        uri, former = self._uri(title)
        own = self._own.fields()
        fields = self._texts(language, title) | {
            "uri": uri,
            "version": self._read.code(source, "version"),
            "language": language,
            "ects_hundredths": self._credits(),
            "image": self._image(),
            "tags": self._read.texts(source, "tag", CodeText, _TAGS_MAX),
            "other_identifiers": self._identifiers(former),
            "assessment_types": self._assessment(),
            "participation_modes": self._participation(),
            "supervision": self._supervision(),
        }
        fields |= {name: value for name, value in own.items() if value}
        fields["workload_hours"] = own["workload_hours"] or self._hours()
        fields |= Alignments(self._read, source).fields(own["quality_assurance"], self._level())
        fields |= schemes_of(self._read, source, self._subject)
        return converted(fields, Achievement, pointer=source.pointer, refusal=NotAnOpenBadgeProblem)

    def _uri(self, title: str) -> tuple[str, list[Identifier]]:
        """Return the achievement's URI; one made of its id, or its title, where it has none that is an http address."""
        source = self._source
        stated = source.value.get("id")
        written = ascii_address(stated) if isinstance(stated, str) else ""
        if written and fits(written, AchievementField):
            self._read.address(source, "id", AchievementField)
            return written, []
        what, named = ("id", str(stated)) if stated else ("title", title)
        self._read.doubt(
            source.at("id"), f"The achievement's id is no address of the web; one is made from issuer and {what}"
        )
        former = self._read.field(source, "id", IdentifierText)
        identifiers = [Identifier(identifier=former, type=_EARLIER_ID)] if former else []
        return made_uri("open-badge", self._issuer.identity, what, named), identifiers

    def _language(self) -> str:
        source = self._source
        stated = source.value.get("inLanguage")
        if isinstance(stated, str) and is_language(stated):
            source.take("inLanguage")
            return stated
        self._read.doubt(source.at("inLanguage"), "No language is stated; texts are kept under und (undetermined)")
        return LANGUAGE_UNKNOWN

    def _texts(self, language: str, title: str) -> dict[str, Any]:
        """Return title, description and criteria: by language where the document has them so, else as they stand."""
        source = self._source
        criteria = self._criteria()
        description = self._read.field(source, "description", LongText)
        stated = {
            "title": self._in_languages("titleByLanguage", Title, language, title),
            "description": self._in_languages("descriptionByLanguage", Text, language, description),
            "criteria": self._in_languages("criteriaByLanguage", Text, language, criteria["criteria"]),
        }
        if stated["description"] is None:
            self._read.doubt(source.at("description"), "No description is stated; the title stands in")
        if stated["criteria"] is None:
            self._read.doubt(source.at("criteria"), "No criteria in words; the description stands in")
        stated["description"] = stated["description"] or {language: title}
        stated["criteria"] = stated["criteria"] or stated["description"]
        return stated | {"criteria_url": criteria["criteria_url"]}

    def _in_languages(self, name: str, kind: Any, language: str, text: str | None) -> dict[str, str] | None:
        """Return a text in all its languages, if the official one is among them, else that one alone."""
        texts = self._own.texts(name, kind)
        if texts is None or text is None or text in texts.values():
            return texts or ({language: text} if text else None)
        self._source.leave(name)
        self._read.doubt(self._source.at(name), "It does not hold what Open Badges' own member says, which is kept")
        return {language: text}

    def _criteria(self) -> dict[str, str | None]:
        source = self._source
        if isinstance(source.value.get("criteria"), str):  # as version 2 wrote them: an address, or words
            is_address = source.value["criteria"].startswith(("http://", "https://"))
            url = self._read.address(source, "criteria", UriField) if is_address else None
            words = None if is_address else self._read.field(source, "criteria", LongText)
            return {"criteria": words, "criteria_url": url}
        criteria = next(iter(source.objects("criteria")), None)
        if criteria is None:
            return {"criteria": None, "criteria_url": None}
        criteria.only("type", "Criteria")
        return {
            "criteria": self._read.field(criteria, "narrative", LongText),
            "criteria_url": self._read.address(criteria, "id", UriField),
        }

    def _credits(self) -> int:
        """Take the credits: `ECTS` of the Dutch profile, else `creditsAvailable`, which does not say which credits."""
        source = self._source
        name = "ECTS" if "ECTS" in source.value else "creditsAvailable"
        if source.value.get(name) is None:
            self._read.doubt(source.at("creditsAvailable"), "No credits are stated; kept as 0")
            return 0
        found = self._read.credits(source, name)
        if found is not None and self._own.has_credits():
            self._own.take_credits(found)
        elif found is not None and name == "creditsAvailable":
            self._read.doubt(source.at(name), "Open Badges does not say which credits these are; read as ECTS")
        return found or 0

    def _hours(self) -> int | None:
        """Take the hours of the Dutch profile (`SBU`, else `timeInvestment`): whole ones, also written as a text."""
        source = self._source
        name = "SBU" if source.value.get("SBU") is not None else "timeInvestment"
        stated = source.value.get(name)
        if stated is None:
            return None
        written = number_text(stated) if is_number(stated) else str(stated).strip()
        hours = int(written) if written.isdecimal() and written.isascii() and len(written) < _DIGITS_MAX else 0
        if not 0 < hours <= WORKLOAD_HOURS_MAX:
            self._read.doubt(source.at(name), f"It is no whole number of hours up to {WORKLOAD_HOURS_MAX}; left out")
            return None
        if name == "timeInvestment":
            self._read.doubt(source.at(name), "It names no unit; read as hours")
        source.take(name)
        return hours

    def _level(self) -> int | None:
        """Take the EQF level of our own term; one that is none refuses the document, as the official one does."""
        source = self._source
        if source.value.get("eqfLevel") is None:
            return None
        level = eqf_level_of(str(source.take("eqfLevel")))
        if level is None:
            raise NotAnOpenBadgeProblem("eqfLevel is not the URI of an EQF level", pointer=source.at("eqfLevel"))
        return level

    def _image(self) -> str | None:
        """Take the address of an image; one that is written out in it (data:) is larger than what is kept."""
        source = self._source
        image = None if isinstance(source.value.get("image"), str) else next(iter(source.objects("image")), None)
        if image is not None:
            image.only("type", "Image")
        holder, name = (source, "image") if image is None else (image, "id")
        return self._read.address(holder, name, AnyUri) if isinstance(holder.value.get(name), str) else None

    def _identifiers(self, former: Sequence[Identifier]) -> list[Identifier]:
        """Take what else it is called; one place is left for the name that it has where it was imported from."""
        source = self._source
        codes = [
            Identifier(identifier=code, type=f"ext:{name}")
            for name in ("educationProgramIdentifier", "humanCode")
            if (code := self._read.code(source, name, IdentifierText)) is not None
        ]
        count_max = _IDENTIFIERS_MAX - len(former) - len(codes)
        return [*former, *self._read.all(source.objects("otherIdentifier"), self._identifier, count_max), *codes]

    def _identifier(self, item: Reader) -> Identifier | None:
        return identifier_of(self._read, item)

    def _assessment(self) -> list[AssessmentType]:
        source = self._source
        stated = source.value.get("assessmentType")
        found = ASSESSMENT.get(stated) if isinstance(stated, str) else None
        if found is None:
            return self._own.kinds("assessmentType", AssessmentType)
        source.take("assessmentType")
        if found in {AssessmentType.WRITTEN_EXAM, AssessmentType.PRACTICAL}:
            self._read.doubt(
                source.at("assessmentType"), f"{stated!r} is wider than what it was read as, {found.value!r}"
            )
        return [found]

    def _participation(self) -> list[ParticipationMode]:
        source = self._source
        stated = source.value.get("participationType")
        found = PARTICIPATION.get(stated, ()) if isinstance(stated, str) else ()
        if found:
            source.take("participationType")
        if len(found) > 1:
            self._read.doubt(source.at("participationType"), f"{stated!r} leaves open which; both are kept")
        return [*found] or self._own.kinds("participationMode", ParticipationMode)

    def _supervision(self) -> Supervision | None:
        source = self._source
        stated = source.value.get("supervisionType")
        found = SUPERVISION.get(stated) if isinstance(stated, str) else None
        checked = source.value.get("identityChecked")
        if stated == SUPERVISED_ONLINE and isinstance(checked, bool):  # it leaves open what the other member says
            found = Supervision.SUPERVISED_ONLINE_CHECKED if checked else Supervision.SUPERVISED
            if not checked:
                self._read.doubt(source.at("supervisionType"), f"{stated!r} is kept as supervised, wherever it was")
        if found is None:
            return next(iter(self._own.kinds("supervision", Supervision)), None)
        source.take("supervisionType")
        if checked is (found not in UNCHECKED):
            source.take("identityChecked")
        elif isinstance(checked, bool):
            self._read.doubt(source.at("identityChecked"), f"Contradicts supervisionType, {stated!r}, which was kept")
        return found


def identifier_of(read: Ornaments, item: Reader) -> Identifier | None:
    """Take another name of something, where its kind is one of Open Badges."""
    kind = item.value.get("identifierType")
    if not isinstance(kind, str) or not fits(kind, IdentifierType):
        return None
    identifier = read.code(item, "identifier", IdentifierText)
    if identifier is None:
        return None
    item.only("type", "IdentifierEntry")
    item.take("identifierType")
    return Identifier(identifier=identifier, type=kind)
