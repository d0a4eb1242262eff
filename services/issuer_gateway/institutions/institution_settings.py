"""What an institution sets for itself: gates, days, programmes, grades; checked, and changed one after the other."""

from collections.abc import Mapping, Sequence

import msgspec
from msgspec import UNSET

from proto.documents.wording import check_texts
from proto.problem import InvalidProblem
from proto.sentence import sentence
from proto.wire.institutions import PROGRAMMES_MAX, GradeCondition, Programme, SettingsRequest
from services.issuer_gateway.domain.programmes import check_own_programme
from services.issuer_gateway.domain.tenant import Tenant, zone_named
from services.issuer_gateway.store import tenants
from services.persistence.postgres import Connection


def check_settings(tenant: Tenant, said: SettingsRequest) -> None:
    """Raise `InvalidProblem`, with a pointer, for settings that the institution may not have."""
    if said.time_zone:
        zone_named(said.time_zone)
    check_programmes(tenant, said.programmes or ())
    check_programmes(tenant, said.put_programmes or (), at="/put_programmes")
    conditions = () if said.grade_conditions is UNSET else said.grade_conditions
    check_grade_conditions(tenant, {f"/grade_conditions/{number}": each for number, each in enumerate(conditions)})


async def change_settings(connection: Connection, tenant: Tenant, said: SettingsRequest) -> Tenant:
    """Change what is said of settings in the caller's transaction; return the institution as it is now.

    Raises `InvalidProblem` for one programme too many.
    """
    values = {name: value for name, value in msgspec.structs.asdict(said).items() if value is not UNSET}
    put, removed = values.pop("put_programmes", ()), values.pop("remove_programmes", ())
    found = await tenants.change_settings(connection, tenant.institution_id, **values)
    for uri in removed:
        found = await remove_programme(connection, found, uri)
    for number, programme in enumerate(put):
        found = await put_programme(connection, found, programme, pointer=f"/put_programmes/{number}")
    return found


async def put_programme(
    connection: Connection, tenant: Tenant, programme: Programme, *, pointer: str = "/title"
) -> Tenant:
    """Take applications towards a programme, or call it otherwise, in the caller's transaction.

    Returns the institution as it is now; raises `InvalidProblem` for one programme too many.
    """
    held = (await tenants.locked(connection, tenant.institution_id)).programmes or ()
    kept = [programme if each.uri == programme.uri else each for each in held]
    if programme not in kept:
        kept.append(programme)
    if len(kept) > PROGRAMMES_MAX:
        said = sentence("At most {count} programmes are named: take one away first", count=PROGRAMMES_MAX)
        raise InvalidProblem(said, pointer=pointer)
    return await tenants.change_settings(connection, tenant.institution_id, programmes=tuple(kept))


async def remove_programme(connection: Connection, tenant: Tenant, uri: str) -> Tenant:
    """Take no more applications towards a programme, in the caller's transaction; those that wait stay."""
    held = (await tenants.locked(connection, tenant.institution_id)).programmes
    if held is None or all(each.uri != uri for each in held):
        return tenant
    kept = tuple(each for each in held if each.uri != uri)
    return await tenants.change_settings(connection, tenant.institution_id, programmes=kept)


def check_programmes(tenant: Tenant, programmes: Sequence[Programme], *, at: str = "/programmes") -> None:
    """Raise `InvalidProblem`, with a pointer, for a programme of somebody else, or a title that nobody can read."""
    for number, programme in enumerate(programmes):
        check_texts([(f"{at}/{number}/title", programme.title)])
        check_own_programme(tenant, programme.uri, pointer=f"{at}/{number}/uri")


def check_grade_conditions(tenant: Tenant, conditions: Mapping[str, GradeCondition]) -> None:
    """Raise `InvalidProblem` for somebody else's programme, or grades that nobody can read; by pointer to each."""
    for at, each in conditions.items():
        check_texts((f"{at}/grades/{place}", grade) for place, grade in enumerate(each.grades))
        check_own_programme(tenant, each.programme, pointer=f"{at}/programme")
