"""Texts of institutions on the gateway's pages: with their line breaks, and each in the direction of its letters."""

from tests.support.gateways import RunningGateway, achievement

ARABIC = "مهارات البيانات"


async def test_line_breaks_and_right_to_left_texts_are_shown_as_such(gateway: RunningGateway) -> None:
    office = await gateway.institution("waterland", legal_name=f"جامعة {ARABIC}")
    texts = {"title": {"ar": ARABIC}, "description": {"ar": f"{ARABIC}\n\nب"}, "criteria": {"ar": "أ\nب"}}
    body = achievement("data", language="ar", takes_requests=True, **texts)
    assert (await office.client.post("/v1/achievements", body)).status == 201
    async with gateway.ledger.session.get(f"{gateway.url}/issuers/waterland/achievements/data/page") as response:
        page = await response.text()
    assert f'<h1 lang="ar" dir="auto">{ARABIC}</h1>' in page
    assert f'<p lang="ar" dir="auto">{ARABIC}\n\nب</p>' in page
    assert '<dd lang="ar" dir="auto">أ\nب</dd>' in page
    assert f"<bdi>جامعة {ARABIC}</bdi>" in page
    assert '[dir="auto"] { white-space: pre-line; unicode-bidi: isolate; text-align: left; }' in page
