"""`credentify migrate`: brings the tables of ledger and gateway to this version, as their owner, and ends.

A job of its own before the services of a new version start; then no service needs to know the owner's password.
"""

import os
from typing import Annotated

import click
import msgspec

from services.command.output import as_json_option, command, console, print_json
from services.operator_fault import OperatorFault
from services.persistence.database_setup import migrate_where_owned
from services.settings import FILE_ENDING, load_settings

_PACKAGES = {"ledger": "services.ledger.migrations", "gateway": "services.issuer_gateway.migrations"}


class NothingToMigrateFault(OperatorFault):
    """The environment names no database whose owner could be asked."""

    title = "There is nothing to migrate"


class MigrationSettings(msgspec.Struct, frozen=True, kw_only=True):
    """What this needs of a service's settings."""

    database_url: Annotated[str, msgspec.Meta(description="The database as the service's running role")]
    migration_database_url: Annotated[str, msgspec.Meta(description="The same database as its owner")]


def migration_settings(service: str) -> MigrationSettings | None:
    """Return what the environment says of a service's database, None where it does not name its owner.

    Raises `SettingsFault`.
    """
    prefix = f"CREDENTIFY_{service.upper()}_"
    names = [
        prefix + field.upper() + ending for field in MigrationSettings.__struct_fields__ for ending in ("", FILE_ENDING)
    ]
    given = {name: os.environ[name] for name in names if os.environ.get(name)}
    if not any("MIGRATION" in name for name in given):
        return None
    return load_settings(MigrationSettings, prefix, given)


@click.command("migrate")
@click.argument("services", nargs=-1, type=click.Choice(list(_PACKAGES)))
@as_json_option
@command
async def migrate(*, services: tuple[str, ...], as_json: bool) -> None:
    """Bring the tables of ledger and gateway (or of the one named) to this version, as the databases' owners.

    Reads CREDENTIFY_LEDGER_DATABASE_URL, CREDENTIFY_LEDGER_MIGRATION_DATABASE_URL and the same of the gateway; a name
    with _FILE behind it points to a file.
    """
    settings = {service: found for service in services or _PACKAGES if (found := migration_settings(service))}
    missing = [service for service in services or _PACKAGES if service not in settings]
    if missing and (services or not settings):
        asked = " and ".join(f"CREDENTIFY_{service.upper()}_MIGRATION_DATABASE_URL" for service in missing)
        raise NothingToMigrateFault(f"Set {asked}: the database's URL as its owner")
    applied = {
        service: await migrate_where_owned(
            found.database_url, found.migration_database_url, _PACKAGES[service], application_name="credentify-migrate"
        )
        for service, found in settings.items()
    }
    if as_json:
        print_json(applied)
        return
    for service, numbers in applied.items():
        said = f"applied {', '.join(map(str, numbers))}" if numbers else "is of this version"
        console.print(f"{service:<10}{said}")
