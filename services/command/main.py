"""The root of the `credentify` command; imports a subcommand's room only when it is called."""

import gc
import importlib
import os
import re
import sys
from collections.abc import Mapping
from typing import Any, NoReturn

import click

from services.call_context import begin_traced
from services.command.output import (
    EXIT_COULD_NOT_ASK,
    EXIT_INTERRUPTED,
    EXIT_PROBLEM,
    EXIT_USAGE,
    REFUSALS,
    exit_crashed,
    exit_if_lost,
    print_problem,
    settle_output,
)

_ROOMS: Mapping[str, tuple[str, str]] = {
    "up": ("services.command.up", "Start database, ledger, gateway and verifier on this machine."),
    "remove": ("services.command.remove", "Take away what `up` made: its data folder, and its database."),
    "demo": ("services.command.demo", "Run the main job against running services."),
    "env": ("services.command.env", "Print addresses and files of a running `up` for the shell."),
    "verify": ("services.command.verify", "Ask whether a credential document is authentic and still holds."),
    "batch": ("services.command.batch", "Issue, revoke, suspend or reissue what a file lists."),
    "request": ("services.command.request", "Ask for an achievement, or decide on who asked."),
    "claim": ("services.command.claim", "Make one-time links to credentials, or use one."),
    "credential": ("services.command.credential", "Fetch a credential's paper or picture, or make a secret link."),
    "recognition": ("services.command.recognition", "Apply for recognition of what others taught, or decide on it."),
    "stacks": ("services.command.stacks", "See what can be made of credentials; nothing is signed."),
    "decision": ("services.command.decision", "Decide once how an achievement of another institution counts."),
    "grades": ("services.command.grades", "Say for which grades standing decisions decide at once, or try it out."),
    "agreement": ("services.command.agreement", "Agree with another institution what counts at either."),
    "endorsement": ("services.command.endorsement", "Invite institutions to endorse credentials, or endorse some."),
    "reminders": ("services.command.reminders", "See which applications for recognition are to be decided soon."),
    "retention": ("services.command.retention", "See or say for how long an institution keeps what."),
    "trail": ("services.command.trail", "Export an institution's audit trail, or check one that was exported."),
    "quality-register": (
        "services.command.quality_register",
        "Make the copy of a register of quality reports that verifiers read.",
    ),
    "esco": ("services.command.esco", "Load ESCO's official list of skills into a gateway."),
    "bundle": ("services.command.bundle", "Fetch all that shows offline that a credential is authentic."),
    "audit": ("services.command.audit", "Follow a log as an independent auditor who knows its public key alone."),
    "evidence": ("services.command.evidence", "Check what somebody found against a log, from the file alone."),
    "fsck": ("services.command.fsck", "Recompute every hash, link, tile, root and projection."),
    "doctor": ("services.command.doctor", "Look whether the services can run as they should, and say what to do."),
    "snapshot": (
        "services.command.snapshot",
        "Copy a verifier's records, signed, or begin with such a copy.",
    ),
    "backup": ("services.command.backup", "Copy ledger and gateway with the log's key and the signer's memory."),
    "restore": ("services.command.restore", "Fill empty databases from a backup, and check everything again."),
    "verifier-key": ("services.command.verifier_key", "Make an API key of a verifier, with quotas."),
    "keygen": ("services.command.keygen", "Make a key: an institution's recovery key, or a registrar's."),
    "registrar": ("services.command.registrar", "Sign what only the registrar may say."),
    "stolen-key": ("services.command.stolen_key", "Condemn stolen keys and replace them, in one act."),
    "say-again": ("services.command.say_again", "Say again what a condemned key made void and was genuine."),
    "ledger": ("services.command.ledger", "Run the ledger alone, or create its log."),
    "gateway": ("services.command.gateway", "Run the issuer gateway alone."),
    "verifier": ("services.command.verifier", "Run the verifier alone."),
    "migrate": ("services.command.migrate", "Bring the tables of ledger and gateway to this version, and end."),
    "healthcheck": ("services.command.healthcheck", "Ask the services of this environment whether they live."),
}

_SERVING = frozenset({"up", "ledger", "gateway", "verifier"})
_TRACEPARENT = re.compile(r"00-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}")
"""What a shell or a job hands over in `TRACEPARENT`, so that what the command asks is a part of its trace."""


class Rooms(click.Group):
    """A group whose subcommands are found by name and imported when called (start-up stays short)."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        """Return the names in the order of a first reading."""
        return list(_ROOMS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Return the subcommand of that name, or None."""
        if cmd_name not in _ROOMS:
            return super().get_command(ctx, cmd_name)
        found = getattr(importlib.import_module(_ROOMS[cmd_name][0]), cmd_name.replace("-", "_"))
        gc.enable()  # nothing of what was loaded since `services.__main__` is garbage
        assert isinstance(found, click.Command), "each room holds a click command of its name"
        return found

    def main(self, *args: Any, **options: Any) -> Any:
        """Run the command; whatever its output goes to is never what breaks."""
        settle_output()
        return super().main(*args, **options)

    def make_context(
        self, info_name: str | None, args: list[str], parent: click.Context | None = None, **extra: Any
    ) -> click.Context:
        """Return the context; an option that there is not ends with 64."""
        try:
            return super().make_context(info_name, args, parent, **extra)
        except click.UsageError as error:
            _exit_called_wrongly(error, EXIT_USAGE)

    def invoke(self, ctx: click.Context) -> Any:
        """Run the subcommand. Status 1 and 2 are answers of a command.

        A call that cannot be followed ends with 64 (of `verify` with 3, as all that could not be asked), a crash with
        70, an interrupt with 130.
        """
        try:
            found = super().invoke(ctx)
            exit_if_lost()
        except click.UsageError as error:
            _exit_called_wrongly(error, EXIT_COULD_NOT_ASK if ctx.invoked_subcommand == "verify" else EXIT_USAGE)
        except (click.ClickException, click.exceptions.Exit, click.Abort):
            raise
        except REFUSALS as problem:
            print_problem(problem, as_json=False)
            sys.exit(EXIT_PROBLEM)
        except KeyboardInterrupt:
            sys.exit(EXIT_INTERRUPTED)
        except SystemExit as end:
            if not end.code:
                exit_if_lost()
            raise
        except Exception as error:  # noqa: BLE001 - nothing but this may end with a status that is no answer
            exit_crashed(error)
        return found

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the list of subcommands without importing them."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, _ROOMS[name][1]) for name in self.list_commands(ctx)])


def _exit_called_wrongly(error: click.UsageError, status: int) -> NoReturn:
    error.show()
    sys.exit(status)


@click.command(cls=Rooms)
@click.version_option(package_name="credentify", message="credentify %(version)s")
@click.pass_context
def main(ctx: click.Context) -> None:
    """Credentify: a clearinghouse for micro-credentials on a transparency log."""
    sent = os.environ.get("TRACEPARENT", "")
    if ctx.invoked_subcommand not in _SERVING and _TRACEPARENT.fullmatch(sent):
        begin_traced(sent)
