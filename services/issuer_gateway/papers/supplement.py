"""The supplement of a credential: what its document says, in the order of the European diploma supplement. Pure.

Who, what, which level, content and results, function, further information, who issued it: as the Credit and Module
Supplements have it. What comes out is plain values that a template lays out; no text of a document is ever code.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import msgspec

from proto.documents.vocabulary import RESULT_STATUS_LABELS
from proto.ids import HEX_256_PATTERN, CredentialId, Did
from proto.stacking import ects_text
from proto.wire.content import Content, ResultContent, Texts
from services.edge.language_names import name_of
from services.issuer_gateway.languages import LearnerLanguage, primary
from services.issuer_gateway.papers.standing import ShownState

_LONG_WORD = 48
_ID = re.compile(HEX_256_PATTERN)
"""An id, which fits its line."""
_BREAK = "\u200b"
_PICTURE_TITLE_MAX, _SHORT_TITLE = 160, 48
_LARGE_PT, _SMALL_PT = 25, 17
_TITLE_SIZES_PT = ((80, 20.0), (160, 15.5), (10_000, 12.5))
_HOLDER_SIZES_PT = ((80, 13.0), (10_000, 10.5))
"""Up to how many characters a heading has which size: one that is long takes no page of its own."""
CYCLES = {
    "short-cycle": "short cycle of higher education (QF-EHEA)",
    "first-cycle": "first cycle of higher education (QF-EHEA)",
    "second-cycle": "second cycle of higher education (QF-EHEA)",
    "third-cycle": "third cycle of higher education (QF-EHEA)",
}


class Facts(msgspec.Struct, frozen=True, kw_only=True):
    """What a paper says besides its document: by whom, under which id, how it stands, where it is checked.

    `check_url` is the verifier's page of the credential, None where no verifier is named here. `is_whole` says that the
    document is attached; a paper of chosen parts has none. `part_titles` are how catalogues call the achievements of
    its parts, of which its document says the addresses.
    """

    credential_id: CredentialId
    legal_name: str
    country: str
    did: Did
    shown_state: ShownState
    check_url: str | None = None
    is_whole: bool = True
    part_titles: Mapping[str, Texts] = msgspec.field(default_factory=dict)


class PaperRow(msgspec.Struct, frozen=True):
    """A label and the paragraphs beside it, each with the tag of its language: "" where that is the paper's."""

    label: str
    texts: tuple[tuple[str, str], ...]


class PaperSection(msgspec.Struct, frozen=True):
    """A numbered part of the supplement, its rows; none is empty."""

    heading: str
    rows: tuple[PaperRow, ...]


def picked(texts: Texts, language: LearnerLanguage, own: str = "und") -> tuple[str, str]:
    """Return a text and its tag: in the paper's language, in the document's own, or in any; "" where there is none."""
    by_primary = {primary(tag): tag for tag in reversed(texts)}
    for wanted in (language.code, primary(own), "en"):
        if (tag := by_primary.get(wanted)) is not None:
            return texts[tag], tag
    return next(((text, tag) for tag, text in texts.items()), ("", ""))


def sections(content: Content, facts: Facts, language: LearnerLanguage) -> tuple[PaperSection, ...]:
    """Return the parts of the supplement that have something to say, numbered."""
    say = _Sayer(content, language, facts.part_titles)
    parts = (
        ("The holder", say.holder()),
        ("The micro-credential", say.what(facts)),
        ("Level and workload", say.level()),
        ("Content and results", say.results()),
        ("Function", say.function()),
        ("Further information", say.further()),
        ("Who issued it", say.issuer(facts)),
    )
    kept = [(language.word(heading), tuple(rows)) for heading, rows in parts]
    filled = [(heading, rows) for heading, rows in kept if rows]
    return tuple(PaperSection(f"{number}. {heading}", rows) for number, (heading, rows) in enumerate(filled, start=1))


def title_of(content: Content, language: LearnerLanguage) -> tuple[str, str]:
    """Return the title and the tag of its language."""
    text, tag = picked(content.title, language, content.language)
    return text or language.word("Micro-credential"), tag


def scale_of(item: ResultContent, language: LearnerLanguage) -> str:
    """Return the scale of a result in words: its name, from where to where it goes, from where on one has passed."""
    word, said = language.word, [item.scheme]
    if item.lowest and item.highest:
        said.append(word("from {lowest} to {highest}", lowest=item.lowest, highest=item.highest))
    if item.required:
        said.append(word("passed from {required}", required=item.required))
    return ", ".join(filter(None, said))


class _Sayer:
    """Rows of one document in one language; each method yields those of a section."""

    def __init__(self, content: Content, language: LearnerLanguage, part_titles: Mapping[str, Texts]) -> None:
        self._content = content
        self._language = language
        self._part_titles = part_titles

    def _row(self, label: str, *texts: str | tuple[str, str] | None) -> Iterator[PaperRow]:
        """Yield the row, or nothing where no text stands in it."""
        pairs = [(text, "") if isinstance(text, str) else text for text in texts if text]
        shown = tuple((breakable(text), tag) for text, tag in pairs if text)
        if shown:
            yield PaperRow(self._language.word(label), shown)

    def _picked(self, texts: Texts) -> tuple[str, str]:
        return picked(texts, self._language, self._content.language)

    def holder(self) -> Iterator[PaperRow]:
        holder = self._content.holder
        yield from self._row("Name", holder.name)
        yield from self._row("Date of birth", holder.date_of_birth)
        yield from self._row("Identifier", holder.identifier)

    def what(self, facts: Facts) -> Iterator[PaperRow]:
        content = self._content
        yield from self._row("Title", title_of(content, self._language))
        yield from self._row("Description", self._picked(content.description))
        yield from self._row("Awarded by", f"{facts.legal_name} ({facts.country})")
        yield from self._row("Provided by", *(_with(item.name, item.country) for item in content.providers))
        yield from self._row("Awarded on", _day(content.awarded_at))
        spoken = (name_of(content.language), content.language) if content.language != "und" else None
        yield from self._row("Language", spoken)
        yield from self._row("Identifier of the achievement", content.achievement)

    def level(self) -> Iterator[PaperRow]:
        content, level, word = self._content, self._content.level, self._language.word
        eqf = word("EQF level {level} of 8", level=level.eqf) if level.eqf else None
        national = ": ".join(filter(None, (level.framework, level.national)))
        cycle = word(CYCLES[level.cycle]) if level.cycle in CYCLES else level.cycle
        yield from self._row("Level", eqf, national, cycle)
        credits_ = f"{ects_text(content.ects_hundredths)} ECTS" if content.ects_hundredths is not None else None
        yield from self._row("Credits", credits_)
        hours = content.workload_hours
        yield from self._row("Workload", word("{hours} h", hours=hours) if hours is not None else None)
        yield from self._row("Asked before", self._picked(content.prerequisites))

    def results(self) -> Iterator[PaperRow]:
        content = self._content
        yield from self._row("Learning outcomes", *(self._picked(item.title) for item in content.learning_outcomes))
        yield from self._row("Skills (ESCO)", ", ".join(item.name for item in content.skills))
        yield from self._row("Awarded for", self._picked(content.criteria))
        yield from self._row("Taught", ", ".join(map(self._language.word, content.participation)))
        yield from self._row("Assessed by", ", ".join(map(self._language.word, content.assessments)))
        yield from self._row(
            "Supervision and identity", content.supervision and self._language.word(content.supervision)
        )
        yield from self._row("Result", *self._results())
        yield from self._row("About this award", content.narrative)
        parts = (
            ", ".join(filter(None, (self._part(item.achievement), _ects(item.ects), item.credential_id)))
            for item in content.components
        )
        yield from self._row("Made of", *parts)

    def _part(self, achievement: str | None) -> str | None:
        """Return how an achievement is called, with its address; the address alone where nobody here knows."""
        title, _ = picked(self._part_titles.get(achievement or "", {}), self._language)
        return f"{title} ({achievement})" if title else achievement

    def _results(self) -> Iterator[str]:
        for item in self._content.results:
            status = self._language.word(RESULT_STATUS_LABELS.get(item.status, item.status)) if item.status else ""
            said = f"{item.value} ({status})" if item.value and status else item.value or status
            yield ", ".join(filter(None, (said, scale_of(item, self._language))))

    def function(self) -> Iterator[PaperRow]:
        content = self._content
        yield from self._row("What it entitles to", *(self._picked(item.title) for item in content.entitlements))
        yield from self._row("Valid from", _day(content.valid_from))
        yield from self._row("Valid until", _day(content.valid_until) or self._language.word("no end"))

    def further(self) -> Iterator[PaperRow]:
        content = self._content
        quality = (
            _with(", ".join(filter(None, (item.name, item.code))), item.type and self._language.word(item.type))
            for item in content.quality_assurance
        )
        yield from self._row("Quality", *quality)
        yield from self._row("Learned with", *(self._picked(item.title) for item in content.learning_resources))
        shown = (", ".join(filter(None, (item.text, item.kind, item.url))) for item in content.evidence)
        yield from self._row("Evidence", *shown)
        yield from self._row("Further information", self._picked(content.further_information))

    def issuer(self, facts: Facts) -> Iterator[PaperRow]:
        yield from self._row("Institution", f"{facts.legal_name} ({facts.country})")
        yield from self._row("Identifier", facts.did)
        yield from self._row("Credential id", facts.credential_id)
        standing = facts.shown_state
        yield from self._row(
            "When this was made",
            f"{_minute(standing.at)}: {standing.word(self._language)}. {standing.said(self._language)}",
        )


def breakable(text: str) -> str:
    """Return a text whose very long words may be broken: what nobody can see stands between their pieces."""
    if len(text) <= _LONG_WORD:
        return text
    return " ".join(
        word if len(word) <= _LONG_WORD or _ID.match(word) else _BREAK.join(_pieces(word)) for word in text.split(" ")
    )


def _pieces(word: str) -> Sequence[str]:
    return [word[start : start + 16] for start in range(0, len(word), 16)]


def _size(text: str, sizes: Sequence[tuple[int, float]]) -> float:
    return next((size for most, size in sizes if len(text) <= most), sizes[-1][1])


def _with(text: str | None, more: str | None) -> str | None:
    return f"{text} ({more})" if text and more else text or None


def _ects(text: str | None) -> str | None:
    return f"{text} ECTS" if text else None


def _day(moment: str | None) -> str | None:
    return moment[:10] if moment else None


def _minute(moment: str) -> str:
    return f"{moment[:10]} {moment[11:16]} UTC"


def paper(content: Content, facts: Facts, language: LearnerLanguage) -> dict[str, Any]:
    """Return all that the template of the supplement lays out."""
    word, standing = language.word, facts.shown_state
    title, tag = title_of(content, language)
    note = (
        "The signed document is attached to this file as credential.json, and a verifier reads it from there. What "
        "these pages say proves nothing by itself."
        if facts.is_whole
        else "These are parts that the holder chose to show. The signed document is not attached, and these pages "
        "prove nothing by themselves: the public record shows whether the credential exists and holds."
    )
    return {
        "language": language.code,
        "kind": word("Supplement to a micro-credential"),
        "title": breakable(title),
        "title_language": tag,
        "title_size": _size(title, _TITLE_SIZES_PT),
        "holder": breakable(content.holder.name or ""),
        "holder_size": _size(content.holder.name or "", _HOLDER_SIZES_PT),
        "issuer": breakable(facts.legal_name),
        "author": facts.legal_name,
        "day": [int(part) for part in standing.at[:10].split("-")],
        "standing": None
        if standing.state == "active"
        else {"word": standing.word(language), "said": standing.said(language), "sign": standing.sign},
        "sections": [msgspec.to_builtins(section) for section in sections(content, facts, language)],
        "check": word("Check it at") if facts.check_url else "",
        "address": facts.check_url or "",
        "qr_words": word("QR code of the address at which this credential is checked"),
        "logo_words": word("Logo of {institution}", institution=facts.legal_name),
        "note": word(note),
        "page": word("Page {number} of {total}"),
        "attachment_words": word("The signed credential document"),
        "bundle_words": word("What shows without a network that it is authentic"),
        "unprinted": word("Letters that could not be printed stand as ▯; the document has them."),
        "id": facts.credential_id,
    }


def picture(content: Content, facts: Facts, language: LearnerLanguage) -> dict[str, Any]:
    """Return all that the template of the picture shows: no grade, and how it stands where that is not well."""
    state = facts.shown_state
    title, tag = title_of(content, language)
    level = language.word("EQF level {level} of 8", level=content.level.eqf) if content.level.eqf else None
    credits_ = f"{ects_text(content.ects_hundredths)} ECTS" if content.ects_hundredths is not None else None
    return {
        "language": language.code,
        "kind": language.word("Micro-credential"),
        "title": breakable(title[:_PICTURE_TITLE_MAX]),
        "title_language": tag,
        "title_size": _LARGE_PT if len(title) <= _SHORT_TITLE else _SMALL_PT,
        "holder": breakable((content.holder.name or "")[:_PICTURE_TITLE_MAX]),
        "issuer": breakable(facts.legal_name[:_PICTURE_TITLE_MAX]),
        "worth": ", ".join(filter(None, (credits_, level))),
        "day": _day(content.awarded_at) or _day(content.valid_from) or "",
        "word": "" if state.state == "active" else state.word(language),
        "sign": state.sign,
        "has_qr": facts.check_url is not None,
    }
