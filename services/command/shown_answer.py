"""A verify answer as the command prints it: in the order, the words and the languages of the verifier's page."""

from collections.abc import Iterator, Sequence

from rich.console import Console
from rich.markup import escape

from proto.stacking import ects_text
from proto.wire.statements import StandingDecisionFacts
from proto.wire.verifier import (
    Answer,
    AsOf,
    CredentialFacts,
    IssuerFacts,
    RecognitionFacts,
    ShownState,
    StackNode,
    Verdict,
)
from services.command.shown_content import ShownContent
from services.command.worded_lines import OF_LOG, WordedLines
from services.edge.check_words import CHECK_NAMES
from services.verifier.languages import DEFAULT, Language
from services.verifier.languages.english import REASONS, STATES, when
from services.verifier.pages.said import has_titles, pick
from services.verifier.pages.stack_drawing import PARTS_LISTED_MAX, count_of, fallen_in, name_of_achievement
from services.verifier.pages.verdict import lead, next_step, result_words
from services.verifier.pages.words import ENDORSER_ROLES, LEVELS, NOT_COVERED, STANDINGS, TITLES_OF_PARTS
from services.verifier.pages.words import WORDS as PAGE_WORDS
from services.verifier.verdict.today import decisive

WORDS = {
    "valid": "[bold green]VALID[/]: authentic, and it holds",
    "invalid": "[bold red]INVALID[/]",
    "indeterminate": "[bold yellow]INDETERMINATE[/]: could not be decided; do not rely on it",
}
_COLOURS = {"valid": "green", "invalid": "red", "indeterminate": "yellow"}
_SIGNS = {"valid": "[green]ok[/]", "invalid": "[red]NO[/]", "unknown": "[yellow]??[/]", "not_applicable": "[dim]--[/]"}


class ShownAnswer:
    """Prints one answer in one language."""

    def __init__(self, console: Console, language: Language) -> None:
        self._lines = WordedLines(console, language)
        self._console, self._word, self._language = console, language.word, language

    def show(self, answer: Answer, *, words: str = "") -> None:
        """Print the verdict, whose it is and what the document says, and then why; `words` are said for the verdict."""
        self._verdict(answer, words)
        if answer.content:
            self._console.print()
            ShownContent(self._lines, answer.content).show(answer)
        self._recognised(answer.recognitions)
        self._stated(answer)
        if answer.stack:
            self._made_of(answer.stack)
        self._checks(answer)
        self._record(answer)
        self._as_of(answer.as_of)

    def _made_of(self, stack: StackNode) -> None:
        """Print all parts, and before many of them those that fell away."""
        self._lines.heading("Made of", OF_LOG)
        fallen, count = list(fallen_in(stack)), count_of(stack)
        if fallen and count > PARTS_LISTED_MAX:
            self._lines.plain(f"  {self._word('What of it fell away')}")
            for place, part in fallen:
                self._part(part, place, depth=1)
            self._lines.plain(f"  {self._word('All parts: {count}', count=count)}")
        for number, part in enumerate(stack.parts, 1):
            self._part(part, str(number), depth=1)
        if has_titles(stack):
            self._lines.plain(f"  {self._word(TITLES_OF_PARTS)}", style="dim")

    def _verdict(self, answer: Answer, words: str) -> None:
        """Print what holds and what to do next: today first, where another moment was asked about."""
        if words:
            self._console.print(words, markup=True)
            return
        today = answer.today
        self._console.print(self._said(today.verdict if today else answer.verdict), markup=True)
        if today:
            self._lines.plain(self._word("This is how it stands today, {time}.", time=when(today.at)))
        for sentence in lead(today or answer, answer):
            self._lines.plain(self._word(sentence))
        if advice := next_step(today.verdict if today else answer.verdict, answer):
            self._console.print(self._word(advice), markup=False, style="bold")
        if today:
            self._then(answer)

    def _then(self, answer: Answer) -> None:
        """Print what was found for the moment that was asked about."""
        asked = self._word("Asked for {at}.", at=when(answer.question.at))
        self._console.print(f"\n{asked}", markup=False)
        then = self._word("For that time: {word}.", word=self._word(PAGE_WORDS[answer.verdict]))
        self._console.print(then, markup=False, style=f"bold {_COLOURS[answer.verdict]}")
        for item in decisive(answer.verdict, answer.checks):
            self._lines.plain(item.detail)

    def _said(self, verdict: Verdict) -> str:
        """Return a verdict's line in markup; in English it begins with the word that programs look for."""
        if self._language.code == DEFAULT:
            return WORDS[verdict]
        return f"[bold {_COLOURS[verdict]}]{escape(self._word(PAGE_WORDS[verdict]))}[/]"

    def _checks(self, answer: Answer) -> None:
        self._lines.heading("What was checked")
        for check in answer.checks:
            named = f"{self._word(CHECK_NAMES[check.check])}: {self._word(result_words(check))}."
            self._console.print(f"  {_SIGNS[check.result]} ", end="", markup=True)
            self._lines.plain(f"{named} {check.detail}")
            if check.cause:
                self._lines.plain(f"     {self._word('In detail:')} {check.cause}")

    def _recognised(self, found: Sequence[RecognitionFacts]) -> None:
        if not found:
            return
        self._lines.heading("Recognised by", OF_LOG)
        for item in found:
            self._lines.plain(f"  {item.recogniser_name}{self._unless_live(item.state)}: {self._counts(item)}")

    def _unless_live(self, state: str) -> str:
        return "" if state == "live" else f" ({self._word(STANDINGS[state])})"

    def _counts(self, item: RecognitionFacts | StandingDecisionFacts) -> str:
        said = "{ects} ECTS, in full" if item.decision == "full" else "{ects} ECTS, in part"
        return f"{self._word(said, ects=ects_text(item.ects_hundredths))}, {item.programme}"

    def _stated(self, answer: Answer) -> None:
        """Print who endorses the credential, and who counts its achievement."""
        if answer.endorsements:
            self._lines.heading("Endorsed by", OF_LOG)
        for said in answer.endorsements:
            role = self._word(ENDORSER_ROLES[said.role])
            self._lines.plain(f"  {said.endorser_name}{self._unless_live(said.state)}: {role}")
        if answer.standing_decisions:
            self._lines.heading("Institutions that count this achievement", OF_LOG)
        for item in answer.standing_decisions:
            less = "" if item.covers else f" ({self._word(NOT_COVERED)})"
            self._lines.plain(f"  {item.recogniser_name}{self._unless_live(item.state)}: {self._counts(item)}{less}")

    def _part(self, part: StackNode, number: str, *, depth: int) -> None:
        remaining, declared = ects_text(part.ects_hundredths_remaining), ects_text(part.ects_hundredths)
        credits_ = (
            f"{declared} ECTS"
            if remaining == declared
            else self._word("{remaining} of {declared} ECTS still hold", remaining=remaining, declared=declared)
        )
        name = pick(part.title, preferred=(self._language.code, DEFAULT)).text or name_of_achievement(part.achievement)
        self._lines.plain(
            f"{'  ' * depth}{number} {name}: {self._state(part.state)}, {credits_}, {part.issuer_name or part.issuer}"
        )
        for place, child in enumerate(part.parts, 1):
            self._part(child, f"{number}.{place}", depth=depth + 1)

    def _state(self, state: ShownState) -> str:
        return self._word(STATES[state])

    def _record(self, answer: Answer) -> None:
        """Print what the log says of the credential, what was said of it, and what the register says."""
        if answer.status is not None or answer.credential is not None:
            self._lines.heading("What is on record", OF_LOG)
        for label, text in (*self._of_status(answer), *self._of_credential(answer)):
            self._lines.line(label, text)
        for item in answer.status.history if answer.status else ():
            reason = self._word(REASONS.get(item.reason or "", ""))
            void = self._word("void") if item.is_void else ""
            begins = self._word("since {time}", time=when(item.effective_at))
            recorded = f"{self._word('Put on record')} {when(item.received_at)}"
            said = "; ".join(filter(None, (begins, reason, void, recorded)))
            self._lines.line(item.kind, said)
        if answer.issuer:
            self._register(answer.issuer)

    def _of_status(self, answer: Answer) -> Iterator[tuple[str, str | None]]:
        status = answer.status
        if status is None:
            return
        since = self._word("since {time}", time=when(status.since)) if status.state != "unknown" else ""
        reason = self._word(REASONS.get(status.reason or "", ""))
        yield "State", ", ".join(filter(None, (f"{self._state(status.state)} {since}".rstrip(), reason)))
        yield "Replaced by", status.replaced_by

    def _of_credential(self, answer: Answer) -> Iterator[tuple[str, str | None]]:
        found = answer.credential
        if found is None:
            return
        yield "Credential id", found.credential_id
        yield "For", found.achievement
        yield "Credits", self._credits(found, answer)
        if found.eqf_level:
            said = self._word(LEVELS[found.eqf_level])
            yield "Level", self._word("EQF level {level} of 8: {words}", level=found.eqf_level, words=said)
        yield "Valid from", found.valid_from_day or when(found.valid_from)
        ends = found.valid_until_day or (when(found.valid_until) if found.valid_until else self._word("no end"))
        yield "Valid until", ends

    def _credits(self, found: CredentialFacts, answer: Answer) -> str:
        declared = ects_text(found.ects_hundredths)
        remaining = ects_text(answer.status.ects_hundredths_remaining) if answer.status else declared
        if remaining == declared:
            return f"{declared} ECTS"
        return self._word("{ects} ECTS, of which {remaining} hold", ects=declared, remaining=remaining)

    def _register(self, issuer: IssuerFacts) -> None:
        """Print what the register has of the institution that is named: not that it awarded what is not proven."""
        if issuer.state == "not_admitted":
            return
        country = f" ({issuer.country})" if issuer.country else ""
        self._lines.heading("The institution, by the register", OF_LOG)
        self._lines.line("Name", f"{issuer.legal_name}{country}")
        self._lines.line("Identifier", issuer.did)
        self._lines.line("State", self._word(STANDINGS[issuer.state]))
        self._lines.line("On the register since", issuer.admitted_at and when(issuer.admitted_at))
        if issuer.scope:
            scope = self._word(
                "EQF levels {lowest} to {highest}, at most {credits} ECTS each",
                lowest=issuer.scope.eqf_min,
                highest=issuer.scope.eqf_max,
                credits=ects_text(issuer.scope.ects_hundredths_max),
            )
            self._lines.line("May award", scope)
        if issuer.accreditation:
            self._lines.line("Accredited by", f"{issuer.accreditation.body}, {issuer.accreditation.url}")

    def _as_of(self, as_of: AsOf) -> None:
        """Print on which log the answer rests, and how old that is."""
        self._lines.heading("The log that this answer rests on")
        said = self._word(
            "Log {origin}, entries: {size}, root hash {root}.",
            origin=as_of.origin,
            size=as_of.size,
            root=as_of.root_hash or "-",
        )
        time = self._word("As of {time}.", time=when(as_of.time)) if as_of.time else ""
        self._lines.plain(f"  {said} {time}")
        pins = "The registrar of this log is pinned here."
        nothing_pins = (
            "Nothing pins the registrar of this log here: whoever holds the log's key could have begun it anew."
        )
        self._lines.plain(f"  {self._word(pins if as_of.pinned else nothing_pins)}")
        if as_of.imported:
            sentence = (
                "These records began with a signed snapshot of another verifier and are still being derived again "
                "from the log."
            )
            self._lines.plain(f"  {self._word(sentence)}")
