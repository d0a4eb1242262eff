"""A verify answer as the command prints it: in the order and the words of the verifier's page, in the same languages.

What stems from others is printed on its line as it is, but for signs that would steer a terminal.
"""

from collections.abc import Iterator, Sequence
from functools import partial

from rich.console import Console

from proto.documents.vocabulary import RESULT_STATUS_LABELS
from proto.number_words import number_of_entries
from proto.stacking import ects_text
from proto.wire.content import Content, LevelContent, ResultContent, Texts
from proto.wire.statements import StandingDecisionFacts
from proto.wire.verifier import Answer, AsOf, RecognitionFacts, ShownState, StackNode
from services.verifier.languages import DEFAULT, Language
from services.verifier.languages.english import REASONS, STATES, when
from services.verifier.pages.said import pick
from services.verifier.pages.stack_drawing import name_of_achievement
from services.verifier.pages.verdict import lead, result_words
from services.verifier.pages.words import ENDORSER_ROLES, LEVELS, NAMES, NOT_COVERED, STANDINGS

WORDS = {
    "valid": "[bold green]VALID[/]: authentic, and it holds",
    "invalid": "[bold red]INVALID[/]",
    "indeterminate": "[bold yellow]INDETERMINATE[/]: could not be decided; do not rely on it",
}
_SIGNS = {"valid": "[green]ok[/]", "invalid": "[red]NO[/]", "unknown": "[yellow]??[/]", "not_applicable": "[dim]--[/]"}
_JOINERS = "\u200c\u200d"
_DAY_LENGTH = 10


class ShownAnswer:
    """Prints one answer in one language."""

    def __init__(self, console: Console, language: Language) -> None:
        self._console, self._word = console, language.word
        self._language = language

    def show(self, answer: Answer, *, words: str = "") -> None:
        """Print the verdict, whose it is and what the document says, and then why; `words` are said for the verdict."""
        if answer.today:
            self._console.print(f"today: {WORDS[answer.today.verdict]}")
            self._console.print(f"for {answer.question.at}, as was asked:", markup=False)
        self._console.print(words or WORDS[answer.verdict])
        for sentence in () if words else lead(answer, answer):
            self._console.print(self._word(sentence), markup=False)
        if answer.content:
            self._content(answer.content, answer)
        self._recognised(answer.recognitions)
        self._stated(answer)
        if answer.stack:
            self._heading("Made of", "The public log says this.")
            for number, part in enumerate(answer.stack.parts, 1):
                self._part(part, str(number), depth=1)
        self._heading("What was checked", "")
        for check in answer.checks:
            named = f"{self._word(NAMES[check.check])}: {self._word(result_words(check))}."
            self._console.print(f"  {_SIGNS[check.result]} ", end="")
            self._console.print(f"{named} {_clean(check.detail)}", markup=False)
            if check.cause:
                said = self._word("In detail:")
                self._console.print(f"     {said} {_clean(check.cause)}", markup=False)
        self._record(answer)
        self._as_of(answer.as_of)

    def _heading(self, text: str, source: str) -> None:
        said = f" ({self._word(source)})" if source else ""
        self._console.print(f"\n{self._word(text)}{said}", markup=False)

    def _line(self, label: str, text: str | None) -> None:
        if text:
            self._console.print(f"  {self._word(label)}: {_clean(text)}", markup=False)

    def _content(self, content: Content, answer: Answer) -> None:
        """Print whose it is, what it is called, what was learned, and how much and how well."""
        said = partial(self._said, content=content)
        issuer = answer.issuer.legal_name if answer.issuer else content.issuer_name
        self._console.print(f"\n{_clean(said(content.title))}", markup=False, style="bold")
        name = content.holder.name
        self._console.print(
            _clean(self._word("Awarded to {name}", name=name) if name else self._word("The document names no holder.")),
            markup=False,
        )
        day = (content.awarded_at or content.valid_from or "")[:_DAY_LENGTH]
        by = self._word("by {issuer}, {day}" if day else "by {issuer}", issuer=issuer or "", day=day)
        self._console.print(_clean(by), markup=False)
        outcomes = [said(item.title) for item in content.learning_outcomes if item.title]
        if outcomes or content.skills:
            self._heading("What the holder has learned to do", "The institution says this, in the document.")
        for outcome in outcomes:
            self._console.print(f"  - {_clean(outcome)}", markup=False)
        if content.skills:
            names = ", ".join(item.name for item in content.skills)
            self._console.print(f"  {self._word('Skills (ESCO):')} {_clean(names)}", markup=False)
        self._heading("How much, how well", "The institution says this, in the document.")
        for label, text in self._worth(content, said_criteria=said(content.criteria)):
            self._line(label, text)

    def _worth(self, content: Content, *, said_criteria: str) -> Iterator[tuple[str, str | None]]:
        word = self._word
        hours = f"{content.workload_hours} h" if content.workload_hours else ""
        ects = "" if content.ects_hundredths is None else f"{ects_text(content.ects_hundredths)} ECTS"
        yield "Workload", ", ".join(filter(None, (ects, hours)))
        yield "Level", self._level(content.level)
        for item in content.results:
            yield "Result", self._result(item)
        yield "Assessed by", ", ".join(map(word, content.assessments))
        yield "Supervision and identity", word(content.supervision) if content.supervision else None
        yield "Taught", ", ".join(map(word, content.participation))
        for quality in content.quality_assurance:
            kind = f" ({word(quality.type)})" if quality.type else ""
            yield "Quality", f"{quality.name or quality.code or quality.url or ''}{kind}"
        yield "Awarded for", said_criteria
        for evidence in content.evidence:
            yield "Evidence", " ".join(filter(None, (evidence.kind, evidence.text, evidence.url)))
        yield "About this award", content.narrative

    def _level(self, level: LevelContent) -> str:
        word, said = self._word, []
        if level.eqf:
            said.append(word("EQF level {level} of 8: {words}", level=level.eqf, words=word(LEVELS[level.eqf])))
        if level.national:
            framework = level.framework or word("National framework")
            said.append(word("{framework}, level {level}", framework=framework, level=level.national))
        return "; ".join(said)

    def _result(self, item: ResultContent) -> str:
        scale = item.scheme
        if item.lowest and item.highest:
            required = ", passed from {required}" if item.required else ""
            scale = self._word(
                f"{{scheme}}: from {{lowest}} to {{highest}}{required}",
                scheme=item.scheme or self._word("Scale"),
                lowest=item.lowest,
                highest=item.highest,
                required=item.required,
            )
        status = item.status and self._word(RESULT_STATUS_LABELS.get(item.status, item.status))
        return ", ".join(filter(None, (item.value, status, scale)))

    def _said(self, texts: Texts, *, content: Content) -> str:
        return pick(texts, preferred=(self._language.code, content.language, DEFAULT)).text if texts else ""

    def _recognised(self, found: Sequence[RecognitionFacts]) -> None:
        if not found:
            return
        self._heading("Recognised by", "The public log says this.")
        for item in found:
            name = f"{item.recogniser_name}{self._unless_live(item.state)}"
            self._console.print(_clean(f"  {name}: {self._counts(item)}"), markup=False)

    def _unless_live(self, state: str) -> str:
        return "" if state == "live" else f" ({self._word(STANDINGS[state])})"

    def _counts(self, item: RecognitionFacts | StandingDecisionFacts) -> str:
        said = "{ects} ECTS, in full" if item.decision == "full" else "{ects} ECTS, in part"
        return f"{self._word(said, ects=ects_text(item.ects_hundredths))}, {item.programme}"

    def _stated(self, answer: Answer) -> None:
        """Print who endorses the credential, and who counts its achievement."""
        if answer.endorsements:
            self._heading("Endorsed by", "The public log says this.")
        for said in answer.endorsements:
            role = self._word(ENDORSER_ROLES[said.role])
            self._console.print(_clean(f"  {said.endorser_name}{self._unless_live(said.state)}: {role}"), markup=False)
        if answer.standing_decisions:
            self._heading("Institutions that count this achievement", "The public log says this.")
        for item in answer.standing_decisions:
            less = "" if item.covers else f" ({self._word(NOT_COVERED)})"
            name = f"{item.recogniser_name}{self._unless_live(item.state)}"
            self._console.print(_clean(f"  {name}: {self._counts(item)}{less}"), markup=False)

    def _part(self, part: StackNode, number: str, *, depth: int) -> None:
        remaining, declared = ects_text(part.ects_hundredths_remaining), ects_text(part.ects_hundredths)
        credits_ = (
            f"{declared} ECTS"
            if remaining == declared
            else self._word("{remaining} of {declared} ECTS still hold", remaining=remaining, declared=declared)
        )
        name = name_of_achievement(part.achievement)
        text = (
            f"{'  ' * depth}{number} {name}: {self._state(part.state)}, {credits_}, {part.issuer_name or part.issuer}"
        )
        self._console.print(_clean(text), markup=False)
        for place, child in enumerate(part.parts, 1):
            self._part(child, f"{number}.{place}", depth=depth + 1)

    def _state(self, state: ShownState) -> str:
        return self._word(STATES[state])

    def _record(self, answer: Answer) -> None:
        """Print what the log says of the credential, and the register of its institution."""
        if answer.status is None and answer.issuer is None:
            return
        self._heading("What is on record", "The public log says this.")
        if answer.status:
            is_known = answer.status.state != "unknown"
            since = self._word("since {time}", time=when(answer.status.since)) if is_known else ""
            reason = self._word(REASONS.get(answer.status.reason or "", ""))
            state = f"{self._state(answer.status.state)} {since}".rstrip()
            self._line("State", ", ".join(filter(None, (state, reason))))
        if answer.credential:
            self._line("Credential id", answer.credential.credential_id)
        if answer.issuer:
            country = f" ({answer.issuer.country})" if answer.issuer.country else ""
            self._line("Awarded by", f"{answer.issuer.legal_name}{country}, {answer.issuer.did}")

    def _as_of(self, as_of: AsOf) -> None:
        source = "by the log's word" if as_of.time_source == "log" else "by its witnesses' word"
        age = "of unknown age" if as_of.age_seconds is None else f"{as_of.age_seconds:g} s old"
        self._console.print(
            f"\nas of {as_of.time} {source}, {age}; log {as_of.origin}, {number_of_entries(as_of.size)}",
            markup=False,
        )
        if not as_of.pinned:
            self._console.print("nothing pins the log's registrar: who holds the log's key could have begun it anew")
        if as_of.imported:
            self._console.print("the verifier's records began with a snapshot, and are still being derived again")


def _clean(text: str) -> str:
    """Return a text of others on one line, without signs that move a cursor or turn the direction of letters."""
    return "".join(sign if sign.isprintable() or sign in _JOINERS else " " for sign in text)
