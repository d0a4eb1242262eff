"""Alignments of an Open Badge: its EQF level, quality assurance, ESCO skills, and nodes of other frameworks.

A level that is none refuses the document; any other alignment that cannot be kept is left out and listed.
"""

from collections.abc import Sequence
from typing import Any

from proto.documents.credential import Alignment, EscoAlignment, QualityAssurance
from proto.documents.fields import AlignmentType, AnyUri, LongText
from proto.documents.open_badge import EQF_TARGET_TYPE, ESCO_TARGET_TYPE, QUALITY_TARGET_TYPE
from proto.documents.open_badge_claims import NotAnOpenBadgeProblem, eqf_level
from proto.documents.vocabulary import QualityAssuranceType, eqf_uri, is_esco
from proto.event_fields import UriField
from proto.imports.json_reader import Reader
from proto.imports.ornaments import Ornaments, fits

_NAME_MAX = 300
_QUALITY_MAX, _ESCO_MAX, _OTHERS_MAX = 16, 32, 64


class Alignments:
    """Sorts the alignments of one achievement."""

    def __init__(self, read: Ornaments, source: Reader) -> None:
        self._read = read
        self._levels: set[int] = set()
        self._items = source.objects("alignment")

    def fields(self, assured: Sequence[QualityAssurance], level: int | None) -> dict[str, Any]:
        """Return fields of an achievement; `assured` and `level` are what it states in another place."""
        levels = [item for item in self._items if item.value.get("targetType") == EQF_TARGET_TYPE]
        quality = [item for item in self._items if item.value.get("targetType") == QUALITY_TARGET_TYPE]
        sorted_out = {id(item) for item in (*levels, *quality)}
        others = [item for item in self._items if id(item) not in sorted_out]
        esco = [item for item in others if is_esco(str(item.value.get("targetUrl")))]
        further = self._read.all(
            [item for item in quality if not self._is_of(item, assured)], self._quality, _QUALITY_MAX - len(assured)
        )
        return {
            "eqf_level": self._level(levels, level),
            "quality_assurance": [*assured, *further],
            "esco": self._read.all(esco, self._esco, _ESCO_MAX),
            "alignments": self._read.all(
                [item for item in others if not is_esco(str(item.value.get("targetUrl")))], self._other, _OTHERS_MAX
            ),
        }

    def _level(self, items: Sequence[Reader], stated: int | None) -> int | None:
        level = stated
        for item in items:
            found = eqf_level(item.take("targetCode"), item.at("targetCode"))
            if level not in (None, found):
                raise NotAnOpenBadgeProblem("Two different EQF levels are stated", pointer=item.pointer)
            level = found
            item.only("type", "Alignment")
            item.only("targetType", EQF_TARGET_TYPE)
            item.only("targetUrl", eqf_uri(found))
            item.only("targetName", f"EQF level {found}")
            item.only("targetFramework", "EQF")
        return level

    def _is_of(self, item: Reader, assured: Sequence[QualityAssurance]) -> bool:
        """Take an alignment that says once more what a term of ours says."""
        said = {name: value for name, value in item.value.items() if name not in ("type", "targetType")}
        for each in assured:
            members = (("Name", each.name), ("Url", each.url), ("Code", each.code), ("Description", each.description))
            if said == {f"target{name}": value for name, value in members if value is not None}:
                item.only("type", "Alignment")
                for name in (*said, "targetType"):
                    item.take(name)
                return True
        return False

    def _quality(self, item: Reader) -> QualityAssurance | None:
        name = self._read.short(item, "targetName", _NAME_MAX)
        if name is None:
            return None
        item.only("type", "Alignment")
        item.take("targetType")
        self._read.doubt(item.pointer, "Which kind of quality assurance is not said; read as that of the programme")
        return QualityAssurance(
            type=QualityAssuranceType.PROGRAMME_QUALITY,
            name=name,
            description=self._read.field(item, "targetDescription", LongText),
            code=self._read.code(item, "targetCode"),
            url=self._read.address(item, "targetUrl", UriField),
        )

    def _esco(self, item: Reader) -> EscoAlignment | None:
        name = self._read.short(item, "targetName", _NAME_MAX)
        if name is None:
            return None
        item.only("type", "Alignment")
        item.only("targetType", ESCO_TARGET_TYPE)
        item.only("targetFramework", "ESCO")
        return EscoAlignment(uri=item.needed_text("targetUrl"), name=name)

    def _other(self, item: Reader) -> Alignment | None:
        """Take a node of another framework; Open Badges wants the name and the address of each."""
        name = self._read.short(item, "targetName", _NAME_MAX)
        url = self._read.address(item, "targetUrl", AnyUri)
        if name is None or url is None:
            for member in ("targetName", "targetUrl"):
                item.leave(member)
            self._read.doubt(item.pointer, "An alignment without a name and an address is left out")
            return None
        item.only("type", "Alignment")
        kind = item.value.get("targetType")
        return Alignment(
            name=name,
            url=url,
            code=self._read.code(item, "targetCode"),
            description=self._read.field(item, "targetDescription", LongText),
            framework=self._read.short(item, "targetFramework", _NAME_MAX),
            type=item.take("targetType") if kind is not None and fits(kind, AlignmentType) else None,
        )
