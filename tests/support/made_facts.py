"""Facts of a credential for papers."""

from typing import Any

from proto.moment import Moment
from services.issuer_gateway.papers.standing import ShownState
from services.issuer_gateway.papers.supplement import Facts

ID = "0123456789abcdef" * 4
NOW = Moment("2026-11-29T02:00:00.000Z")


def made_facts(state: str = "active", **fields: Any) -> Facts:
    values: dict[str, Any] = {
        "credential_id": ID,
        "legal_name": "Politechnika Nadmorska",
        "country": "PL",
        "did": "did:web:nadmorska.example",
        "shown_state": ShownState(state=state, at=NOW),
        "check_url": f"https://verifier.example/c/{ID}",
    }
    return Facts(**(values | fields))
