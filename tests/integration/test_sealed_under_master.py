"""Nothing of a person is sealed under a key that outlives her, whatever way it came: each seal of that key is read.

The walk is an attacker's who holds database, backups and master key: what was sealed under that key alone stays open
for ever, also after an erasure, in every log and page of the database that ever held it.
"""

import base64
import json
from pathlib import Path
from typing import Any

import msgspec
import pytest

from services.issuer_gateway.keys.keystore import Keystore, Purpose
from tests.support.erased import assert_nowhere
from tests.support.gateways import Office, RunningGateway
from tests.support.ledgers import until

pytestmark = pytest.mark.usefixtures("rounds_by_hand")

REF = "qz-77001"
GIVEN, FAMILY, MAIL, URI = "Quirinia", "Zwaluwstaart", "quirinia@zwaluw.example", "https://zwaluwnest.example/q"
TEXT = "wijsgerige-bekentenis"
SAID = (REF, GIVEN, FAMILY, MAIL, URI, TEXT, "Quirínia")
HOLDER = {"given_name": GIVEN, "family_name": FAMILY, "email": MAIL}
DOCUMENTS = [file.read_bytes() for file in sorted(Path("tests/conformance/vectors/elm").glob("*.json*"))[:3]]
CSV, NDJSON = "text/csv", "application/x-ndjson"


class Seals:
    """What was sealed under the master key itself, by what it is for."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.seen: list[tuple[str, bytes]] = []
        seal = Keystore.seal

        def recorded(keystore: Keystore, plain: bytes, purpose: Purpose, name: str) -> bytes:
            self.seen.append((purpose, plain))
            return seal(keystore, plain, purpose, name)

        monkeypatch.setattr(Keystore, "seal", recorded)

    def assert_of_nobody(self) -> None:
        """Fail where one of them says anything of her, in whatever spelling JSON or base64 has for it."""
        assert {purpose for purpose, _ in self.seen} >= {"answer", "problem", "notes", "batch-key", "learner-key"}
        for purpose, plain in self.seen:
            for each in SAID:
                spelled = (each.encode(), json.dumps(each)[1:-1].encode(), base64.b64encode(each.encode())[:-4])
                assert not any(form in plain for form in spelled), (purpose, each, plain)


class Walk:
    """Everything that institutions and people say of one learner, each with a key, so that answers are kept."""

    def __init__(self, gateway: RunningGateway, office: Office) -> None:
        self.gateway, self.office = gateway, office
        self._number = 0

    def _key(self) -> str:
        self._number += 1
        return f"key-{self._number}"

    async def post(self, path: str, body: Any, *, media: str = "application/json", method: str = "POST") -> Any:
        """Send it twice, as whoever missed the answer does; return what was answered."""
        key = self._key()
        first, _ = [await self.office.client.send(method, path, body, media_type=media, key=key) for _ in range(2)]
        return first

    def award(self, **fields: Any) -> dict[str, Any]:
        learner = {"ref": REF, **HOLDER, "uri": URI}
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
            self.award(achievement=TEXT),
            self.award(result={"grade": TEXT}),
            {"award": TEXT},
        ):
            assert (await self.post("/v1/credentials", wrong)).status >= 400
        return str(issued.body["credential_id"])

    async def lists(self) -> None:
        """As lists and files: in all forms, small and in the background, rehearsed and real, with wrong rows."""
        header = "learner_ref,given_name,family_name,email,achievement,valid_from,grade\n"
        rows = (
            f"{REF},{GIVEN} &uuml;,null,{MAIL},rowing,2026-01-01,\n"
            f"{REF},{GIVEN},{FAMILY},{MAIL},hydrology,2026-01-02,\n"
            f"{REF},Quirínia,{FAMILY},{MAIL},hydrology,{TEXT},\n"
            f"{REF},{GIVEN},{FAMILY},{TEXT},hydrology,2026-01-03,\n"
            f"{REF},{GIVEN},null,{MAIL},hydrology,2026-01-04,\n"
            f"{REF},{GIVEN},{FAMILY},{MAIL},{TEXT},2026-01-05,{TEXT}\n"
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
            many = header + "".join(f"l-{n},A,B,,hydrology,2026-03-01,\n" for n in range(20)) + rows
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
        async def ask() -> bool | None:
            found = (await self.office.client.get(f"/v1/batches/{batch_id}")).body
            return found["state"] in {"finished", "failed"} or None

        await until(ask, "the file is done")

    async def requests(self) -> None:
        """What she asks for, and what she is answered."""
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

    async def links(self, credential_id: str) -> None:
        """Links to claim, to see and to show."""
        made = await self.post("/v1/claims", {"award": self.award(achievement="cooking")})
        assert made.status == 201, made
        await self.gateway.client().post(f"/v1/claim-links/{made.body['link'].rpartition('/')[2]}", {})
        await self.post("/v1/claims", {"award": self.award(valid_from="2026-05-02")})
        await self.post("/v1/claims", {"award": self.award(valid_from=TEXT)})
        for body in ({"learner": REF}, {"credential_id": credential_id}, {"learner": TEXT}):
            await self.post("/v1/holder-links", body)

    async def imports(self) -> None:
        """Documents of another system."""
        for document in DOCUMENTS:
            await self.post(f"/v1/imports/elm?learner_ref={REF}", document)
        metadata = {"title": TEXT, "learner": {"name": f"{GIVEN} {FAMILY}"}, "email": MAIL}
        await self.post(f"/v1/imports/microhe?learner_ref={REF}", msgspec.json.encode(metadata))

    async def applications(self) -> None:
        """An application that is decided, appealed against and found to be hers."""
        body = {
            "institution": self.office.slug,
            "programme": f"{self.office.created.admission_request.uri_prefixes[0]}programmes/data",
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
        await self.gateway.client().post(
            f"/v1/application-links/{made.body['secret']}/items/1/appeal", {"text": f"{TEXT} {MAIL}"}
        )
        whose = await self.post(f"{path}/learner", {"learner": REF}, method="PUT")
        assert whose.status == 200, whose


async def test_no_seal_of_the_master_key_holds_anything_of_a_person_and_an_erasure_leaves_nothing(
    gateway: RunningGateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("services.issuer_gateway.batches.batch_upload.BATCH_ROWS_MAX", 20)
    seals = Seals(monkeypatch)
    office = await gateway.institution("waterland")
    for name in ("hydrology", "sailing", "cooking", "rowing"):
        await office.describe(name, takes_requests=True)
    walk = Walk(gateway, office)
    credential_id = await walk.awards()
    await walk.lists()
    await walk.changes(credential_id)
    await walk.requests()
    await walk.links(credential_id)
    await walk.imports()
    await walk.applications()
    seals.assert_of_nobody()
    await assert_nowhere(gateway, SAID[1:])  # but for what the institution calls her: backups of now are kept
    erased = await office.client.send("DELETE", f"/v1/learners/{REF}")
    assert erased.status == 200, erased
    seals.assert_of_nobody()
    await assert_nowhere(gateway, SAID)
