"""`credentify doctor`: looks at settings, files, disks, databases, clocks, the network and versions; says what to do.

It changes nothing and reads no row of anybody's. Exit status: 0 nothing is wrong, 1 something is, 3 something could not
be looked at.
"""

import os
import sys
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import urlsplit

import aiohttp
import click

from proto.problem import InvalidProblem
from services.clients.http_session import client_session
from services.command.doctor_database import database
from services.command.doctor_findings import KINDS, Diagnosis, worst_first
from services.command.doctor_machine import machine, settings_of
from services.command.doctor_network import network
from services.command.healthcheck import addresses
from services.command.home import default_folder, read_addresses
from services.command.output import EXIT_PROBLEM, as_json_option, command, console, print_json
from services.issuer_gateway.config import Config as GatewayConfig
from services.ledger.config import Config as LedgerConfig

EXIT_COULD_NOT_LOOK = 3
_MARKS = {"good": "ok", "note": "note", "bad": "BAD", "unknown": "?"}


def environ_of(folder: Path) -> dict[str, str]:
    """Return the settings of the services that `credentify up` runs on a data folder; raises `InvalidProblem`."""
    found = read_addresses(folder)
    ports = {name: str(urlsplit(getattr(found, name)).port) for name in KINDS}
    log = {"LEDGER_URL": found.ledger, "LOG_VERIFIER_KEY": found.log_verifier_key, "REGISTRAR": found.registrar}
    settings = {
        "ledger": {
            "DATABASE_URL": found.ledger_database,
            "FREE_SPACE_FOLDER": found.data,
            "LOG_KEY_FILE": f"{found.data}/ledger/log.key",
            "STATE_FOLDER": f"{found.data}/ledger",
        },
        "gateway": log
        | {
            "DATABASE_URL": found.gateway_database,
            "PUBLIC_URL": found.gateway,
            "MASTER_KEY_FILE": found.master_key_file,
            "OPERATOR_TOKEN_FILE": found.operator_token_file,
        },
        "verifier": log | {"DATABASE_FILE": found.verifier_file},
    }
    return {
        KINDS[service][1] + name: value
        for service, given in settings.items()
        for name, value in (given | {"PORT": ports[service]}).items()
    }


@click.command("doctor")
@click.argument("services", nargs=-1, type=click.Choice(list(KINDS)))
@click.option("--data", type=click.Path(path_type=Path, file_okay=False), help="Look at what `up` runs on this folder.")
@as_json_option
@command
async def doctor(*, services: tuple[str, ...], data: Path | None, as_json: bool) -> None:
    """Look whether the services of this environment can run as they should, and say what to do.

    Run it as the service's user, with its settings. Without any it looks at what `credentify up` runs.
    """
    environ: Mapping[str, str] = os.environ
    if data is not None or not addresses(environ):
        environ = dict(os.environ) | _of_up(data)
    configured = addresses(environ)
    if missing := [service for service in services if service not in configured]:
        raise InvalidProblem(f"This environment configures no {missing[0]}: run it where CREDENTIFY_… is set")
    findings: list[Diagnosis] = []
    async with client_session() as session:
        for service in services or configured:
            findings += await _looked_at(service, environ, session)
    if as_json:
        print_json(findings)
    else:
        _show(findings)
    states = {finding.state for finding in findings}
    sys.exit(EXIT_PROBLEM if "bad" in states else EXIT_COULD_NOT_LOOK if "unknown" in states else 0)


def _of_up(data: Path | None) -> dict[str, str]:
    """Return what `environ_of` says of a folder, or of the usual one; who has neither is told what to do instead."""
    named = data or os.environ.get("CREDENTIFY_DATA")
    try:
        return environ_of(Path(named) if named else default_folder())
    except InvalidProblem as problem:
        if named:
            raise
        raise InvalidProblem(
            "This environment has no setting of a service, and no `credentify up` runs for this user. Run it as the "
            "service is run (systemd: sh systemd/as-service.sh ledger credentify doctor ledger; in its container: "
            "credentify doctor), or name the folder of `up` with --data"
        ) from problem


async def _looked_at(service: str, environ: Mapping[str, str], session: aiohttp.ClientSession) -> list[Diagnosis]:
    """Return what is found of a service: what each part finds does not depend on the others."""
    config, found = settings_of(service, environ)
    if config is None:
        return [found]
    findings = [found, *machine(service, config)]
    if isinstance(config, LedgerConfig | GatewayConfig):
        findings += [each async for each in database(service, config)]
    return findings + [each async for each in network(service, config, session, addresses(environ)[service])]


def _show(findings: list[Diagnosis]) -> None:
    for finding in findings:
        console.print(
            f"{_MARKS[finding.state]:<5}{finding.service:<9}{finding.about:<20}{finding.found}", soft_wrap=True
        )
    todo = list(worst_first(findings))
    if not todo:
        console.print("\nnothing is wrong")
        return
    console.print("\nto do")
    for finding in todo:
        console.print(f"{_MARKS[finding.state]:<5}{finding.service} {finding.about}: {finding.todo}", soft_wrap=True)
