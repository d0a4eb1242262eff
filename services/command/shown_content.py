"""What a proven document says, as the command prints it: whose it is, what was learned, how much and how well."""

from collections.abc import Iterator, Sequence
from functools import partial

from proto.documents.vocabulary import RESULT_STATUS_LABELS
from proto.stacking import ects_text
from proto.wire.content import Content, LevelContent, ResultContent, Texts
from proto.wire.verifier import Answer
from services.command.terminal import clean
from services.command.worded_lines import OF_DOCUMENT, WordedLines
from services.verifier.languages import DEFAULT
from services.verifier.pages.said import pick
from services.verifier.pages.words import LEVELS

_DAY_LENGTH = 10


class ShownContent:
    """Prints the content of one answer."""

    def __init__(self, lines: WordedLines, content: Content) -> None:
        self._lines, self._word, self._content = lines, lines.word, content

    def show(self, answer: Answer) -> None:
        """Print it in the order of the verifier's page."""
        content, lines = self._content, self._lines
        lines.plain(self._said(content.title), style="bold")
        lines.plain(self._holder())
        lines.plain(self._awarded_by(answer))
        outcomes = [self._said(item.title) for item in content.learning_outcomes if item.title]
        said = outcomes or list(filter(None, [self._said(content.description or {})]))
        if said or content.skills:
            lines.heading("What the holder has learned to do", OF_DOCUMENT)
        for outcome in said:
            lines.plain(f"  - {outcome}")
        if content.skills:
            names = ", ".join(item.name for item in content.skills)
            lines.console.print(f"  {self._word('Skills (ESCO):')} {clean(names)}", markup=False)
        lines.heading("How much, how well", OF_DOCUMENT)
        for label, text in (*self._worth(), *self._around()):
            lines.line(label, text)

    def _holder(self) -> str:
        holder = self._content.holder
        if not holder.name:
            return self._word("The document names no holder.")
        if holder.date_of_birth:
            return self._word("Awarded to {name}, born {day}", name=holder.name, day=holder.date_of_birth)
        return self._word("Awarded to {name}", name=holder.name)

    def _awarded_by(self, answer: Answer) -> str:
        content, issuer = self._content, answer.issuer
        name = (issuer.legal_name if issuer else "") or content.issuer_name or ""
        named = f"{name} ({issuer.country})" if issuer and issuer.country else name
        day = (content.awarded_at or content.valid_from or "")[:_DAY_LENGTH]
        return self._word("by {issuer}, {day}" if day else "by {issuer}", issuer=named, day=day)

    def _worth(self) -> Iterator[tuple[str, str | None]]:
        word, content = self._word, self._content
        yield "Credits", None if content.ects_hundredths is None else f"{ects_text(content.ects_hundredths)} ECTS"
        yield "Workload", f"{content.workload_hours} h" if content.workload_hours else None
        yield "Level", self._level(content.level)
        for item in content.results:
            yield "Result", self._result(item)
        yield "Assessed by", ", ".join(map(word, content.assessments))
        yield "Supervision and identity", word(content.supervision) if content.supervision else None
        yield "Taught", ", ".join(map(word, content.participation))
        for quality in content.quality_assurance:
            kind = f" ({word(quality.type)})" if quality.type else ""
            yield "Quality", f"{quality.name or quality.code or quality.url or ''}{kind}"
        yield "Awarded for", self._said(content.criteria or {})

    def _around(self) -> Iterator[tuple[str, str | None]]:
        """Yield what stands around the award: what it opens, who gave it, with what, what was asked before."""
        content, titled = self._content, partial(map, self._titled)
        yield "What it entitles to", "; ".join(titled(content.entitlements))
        for provider in content.providers:
            country = f"({provider.country})" if provider.country else None
            yield "Provided by", " ".join(filter(None, (provider.name, country, provider.url)))
        yield "Learned with", "; ".join(titled(content.learning_resources))
        for evidence in content.evidence:
            yield "Evidence", " ".join(filter(None, (evidence.kind, evidence.text, evidence.url)))
        yield "Asked before", self._said(content.prerequisites or {})
        yield "About this award", content.narrative
        yield "Further information", self._said(content.further_information or {})

    def _titled(self, item: object) -> str:
        title: Texts = getattr(item, "title", {})
        return " ".join(filter(None, (self._said(title), getattr(item, "url", None))))

    def _level(self, level: LevelContent) -> str:
        word, said = self._word, list[str]()
        if level.eqf:
            said.append(word("EQF level {level} of 8: {words}", level=level.eqf, words=word(LEVELS[level.eqf])))
        if level.national:
            framework = level.framework or word("National framework")
            said.append(word("{framework}, level {level}", framework=framework, level=level.national))
        return "; ".join(said)

    def _result(self, item: ResultContent) -> str:
        scale = item.scheme
        if item.lowest and item.highest:
            sentence = "{scheme}: from {lowest} to {highest}"
            if item.required:
                sentence = "{scheme}: from {lowest} to {highest}, passed from {required}"
            scale = self._word(
                sentence,
                scheme=item.scheme or self._word("Scale"),
                lowest=item.lowest,
                highest=item.highest,
                required=item.required,
            )
        status = item.status and self._word(RESULT_STATUS_LABELS.get(item.status, item.status))
        return ", ".join(filter(None, (item.value, status, scale)))

    def _said(self, texts: Texts) -> str:
        preferred: Sequence[str] = (self._lines.language.code, self._content.language, DEFAULT)
        return pick(texts, preferred=preferred).text if texts else ""
