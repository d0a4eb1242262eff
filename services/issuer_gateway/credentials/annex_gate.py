"""The gate of Annex I: what is not complete enough, by gateway and institution, is not issued. Judges no truth."""

from typing import Any

from proto.documents.annex_i import AnnexGate, Element, annex_i, failing, strictest
from proto.documents.credential import Achievement, Award
from proto.problem import InvalidProblem
from services.issuer_gateway.domain.tenant import Tenant

_WHERE = {
    "achievement": "the achievement (PUT /v1/achievements/{id})",
    "award": "the award",
    "institution": "the institution's own record, which the operator makes",
}


class AnnexIncompleteProblem(InvalidProblem):
    """Mandatory elements of Annex I are not stated, or not well enough; the member `elements` lists them.

    Each has `within` (`achievement`, `award` or `institution`) and the `pointer` to where it belongs in that.
    """

    slug = "annex-i-incomplete"
    title = "Elements of the European standard are not stated"


def check_complete(own_gate: AnnexGate, tenant: Tenant, achievement: Achievement, award: Award) -> tuple[str, ...]:
    """Return notes on what is not stated, where the stricter of both gates warns; raises `AnnexIncompleteProblem`."""
    gate = strictest(own_gate, tenant.annex_gate)
    if gate == "off":
        return ()
    elements = failing(annex_i(achievement, issuer=tenant.issuer, award=award), gate)
    if not elements:
        return ()
    if gate == "warn":
        return tuple(f"Annex I, element {item.number}, {_words(item)}" for item in elements)
    raise AnnexIncompleteProblem(
        f"{'; '.join(map(_words, elements))[:1000]}. State it in {_where(elements)}",
        pointer=next((item.pointer for item in elements if item.within == "award"), "/achievement"),
        members={"gate": gate, "elements": [_listed(item) for item in elements]},
    )


def _words(item: Element) -> str:
    return f"{item.element} ({item.state}): {item.detail}"


def _where(elements: tuple[Element, ...]) -> str:
    return " and in ".join(_WHERE[within] for within in dict.fromkeys(item.within for item in elements))


def _listed(item: Element) -> dict[str, Any]:
    names = ("number", "element", "state", "detail", "within", "pointer")
    return {name: getattr(item, name) for name in names}
