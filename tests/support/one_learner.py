"""Everything that institutions and people say of one learner at a gateway: by API, files, links and pages."""

import re
from pathlib import Path
from typing import Any

import msgspec

from services.persistence.postgres import connected
from tests.support.gateways import Office, RunningGateway
from tests.support.ledgers import until
from tests.support.page_reader import Reader

REF = "qz-77001"
GIVEN, FAMILY, MAIL, URI = "Quirinia", "Zwaluwstaart", "quirinia@zwaluw.example", "https://zwaluwnest.example/q"
BORN, TEXT = "1957-11-23", "wijsgerige-bekentenis"
SAID = (REF, GIVEN, FAMILY, MAIL, URI, BORN, TEXT, "Quirínia")
"""What names her, or is said by her or of her; nothing else at the gateway has it in it."""
HOLDER = {"given_name": GIVEN, "family_name": FAMILY, "email": MAIL}
ACHIEVEMENTS = ("hydrology", "sailing", "cooking", "rowing", "databases", "statistics")
BATCH_ROWS_MAX = 20
"""Of lists that are worked on at once, for the lists of this module."""
CSV, NDJSON = "text/csv", "application/x-ndjson"
_DOCUMENTS = [file.read_bytes() for file in sorted(Path("tests/conformance/vectors/elm").glob("*.json*"))[:3]]
_WAITING = "/office/applications?state=open"
_APPLICATION = re.compile(r'href="(/office/applications/[0-9a-f-]{36})"')
_SECRET = re.compile(r"cf[a-z]_[A-Za-z0-9_-]{43}")


class OneLearner:
    """Says everything of her, each with a key where there may be one, so that answers are kept."""

    def __init__(self, gateway: RunningGateway, office: Office) -> None:
        self.gateway, self.office = gateway, office
        self.refs = [REF]
        """By which names the institution has her: a request that it rejected is of nobody that it knows."""
        self.own_links: list[str] = []
        """What only she can end: the institution does not know that it is hers."""
        self.uris: dict[str, str] = {}
        self._number = 0

    async def say_all(self) -> None:
        """Say everything."""
        described = {name: await self.office.describe(name, takes_requests=True) for name in ACHIEVEMENTS}
        self.uris = {name: each.achievement.uri for name, each in described.items()}
        credential_id = await self.awards()
        await self.lists()
        await self.changes(credential_id)
        await self.requests()
        await self.links(credential_id)
        await self.imports()
        await self.stacks()
        await self.applications()
        await self.papers()

    def _key(self) -> str:
        self._number += 1
        return f"key-{self._number}"

    async def post(self, path: str, body: Any, *, media: str = "application/json", method: str = "POST") -> Any:
        """Send it twice, as whoever missed the answer does; return what was answered."""
        key = self._key()
        first, _ = [await self.office.client.send(method, path, body, media_type=media, key=key) for _ in range(2)]
        return first

    def award(self, **fields: Any) -> dict[str, Any]:
        """Return an award to her."""
        learner = {"ref": REF, **HOLDER, "uri": URI, "date_of_birth": BORN}
        return {
            "learner": {**learner, **fields.pop("learner", {})},
            "achievement": "hydrology",
            "valid_from": "2026-01-01",
            "narrative": f"{TEXT} {FAMILY}",
        } | fields

    async def awards(self) -> str:
        """One by one, right and wrong; return the credential that was issued."""
        issued = await self.post("/v1/credentials", self.award())
        assert issued.status == 201, issued
        for wrong in (
            self.award(valid_from=TEXT),
            self.award(learner={"email": f"{TEXT} {MAIL}"}),
            self.award(learner={"date_of_birth": f"{BORN} {TEXT}"}),
            self.award(achievement=TEXT),
            self.award(result={"grade": TEXT}),
            {"award": TEXT},
        ):
            assert (await self.post("/v1/credentials", wrong)).status >= 400
        return str(issued.body["credential_id"])

    async def lists(self) -> None:
        """As lists and files: in all forms, small and in the background, rehearsed and real, with wrong rows."""
        header = "learner_ref,given_name,family_name,email,date_of_birth,achievement,valid_from,grade\n"
        rows = (
            f"{REF},{GIVEN} &uuml;,null,{MAIL},{BORN},rowing,2026-01-01,\n"
            f"{REF},{GIVEN},{FAMILY},{MAIL},{BORN},hydrology,2026-01-02,\n"
            f"{REF},Quirínia,{FAMILY},{MAIL},{BORN},hydrology,{TEXT},\n"
            f"{REF},{GIVEN},{FAMILY},{TEXT},{BORN},hydrology,2026-01-03,\n"
            f"{REF},{GIVEN},null,{MAIL},{BORN} {TEXT},hydrology,2026-01-04,\n"
            f"{REF},{GIVEN},{FAMILY},{MAIL},{BORN},{TEXT},2026-01-05,{TEXT}\n"
            f'{REF},{GIVEN},"{FAMILY},{MAIL}\n'
        )
        lines = b"\n".join(
            msgspec.json.encode(each)
            for each in (
                self.award(valid_from="2026-02-01"),
                self.award(valid_from=TEXT),
                self.award(learner={"given_name": f"{GIVEN} \ufffd"}, valid_from="2026-02-02"),
                {"learner": REF, TEXT: 1},
            )
        )
        for query in ("?dry_run=true", ""):
            for media, body in ((CSV, (header + rows).encode()), (NDJSON, lines)):
                assert (await self.post(f"/v1/batches{query}", body, media=media)).status in {200, 202}
            many = header + "".join(f"l-{n},A,B,,,hydrology,2026-03-01,\n" for n in range(BATCH_ROWS_MAX)) + rows
            sent = await self.post(f"/v1/batches{query}", many.encode(), media=CSV)
            await self.over(sent.body["batch_id"])

    async def changes(self, credential_id: str) -> None:
        """Changes of what was awarded, with words where none belong."""
        header = "action,credential_id,reason,effective_at\n"
        rows = f"suspend,{credential_id},error,\nsuspend,{credential_id},{TEXT},{TEXT}\n{TEXT},{REF},{FAMILY},{MAIL}\n"
        for query in ("?dry_run=true", ""):
            sent = await self.post(f"/v1/batches/changes{query}", (header + rows).encode(), media=CSV)
            await self.over(sent.body["batch_id"])
        await self.post(f"/v1/credentials/{credential_id}/reinstate", {"reason": "error"})
        await self.post(f"/v1/credentials/{credential_id}/replace", self.award(valid_from="2026-04-01"))

    async def over(self, batch_id: str) -> None:
        """Return once a file is done, and its rows were read."""

        async def ask() -> bool | None:
            found = (await self.office.client.get(f"/v1/batches/{batch_id}")).body
            return found["state"] in {"finished", "failed"} or None

        await until(ask, "the file is done")

    async def requests(self) -> None:
        """What she asks for by program and on a page, and what she is answered."""
        for decision in ("accept", "reject"):
            asked = await self.gateway.client().post(
                "/v1/requests",
                {"institution": self.office.slug, "achievement": "sailing", **HOLDER, "message": TEXT},
            )
            assert asked.status == 201, asked
            body = {"reason": TEXT} if decision == "reject" else {"learner": {"ref": REF, **HOLDER}}
            path = f"/v1/requests/{asked.body['request_id']}/{decision}"
            answered = await self.post(path, body)
            assert answered.status < 400, answered
            if decision == "reject":
                self.refs.append(f"request-{asked.body['request_id']}")

    async def links(self, credential_id: str) -> None:
        """Links to claim, to see and to show; what she shows by pages of her own."""
        made = await self.post("/v1/claims", {"award": self.award(achievement="cooking")})
        assert made.status == 201, made
        await self.gateway.client().post(f"/v1/claim-links/{made.body['link'].rpartition('/')[2]}", {})
        await self.post("/v1/claims", {"award": self.award(valid_from="2026-05-02")})
        await self.post("/v1/claims", {"award": self.award(valid_from=TEXT)})
        for body in ({"credential_id": credential_id}, {"learner": TEXT}):
            await self.post("/v1/holder-links", body)
        link = await self.post("/v1/holder-links", {"learner": REF})
        assert link.status == 201, link
        own = f"/credentials/{link.body['link'].rpartition('/')[2]}"
        async with Reader(self.gateway) as reader:
            assert FAMILY in await reader.open(f"{own}/{credential_id}")
            for fields in (
                {"extent": "whole", "audience": f"{TEXT} HR", "days": "7"},
                {"extent": "parts", "date_of_birth": "yes"},
            ):
                await reader.send(f"{own}/{credential_id}/shares", fields)
                assert reader.status == 200, reader.text
            shares = {each for each in _SECRET.findall(reader.text) if each not in own}
            assert len(shares) == 2
            for each in shares:
                assert FAMILY in await reader.open(f"/credentials/{each}")
            for path in (f"{own}/export", *(f"{own}/{credential_id}/{name}" for name in ("pdf", "picture.png"))):
                async with reader.session.get(reader.url + path) as response:
                    assert (response.status, len(await response.read()) > 1_000) == (200, True), path

    async def imports(self) -> None:
        """Documents of another system."""
        for document in _DOCUMENTS:
            await self.post(f"/v1/imports/elm?learner_ref={REF}", document)
        metadata = {"title": TEXT, "learner": {"name": f"{GIVEN} {FAMILY}"}, "email": MAIL}
        await self.post(f"/v1/imports/microhe?learner_ref={REF}", msgspec.json.encode(metadata))

    async def stacks(self) -> None:
        """Advice, a preview, a stack, and stacks that are refused."""
        parts = []
        for name in ("databases", "statistics"):
            issued = await self.post("/v1/credentials", self.award(achievement=name))
            assert issued.status == 201, issued
            parts.append(issued.body["credential_id"])
        uris = [self.uris[name] for name in ("databases", "statistics")]
        await self.office.describe("data", ects_hundredths=600, recipe={"required_achievements": uris})
        assert (await self.office.client.get(f"/v1/learners/{REF}/stacks")).status == 200
        body = self.award(achievement="data") | {"components": sorted(parts)}
        assert (await self.office.client.post("/v1/stacks/preview", body)).status == 200
        for said, status in ((body, 201), (body | {"valid_from": TEXT}, 422), (body | {"components": parts[:1]}, 422)):
            answered = await self.post("/v1/stacks", said)
            assert answered.status == status, answered

    async def applications(self) -> None:
        """What she applies for by program and on a page, with a file; decided by forms, appealed, decided anew."""
        programme = f"{self.office.created.admission_request.uri_prefixes[0]}programmes/data"
        await self.office.client.send("PUT", "/v1/settings", {"programmes": [{"uri": programme, "title": "Data"}]})
        body = {
            "institution": self.office.slug,
            "programme": programme,
            **HOLDER,
            "statement": TEXT,
            "evidence": [{"dossier": {"title": TEXT, "description": f"{TEXT} {FAMILY}"}}],
        }
        made = await self.gateway.client().post("/v1/recognition-applications", body)
        assert made.status == 201, made
        path = f"/v1/recognition-applications/{made.body['application_id']}"
        said = {"decision": "refused", "reasons": ["other"], "text": f"{TEXT} {FAMILY}", "assessor": f"{TEXT} {GIVEN}"}
        decided = await self.post(f"{path}/items/1/decision", said)
        assert decided.status == 200, decided
        link = f"/v1/application-links/{made.body['secret']}"
        await self.gateway.client().post(f"{link}/items/1/appeal", {"text": f"{TEXT} {MAIL}"})
        await self._hers(path)
        for is_known_as_hers in (True, False):
            await self._page_to_page(programme, is_known_as_hers=is_known_as_hers)

    async def _hers(self, path: str) -> None:
        whose = await self.post(f"{path}/learner", {"learner": REF}, method="PUT")
        assert whose.status == 200, whose

    async def _page_to_page(self, programme: str, *, is_known_as_hers: bool) -> None:
        """Apply after a mistake, which gives the file back; decide after one; appeal, be reminded, decide anew."""
        refusal = {
            "decision": "refused",
            "reason-other": "1",
            "text": f"{TEXT} {FAMILY}",
            "assessor": f"{TEXT} {GIVEN}",
        }
        made = await self.office.client.post("/v1/keys", {"name": "second", "scopes": ["recognitions:write"]})
        async with Reader(self.gateway) as applicant, Reader(self.gateway) as decider, Reader(self.gateway) as second:
            await decider.sign_in(self.office.created.api_key)
            before = set(_APPLICATION.findall(await decider.open(_WAITING)))
            own = await self._applied(applicant, programme)
            (path,) = set(_APPLICATION.findall(await decider.open(_WAITING))) - before
            assert FAMILY in await decider.open(path)
            await decider.decide(path, 1, refusal | {"decision": ""})
            assert decider.status == 422, decider.text
            await decider.decide(path, 1, refusal)
            assert decider.status == 200, decider.text
            await applicant.send(f"{own}/items/1/appeal", {"text": f"{TEXT} {MAIL}"})
            assert applicant.status == 200, applicant.text
            await self._remind()
            await second.sign_in(str(made.body["api_key"]), then=path)
            await second.decide(path, 1, refusal)
            assert second.status == 200, second.text
        api = f"/v1/recognition-applications/{path.rpartition('/')[2]}"
        await self._read(f"{api}/export")
        if is_known_as_hers:
            await self._hers(api)
        else:
            self.own_links.append(f"/v1/application-links/{own.rpartition('/')[2]}")

    async def _applied(self, applicant: Reader, programme: str) -> str:
        fields = {"programme": programme, **HOLDER, "statement": TEXT}
        fields |= {"dossier_title": TEXT, "dossier_description": f"{TEXT} {FAMILY}"}
        page = f"/recognition/{self.office.slug}"
        await applicant.send(page, fields | {"given_name": ""}, *_DOCUMENTS[:1])
        assert (applicant.status, FAMILY in applicant.text) == (422, True)
        await applicant.send(page, fields, *_DOCUMENTS[:1])
        assert applicant.address.startswith("/applications/"), applicant.text
        return applicant.address

    async def _remind(self) -> None:
        async with connected(self.gateway.database.owner_url, application_name="test") as connection:
            await connection.execute("UPDATE application SET due_at = now() - interval '1 day'")
        assert self.gateway.commands is not None
        await self.gateway.commands.remind_offices.remind()
        assert (await self.office.client.get("/v1/reminders")).body["reminders"]

    async def papers(self) -> None:
        """Papers and documents of all that she holds, and every list that staff read."""
        found = (await self.office.client.get(f"/v1/credentials?learner={REF}")).body["credentials"]
        assert len(found) > 5
        for each in found[:3]:
            for name in ("pdf", "document", "picture.svg"):
                await self._read(f"/v1/credentials/{each['credential_id']}/{name}")
        for path in ("/v1/requests", "/v1/recognition-applications", "/v1/batches", "/v1/audit-trail"):
            await self._read(path)

    async def _read(self, path: str) -> None:
        headers = {"Authorization": f"Bearer {self.office.created.api_key}"}
        async with self.gateway.ledger.session.get(self.gateway.url + path, headers=headers) as response:
            assert response.status == 200, (path, await response.text())
