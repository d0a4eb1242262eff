"""Towards which programmes an institution takes applications for recognition. Pure."""

from proto.problem import InvalidProblem
from proto.sentence import sentence
from services.issuer_gateway.domain.awarding import is_own_uri
from services.issuer_gateway.domain.tenant import Tenant


def check_programme(tenant: Tenant, programme: str) -> None:
    """Raise `InvalidProblem`, with a pointer, for a programme towards which the institution takes no applications."""
    if tenant.programmes is not None and programme not in {each.uri for each in tenant.programmes}:
        raise InvalidProblem(
            sentence(
                "{institution} takes no applications towards this programme; its own programmes say towards which",
                institution=tenant.legal_name,
            ),
            pointer="/programme",
        )
    check_own_programme(tenant, programme, pointer="/programme")


def check_own_programme(tenant: Tenant, programme: str, *, pointer: str) -> None:
    """Raise `InvalidProblem`, with this pointer, for a programme whose address is none of the institution's."""
    if not is_own_uri(tenant, programme):
        raise InvalidProblem(
            sentence(
                "The programme is one of {institution}, so its address begins with {beginnings}",
                institution=tenant.legal_name,
                beginnings=" or ".join(tenant.uri_prefixes),
            ),
            pointer=pointer,
        )


def title_of(tenant: Tenant, programme: str) -> str | None:
    """Return what the institution calls a programme of its own, where it says so."""
    return next((each.title for each in tenant.programmes or () if each.uri == programme), None)
