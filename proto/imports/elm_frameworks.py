"""Levels and skills of other frameworks than the EQF and ESCO, by their labels. Knows no achievement."""

from functools import partial

from proto.documents.credential import Alignment, NationalLevel
from proto.documents.fields import AnyUri
from proto.documents.vocabulary import is_esco
from proto.event_fields import UriField
from proto.imports.elm_reader import LOCAL_IDS, ElmReader, NotAnElmCredentialProblem, all_of, first_of
from proto.imports.imported import converted
from proto.imports.json_reader import Reader
from proto.imports.ornaments import fits

_NATIONAL_SCHEME = "http://data.europa.eu/snb/qdr/25831c2"
_NAME_MAX, _CODE_MAX, _ALIGNMENTS_MAX = 300, 100, 64


class Frameworks:
    """Reads concepts of frameworks that one achievement refers to."""

    def __init__(self, read: ElmReader) -> None:
        self._read = read

    def national_level(self, spec: Reader) -> NationalLevel | None:
        """Take the first national level by its label, else its notation; the others are listed."""
        for name in ("nqfLevel", "nQFLevel", "NQFLevel"):
            for each in all_of(spec, name):
                found = self._read.whole(each, partial(self._national, each))
                if found is not None:
                    return found
        return None

    def _national(self, item: Reader) -> NationalLevel | None:
        label = self._read.first(item, "prefLabel", self._read.text(item, "prefLabel"))
        level = (
            self._read.shortened(item, "prefLabel", label, _CODE_MAX) if label else self._read.code(item, "notation")
        )
        if level is None:
            return None
        item.only("type", "Concept")
        scheme = first_of(item, "inScheme")
        framework = self._label(scheme) if scheme is not None else None
        if scheme is not None:
            scheme.only("id", _NATIONAL_SCHEME)
            scheme.only("type", "ConceptScheme")
        if framework is None:
            self._read.doubt(item.pointer, "Which national framework is not said; the level is kept as it stands")
        fields = {
            "framework": framework or "National qualifications framework",
            "level": level,
            "url": self._read.field(item, "id", UriField),
        }
        return converted(fields, NationalLevel, pointer=item.pointer, refusal=NotAnElmCredentialProblem)

    def skills(self, spec: Reader) -> list[Alignment]:
        """Take skills of other frameworks than ESCO: nodes that have a label and an address."""
        sources = [spec, *all_of(spec, "learningOutcome")]
        skills = [
            each
            for source in sources
            for name in ("relatedSkill", "educationSubject")
            for each in all_of(source, name)
            if not is_esco(str(each.value.get("id", "")))
        ]
        found = self._read.all(skills, self._skill, _ALIGNMENTS_MAX)
        return list(dict.fromkeys(found))

    def _skill(self, item: Reader) -> Alignment | None:
        if not fits(item.value.get("id"), AnyUri) or str(item.value["id"]).startswith(LOCAL_IDS):
            return None
        label = self._label(item)
        if label is None:
            return None
        item.only("type", "Concept")
        scheme = first_of(item, "inScheme")
        framework = self._label(scheme) if scheme is not None else None
        return Alignment(
            name=label, url=str(item.take("id")), framework=framework, code=self._read.code(item, "notation")
        )

    def _label(self, item: Reader) -> str | None:
        label = self._read.first(item, "prefLabel", self._read.text(item, "prefLabel"))
        return self._read.shortened(item, "prefLabel", label, _NAME_MAX) if label and fits(label, str) else None
