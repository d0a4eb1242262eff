"""Days in the zone of who writes them: where they begin and end, over the changes of clocks too."""

from datetime import UTC, tzinfo
from zoneinfo import ZoneInfo

import pytest

from proto import days, moment
from proto.imports.elm import import_elm
from proto.imports.elm_reader import NotAnElmCredentialProblem
from proto.imports.microhe import import_microhe
from proto.imports.open_badge import import_open_badge
from proto.moment import Moment, normalise
from proto.problem import InvalidProblem
from tests.support.foreign_documents import elm, open_badge

AMSTERDAM, NEW_YORK, APIA, CAIRO = (
    ZoneInfo(name) for name in ("Europe/Amsterdam", "America/New_York", "Pacific/Apia", "Africa/Cairo")
)


def test_a_text_that_is_too_long_for_a_time_is_not_remembered() -> None:
    before = moment._normalised.cache_info()
    with pytest.raises(InvalidProblem, match="is not an RFC 3339 time"):
        normalise(f"2026-07-01T00:00:00.{'0' * 100_000}Z")
    assert moment._normalised.cache_info() == before


@pytest.mark.parametrize(
    ("day", "zone", "begins", "ends"),
    [
        ("2026-07-01", UTC, "2026-07-01T00:00:00.000Z", "2026-07-02T00:00:00.000Z"),
        ("2026-07-01", AMSTERDAM, "2026-06-30T22:00:00.000Z", "2026-07-01T22:00:00.000Z"),
        ("2026-03-29", AMSTERDAM, "2026-03-28T23:00:00.000Z", "2026-03-29T22:00:00.000Z"),  # 23 hours
        ("2026-10-25", AMSTERDAM, "2026-10-24T22:00:00.000Z", "2026-10-25T23:00:00.000Z"),  # 25 hours
        ("2028-02-29", NEW_YORK, "2028-02-29T05:00:00.000Z", "2028-03-01T05:00:00.000Z"),
        ("2026-12-31", APIA, "2026-12-30T11:00:00.000Z", "2026-12-31T11:00:00.000Z"),
        ("2026-04-24", CAIRO, "2026-04-23T22:00:00.000Z", "2026-04-24T21:00:00.000Z"),  # it has no midnight
    ],
)
def test_a_day_begins_and_ends_where_it_is_written(day: str, zone: tzinfo, begins: str, ends: str) -> None:
    assert (days.begin(day, zone), days.end(day, zone)) == (begins, ends)
    assert days.may_begin(day, Moment(begins))
    assert days.may_end(day, Moment(ends))
    assert not days.may_end(day, normalise("2031-01-01T00:00:00Z"))


def test_a_time_is_the_moment_that_it_says_whatever_the_zone() -> None:
    assert days.begin("2026-07-01T00:00:00+02:00", NEW_YORK) == "2026-06-30T22:00:00.000Z"
    assert days.end("2026-07-01T00:00:00+02:00", NEW_YORK) == "2026-06-30T22:00:00.000Z"
    assert days.day_of_begin("2026-07-01T00:00:00+02:00") == "2026-07-01"
    assert days.day_of_begin("2026-07-01T00:00:01+02:00") is None
    assert days.day_of_end("2026-07-01T00:00:00+02:00") is None


@pytest.mark.parametrize(
    "text", ["2026-02-29", "2026-13-01", "9999-12-31", "0000-01-01", "0001-01-01T00:00:00+14:00", "soon"]
)
def test_what_is_no_day_is_refused(text: str) -> None:
    with pytest.raises(InvalidProblem):
        days.end(text, AMSTERDAM)


def test_a_day_that_stands_for_no_end_is_told_to_be_left_out() -> None:
    with pytest.raises(InvalidProblem, match="leave out what has no end"):
        days.end("9999-12-31", AMSTERDAM)


def _period(start: str, end: str) -> tuple[str | None, str | None]:
    document = elm()
    temporal = {"type": "PeriodOfTime", "startDate": start, "endDate": end}
    document["credentialSubject"]["hasClaim"][0]["temporal"] = [temporal]
    award = import_elm(document).award
    return award.activity_start, award.activity_end


@pytest.mark.parametrize(
    ("start", "end"),
    [
        ("2024-09-01T00:00:00+02:00", "2025-01-31T00:00:00+01:00"),
        ("2024-09-01", "2025-01-31"),
        ("2024-09-01T23:30:00-10:00", "2025-01-31T23:59:59+14:00"),
        ("2024-09-01T00:00:00", "2025-01-31T00:00:00Z"),
    ],
)
def test_a_period_of_learning_has_the_days_that_are_written(start: str, end: str) -> None:
    assert _period(start, end) == ("2024-09-01", "2025-01-31")


def test_a_period_without_days_is_refused() -> None:
    with pytest.raises(NotAnElmCredentialProblem) as refused:
        _period("2024-09-31", "2025-01-31")
    assert refused.value.pointer == "/credentialSubject/hasClaim/0/temporal/0/startDate"


def test_imports_take_days_where_times_are_asked() -> None:
    award = import_elm(elm(validFrom="2025-02-01", validUntil="2027-02-01")).award
    assert (award.valid_from, award.valid_until) == ("2025-02-01", "2027-02-01")
    badge = open_badge(activityStartDate="2024-09-01T00:00:00+02:00", dateOfBirth="1950-05-01T00:00:00+02:00")
    award = import_open_badge(badge | {"validFrom": "2025-02-01", "validUntil": "2027-02-01"}).award
    assert (award.valid_from, award.valid_until, award.activity_start) == ("2025-02-01", "2027-02-01", "2024-09-01")
    assert award.learner.date_of_birth == "1950-05-01"
    flat = {"title": "Soil", "holder": "Maria", "dateOfIssue": "2020-06-30", "expiryDate": "2025-06-30"}
    award = import_microhe(flat).award
    assert (award.ends_in(UTC), award.ends_in(AMSTERDAM)) == ("2025-07-01T00:00:00.000Z", "2025-06-30T22:00:00.000Z")
