"""What a copy of the quality register says stands beside what an institution states, in every answer, with its day."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from tests.support.command_shell import Shell
from tests.support.gateways import RunningGateway
from tests.support.judged import Verifier, document_of, running_verifier
from tests.support.ledgers import RunningLedger, until

Json = dict[str, Any]
REPORT = "https://data.deqar.eu/report/47569"
CSV = "report_id,agency,institutions,decision,valid_to\n47569,NVAO,Hogeschool College,positive,2031-01-01\n"


async def _page(verifier: Verifier, ledger: RunningLedger, path: str) -> str:
    async with ledger.session.get(verifier.url + path, headers={"Accept": "text/html", "Accept-Language": "de"}) as got:
        assert got.status == 200, path
        return await got.text()


async def _valid(verifier: Verifier, document: Json) -> Json:
    """Return the answer once the records are fresh: no verdict rests on the register."""

    async def ask() -> Json | None:
        answer = await verifier.answer(document)
        return answer if answer["verdict"] == "valid" else None

    return await until(ask, "the verifier is up to date")


async def test_what_the_register_has_is_told_apart_from_what_is_stated_and_from_what_is_not_known(
    gateway: RunningGateway, ledger: RunningLedger, tmp_path: Path
) -> None:
    accreditation = {"body": "NVAO", "url": REPORT}
    college = await gateway.institution("college", accreditation=accreditation)
    quality = [
        {"type": "institutional-quality-assurance", "name": "NVAO", "url": REPORT},
        {"type": "programme-quality-assurance", "name": "NVAO", "code": "DEQAR:1"},
        {"type": "programme-licence", "name": "The ministry"},
    ]
    await college.describe("hydrology", quality_assurance=quality)
    issued = await college.issue("hydrology")
    await college.published(issued.credential_id)
    document = await document_of(college, issued.credential_id)
    listed, copy = tmp_path / "deqar.csv", tmp_path / "register.json"
    listed.write_text(CSV)
    today = datetime.now(UTC).date()
    shell = Shell(gateway, tmp_path, college)
    said = await shell.run("quality-register", "import", str(listed), "--day", today.isoformat(), "--into", str(copy))
    assert said.startswith("1 report, copied on ")

    async with running_verifier(ledger, tmp_path / "with", quality_register_file=copy) as verifier:
        for _ in range(2):  # as it is looked at, and as it is kept
            answer = await _valid(verifier, document)
            found = answer["issuer"]["accreditation"]["register"]
            assert (found["result"], found["copy_of"], found["agency"]) == ("found", today.isoformat(), "NVAO")
            stated = [each["register"]["result"] for each in answer["content"]["quality_assurance"]]
            assert stated == ["found", "not_found", "not_named"]
        by_id = await verifier.by_id(issued.credential_id)
        assert by_id["issuer"]["accreditation"]["register"]["result"] == "found"
        page = await _page(verifier, ledger, f"/issuers/{college.did}")
        assert f"Im Qualitätsregister gefunden, Bericht 47569 (Kopie vom {today.isoformat()})" in page
        assert "über Hogeschool College; von NVAO; positive; gültig bis 2031-01-01" in page

    old = (today - timedelta(days=200)).isoformat()
    await shell.run("quality-register", "import", str(listed), "--day", old, "--into", str(copy))
    async with running_verifier(ledger, tmp_path / "old", quality_register_file=copy) as verifier:
        found = (await verifier.answer(document))["issuer"]["accreditation"]["register"]
        assert found == {"result": "unknown", "report": 47569, "copy_of": old}
        assert "ist zu alt" in await _page(verifier, ledger, f"/issuers/{college.did}")

    async with running_verifier(ledger, tmp_path / "without") as verifier:
        found = (await verifier.answer(document))["issuer"]["accreditation"]["register"]
        assert found == {"result": "unknown", "report": 47569}
        assert "Hier ist keine Kopie davon" in await _page(verifier, ledger, f"/issuers/{college.did}")
    assert "--day" in await shell.run("quality-register", "import", str(listed), "--day", "x", "--into", "y", status=64)
