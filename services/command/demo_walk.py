"""The walk of the demo: the main job on real input, over HTTP only, as institution, learner and employer do it.

Two institutions are admitted; credentials are imported from Open Badges 3.0 documents and issued from a CSV file; two
of them are stacked; one is revoked; documents are verified, one of them altered. Run again on the same data it repeats
nothing: every request carries the same idempotency key.
"""

import asyncio
import csv
import io
from collections.abc import Awaitable, Callable
from datetime import timedelta
from pathlib import Path
from typing import Any, TypeVar

import aiohttp
import msgspec

from proto import events
from proto.documents.credential import Learner
from proto.ids import AchievementUri, CredentialId
from proto.keys import SecretKey
from proto.lifecycle.refusals import AlreadyExistsRefusal
from proto.moment import Moment, from_datetime, to_datetime
from proto.number_words import number_of
from proto.problem import NotFoundProblem, Problem, UnavailableProblem
from proto.stacking import ects_text
from proto.wire.gateway import CredentialAnswer, RecognitionRequest, StackRequest
from proto.wire.verifier import Answer
from services.clients.gateway import GatewayClient
from services.clients.http_client import AnsweredProblem
from services.clients.verifier_client import VerifierClient
from services.command.demo_files import LeftToTry, learner_page, leave_files
from services.command.home import Addresses, replace_private
from services.command.key_file import read_key, write_key
from services.command.registrar import admission_kind
from services.command.registrar_signing import rules_version_of
from services.command.speaker import Speaker, now
from services.command.submit import RefusedProblem, submit

EXAMPLES = Path(__file__).resolve().parents[2] / "deploy" / "examples"
WAIT_S = 180.0
RETRIES = 5
"""So often what has no room now is asked for again: papers take turns, and a machine may have much else to do."""
POLL_S = 0.2
_STACKED = ("waterland-dike-assessment.json", "waterland-risk-communication.json")
_OTHERS = ("waterland-hydrology-online.json", "waterland-pump-operator.json")
_SCOPE = events.Scope(
    eqf_min=1, eqf_max=7, ects_hundredths_max=6_000, may_issue=True, may_stack=True, may_recognise=True
)
_INSTITUTIONS: tuple[dict[str, Any], ...] = (
    {
        "slug": "waterland",
        "legal_name": "Hogeschool Waterland",
        "country": "NL",
        "accreditation": {"body": "Wateracademie Kwaliteitsraad", "url": "https://waterland.example/quality"},
    },
    {
        "slug": "nadmorska",
        "legal_name": "Politechnika Nadmorska",
        "country": "PL",
        "accreditation": {"body": "Komisja Akredytacyjna Wybrzeża", "url": "https://nadmorska.example/quality"},
    },
)
_LEARNER = Learner(ref="wl-2025-0142", given_name="Fenna", family_name="de Boer-Łącka")
_T = TypeVar("_T")
Say = Callable[[str], None]


class DemoProblem(Problem):
    """The demo saw something else than it should have; the detail says what."""

    slug = "demo"
    title = "The demo found a fault"
    status = 500


class DemoRow(msgspec.Struct, frozen=True, kw_only=True):
    """One line of the closing table: what happened, to what, and what was answered, and the id of the thing."""

    step: str
    what: str
    answer: str
    id: str = ""


class Kept(msgspec.Struct, kw_only=True):
    """What a repeated run must know: API keys by institution (`demo/state.json`, mode 0600)."""

    api_keys: dict[str, str] = msgspec.field(default_factory=dict)
    learner_page: str = ""


async def eventually(what: str, ask: Callable[[], Awaitable[_T | None]]) -> _T:
    """Return the first answer of `ask` that is not None; raises `UnavailableProblem` after a minute."""
    try:
        async with asyncio.timeout(WAIT_S):
            while True:
                found = await ask()
                if found is not None:
                    return found
                await asyncio.sleep(POLL_S)
    except TimeoutError as error:
        raise UnavailableProblem(f"Not so within {WAIT_S:g} s: {what}. Look at the services' logs.") from error


class Demo:
    """One run of the demo against running services; the session belongs to the caller."""

    def __init__(self, addresses: Addresses, session: aiohttp.ClientSession, *, say: Say) -> None:
        self._addresses = addresses
        self._session = session
        self._say = say
        self._folder = Path(addresses.data) / "demo"
        self._kept = self._read_kept()
        self._verifier = VerifierClient(session, addresses.verifier)
        self.rows: list[DemoRow] = []
        self.left: LeftToTry | None = None

    async def run(self) -> list[DemoRow]:
        """Do the whole main job and return what happened; raises a problem where anything is not as it should be."""
        for institution in _INSTITUTIONS:  # (1) institutions
            await self._admit(institution)
        parts = await self._import(_STACKED)  # (2) Open Badges documents
        await self._import(_OTHERS)
        listed = await self._issue_list()  # (3) a CSV file
        stack = await self._stack(parts)  # (4) a stack
        await self._recognise(parts[1])  # (5) a recognition by the other institution
        await self._verify_before(parts, stack)  # (6) verification, and an altered document
        await self._revoke(parts[0])  # (7) a revocation
        await self._verify_after(parts[0], stack)  # (8) the same questions again, and as of before
        self.left = await self._leave(listed, parts[0].credential_id, stack.credential_id)  # (9) something to try
        return self.rows

    async def _leave(self, valid: CredentialId, revoked: CredentialId, impaired: CredentialId) -> LeftToTry:
        """Leave documents, a paper and links to look at."""
        waterland = self._gateway("waterland")
        self._kept.learner_page = await learner_page(waterland, self._kept.learner_page, learner=_LEARNER.ref)
        replace_private(self._folder / "state.json", msgspec.json.encode(self._kept))
        kinds = {"valid": (self._gateway("nadmorska"), valid), "revoked": (waterland, revoked)}
        kinds["impaired"] = (waterland, impaired)
        return await leave_files(self._addresses, kinds, learner_page=self._kept.learner_page)

    def _note(self, step: str, what: str, answer: str = "", *, id_: str = "") -> None:
        self.rows.append(DemoRow(step=step, what=what, answer=answer or id_[:12], id=id_))

    def _read_kept(self) -> Kept:
        path = self._folder / "state.json"
        return msgspec.json.decode(path.read_bytes(), type=Kept) if path.exists() else Kept()

    def _gateway(self, slug: str) -> GatewayClient:
        return GatewayClient(
            self._session, self._addresses.gateway, token=self._kept.api_keys[slug], retry_count_max=RETRIES
        )

    async def _admit(self, institution: dict[str, Any]) -> None:
        """Make a tenant, have the registrar sign its request, and wait until the gateway sees it on the log."""
        slug = institution["slug"]
        if slug not in self._kept.api_keys:
            await self._make_tenant(institution)
        found = await eventually(f"{slug} is admitted", lambda: self._admitted(slug))
        self._note("admitted", f"{institution['legal_name']} ({institution['country']})", found)

    async def _make_tenant(self, institution: dict[str, Any]) -> None:
        slug = institution["slug"]
        recovery = self._folder / f"{slug}-recovery.key"
        if not recovery.exists():
            write_key(recovery, SecretKey.generate())
        token = Path(self._addresses.operator_token_file).read_text().strip()
        operator = GatewayClient(self._session, self._addresses.gateway, token=token, retry_count_max=RETRIES)
        request = institution | {"scope": _SCOPE, "recovery_public_key": read_key(recovery).public_key}
        created = await operator.create_institution(request, key=f"demo-{slug}")
        origin = Path(self._addresses.data) / "settings.json"
        speaker = Speaker.from_file(
            Path(self._addresses.registrar_key_file), msgspec.json.decode(origin.read_bytes())["origin"]
        )
        fields = msgspec.structs.asdict(created.admission_request)
        kind = admission_kind(await rules_version_of(self._addresses.ledger))
        await self._submit_once(self._addresses.ledger, speaker.say(kind, **fields))
        self._kept.api_keys[slug] = created.api_key
        replace_private(self._folder / "state.json", msgspec.json.encode(self._kept))

    @staticmethod
    async def _submit_once(ledger: str, envelope: Any) -> None:
        try:
            await submit(ledger, envelope)
        except RefusedProblem as problem:
            if not str(problem.members["ledger"].get("type", "")).endswith(f":{AlreadyExistsRefusal.slug}"):
                raise

    async def _admitted(self, slug: str) -> str | None:
        page = await self._gateway(slug).institutions()
        found = next((item for item in page.institutions if item.slug == slug), None)
        return found.state if found is not None and found.state == "admitted" else None

    async def _import(self, names: tuple[str, ...]) -> list[CredentialAnswer]:
        """Import Open Badges documents as they are; the learner's reference is the institution's own."""
        answers = []
        for name in names:
            ref = _LEARNER.ref if name in _STACKED else None
            data = (EXAMPLES / "open-badges" / name).read_bytes()
            answer = await self._gateway("waterland").import_document(
                "open-badges", data, key=f"demo-{name}", learner_ref=ref
            )
            await self._published(answer.credential_id)
            answers.append(answer)
            self._note("imported", f"{name}: {ects_text(answer.ects_hundredths)} ECTS", id_=answer.credential_id)
        return answers

    async def _issue_list(self) -> CredentialId:
        """Describe two achievements, then issue the list, whose rows name them; return one of its credentials."""
        gateway = self._gateway("nadmorska")
        for name in ("data-literacy", "spatial-statistics"):
            await gateway.describe(_achievement(name), key=f"demo-{name}")
        rows = (EXAMPLES / "awards.csv").read_bytes()
        answer = await gateway.issue_batch(rows, media_type="text/csv", key="demo-awards.csv")
        if answer.refused_count:
            raise DemoProblem(f"awards.csv: {msgspec.json.encode(answer.rows).decode()[:1000]}")
        last = next(row.credential_id for row in reversed(answer.rows) if row.credential_id)
        await self._published(last)
        learners = len({row["learner_ref"] for row in csv.DictReader(io.StringIO(rows.decode()))})
        self._note(
            "issued",
            f"awards.csv: {number_of(answer.accepted_count, 'credential')} to {number_of(learners, 'learner')}",
            "all accepted",
        )
        return last

    async def _stack(self, parts: list[CredentialAnswer]) -> CredentialAnswer:
        gateway = self._gateway("waterland")
        achievement = _achievement("flood-risk-professional")
        achievement["recipe"]["required_achievements"] = [part.achievement for part in parts]
        described = await gateway.describe(achievement, key="demo-flood-risk-professional")
        request = StackRequest(
            learner=_LEARNER,
            achievement=AchievementUri(described.achievement.uri),
            valid_from="2026-07-15T00:00:00Z",
            components=tuple(sorted(part.credential_id for part in parts)),
        )
        stack = await gateway.stack(request, key="demo-stack")
        await self._published(stack.credential_id)
        summands = " + ".join(ects_text(part.ects_hundredths) for part in parts)
        self._note("stacked", f"{summands} = {ects_text(stack.ects_hundredths)} ECTS", id_=stack.credential_id)
        return stack

    async def _recognise(self, part: CredentialAnswer) -> None:
        gateway = self._gateway("nadmorska")
        page = await gateway.institutions()
        prefix = next(item.uri_prefixes[0] for item in page.institutions if item.slug == "nadmorska")
        request = RecognitionRequest(
            credential_id=part.credential_id,
            decision="full",
            ects_hundredths=part.ects_hundredths,
            programme=f"{prefix}programmes/coastal-engineering",
        )
        answer = await gateway.recognise(request, key="demo-recognition")
        what = f"by Politechnika Nadmorska: {ects_text(part.ects_hundredths)} ECTS in full"
        self._note("recognised", what, id_=answer.event_id)

    async def _published(self, credential_id: CredentialId) -> None:
        """Wait until the verifier knows the credential, from the log alone."""

        async def ask() -> bool | None:
            try:
                await self._verifier.status(credential_id)
            except AnsweredProblem as problem:
                if problem.answer_slug != NotFoundProblem.slug and problem.answer_status != NotFoundProblem.status:
                    raise
                return None
            return True

        await eventually(f"the verifier knows {credential_id}", ask)

    async def _verify_before(self, parts: list[CredentialAnswer], stack: CredentialAnswer) -> None:
        """Verify part and stack as documents, and a document that was altered by one character."""
        if await self._is_revoked(parts[0].credential_id):
            return
        gateway = self._gateway("waterland")
        await self._expect("the part of 3 ECTS", await gateway.document(parts[0].credential_id), "valid")
        await self._expect(
            f"the stack of {ects_text(stack.ects_hundredths)} ECTS",
            await gateway.document(stack.credential_id),
            "valid",
        )

    async def _expect(self, what: str, document: bytes, verdict: str, note: str = "") -> None:
        answer = await self._verifier.verify(document)
        if answer.verdict != verdict:
            raise DemoProblem(f"{what} should be {verdict}: {msgspec.json.encode(answer).decode()[:2000]}")
        self._note("verified", what, f"{verdict}{note}")

    async def _is_revoked(self, credential_id: CredentialId) -> bool:
        answer = await self._verifier.status(credential_id)
        return _state(answer) == "revoked"

    async def _revoke(self, part: CredentialAnswer) -> None:
        await self._gateway("waterland").revoke(part.credential_id, {"reason": "error"}, key="demo-revoke")

        async def ask() -> bool | None:
            return await self._is_revoked(part.credential_id) or None

        await eventually("the verifier knows of the revocation", ask)
        self._note("revoked", "the part of 3 ECTS", id_=part.credential_id)

    async def _verify_after(self, part: CredentialAnswer, stack: CredentialAnswer) -> None:
        gateway = self._gateway("waterland")
        await self._expect(
            "the part of 3 ECTS, revoked", await gateway.document(part.credential_id), "invalid", ": revoked"
        )
        document = await gateway.document(stack.credential_id)
        answer = await self._verifier.verify(document)
        remains = await self._remaining(stack.credential_id)
        if answer.verdict != "invalid" or _state(answer) != "impaired" or remains != "3.5 of 6.5":
            raise DemoProblem(
                f"the stack should be impaired, 3.5 of 6.5: {msgspec.json.encode(answer).decode()[:2000]}"
            )
        self._note("verified", "the stack, one part revoked", f"invalid: impaired, {remains} ECTS still hold")
        other = await gateway.document((await self._import_again(_STACKED[1])).credential_id)
        altered = other.replace(b"3.5", b"4.5", 1)
        await self._expect("the other part of 3.5 ECTS", other, "valid")
        await self._expect("the same, one character altered (3.5 to 4.5)", altered, "invalid", ": altered")
        await self._as_of(part, stack)

    async def _import_again(self, name: str) -> CredentialAnswer:
        """Ask again with the same idempotency key: the first answer, and no second credential."""
        data = (EXAMPLES / "open-badges" / name).read_bytes()
        return await self._gateway("waterland").import_document(
            "open-badges", data, key=f"demo-{name}", learner_ref=_LEARNER.ref
        )

    async def _remaining(self, credential_id: CredentialId) -> str:
        tree = (await self._verifier.stack(credential_id)).stack
        return f"{ects_text(tree.ects_hundredths_remaining)} of {ects_text(tree.ects_hundredths)}"

    async def _as_of(self, part: CredentialAnswer, stack: CredentialAnswer) -> None:
        """Ask for the status on the effective axis, just before the revocation and at it."""
        revoked = (await self._verifier.status(part.credential_id)).status
        since = Moment(revoked.since) if revoked else now()
        before = from_datetime(to_datetime(since) - timedelta(seconds=1))
        for what, credential_id, at, state in (
            ("the part one second before the revocation", part.credential_id, before, "active"),
            ("the part at the revocation", part.credential_id, since, "revoked"),
            ("the stack one second before", stack.credential_id, before, "active"),
            ("the stack at the revocation", stack.credential_id, since, "impaired"),
        ):
            answer = await self._verifier.status(credential_id, at=at)
            if _state(answer) != state:
                raise DemoProblem(f"{what} should be {state}: {msgspec.json.encode(answer).decode()[:2000]}")
            self._note("as of", what, state)


def _state(answer: Answer) -> str:
    return answer.status.state if answer.status else "unknown"


def _achievement(name: str) -> dict[str, Any]:
    """Return an example achievement as a request: the gateway gives it its URI, from its name."""
    achievement: dict[str, Any] = msgspec.json.decode((EXAMPLES / "achievements" / f"{name}.json").read_bytes())
    for given in ("uri", "version"):
        achievement.pop(given, None)
    return achievement | {"id": name}
