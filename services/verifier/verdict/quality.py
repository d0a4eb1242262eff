"""What a copy of a quality register says of the reports that institutions name. Pure; no verdict rests on it."""

from collections.abc import Mapping
from datetime import date, timedelta

import msgspec

from proto.moment import Moment
from proto.quality_register import QualityRegister, QualityReport, report_named
from proto.wire.content import Content
from proto.wire.quality import QualityFinding
from proto.wire.verifier import AccreditationFacts, IssuerFacts


def day_of(moment: Moment) -> str:
    """Return the day of a moment (UTC), as `2026-11-29`."""
    return moment[:10]


class QualityCopy:
    """A copy that was read, or none; once it is older than `days_max`, what it says is not known any more."""

    def __init__(self, copy: QualityRegister | None = None, *, days_max: int = 0) -> None:
        self._day = copy.day if copy else None
        self._reports: Mapping[int, QualityReport] = copy.by_number() if copy else {}
        self._last_day = (date.fromisoformat(copy.day) + timedelta(days=days_max)).isoformat() if copy else ""

    @property
    def ends_at(self) -> Moment | None:
        """The first moment at which nothing of it is known any more; None where there is no copy."""
        if self._day is None:
            return None
        return Moment(f"{date.fromisoformat(self._last_day) + timedelta(days=1)}T00:00:00.000Z")

    def finding(self, *named: str | None, today: str) -> QualityFinding:
        """Return what the copy says of the report that one of these texts names, on a day (`2026-11-29`)."""
        number = report_named(*named)
        if number is None:
            return QualityFinding(result="not_named")
        found = self._reports.get(number)
        if self._day is None or not self._day <= today <= self._last_day:
            return QualityFinding(result="unknown", report=number, copy_of=self._day)
        if found is None:
            return QualityFinding(result="not_found", report=number, copy_of=self._day)
        return QualityFinding(result="found", copy_of=self._day, **msgspec.structs.asdict(found))

    def accreditation(self, given: AccreditationFacts, *, today: str) -> AccreditationFacts:
        """Return an accreditation with what the copy says of the report that its address names."""
        return msgspec.structs.replace(given, register=self.finding(given.url, today=today))

    def issuer(self, issuer: IssuerFacts, *, today: str) -> IssuerFacts:
        """Return an institution with what the copy says of its accreditation."""
        if issuer.accreditation is None:
            return issuer
        return msgspec.structs.replace(issuer, accreditation=self.accreditation(issuer.accreditation, today=today))

    def content(self, content: Content, *, today: str) -> Content:
        """Return what a document says, each statement on quality with what the copy says of the report it names."""
        if not content.quality_assurance:
            return content
        stated = tuple(
            msgspec.structs.replace(each, register=self.finding(each.url, each.code, each.name, today=today))
            for each in content.quality_assurance
        )
        return msgspec.structs.replace(content, quality_assurance=stated)


NO_COPY = QualityCopy()
