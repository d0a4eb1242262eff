"""`credentify evidence FILE`: checks what an auditor or a verifier found against a log. Asks nobody.

Exit status: 0 it is proven that the log is faulty, 1 the file proves nothing, 2 the log signed what the file shows, and
the rest follows from the log's other entries.
"""

import sys
from pathlib import Path

import click

from proto.log.finding import decode_finding
from proto.log.finding_check import Checked, check_finding
from proto.log.note_key import parse_vkey
from proto.problem import MalformedProblem
from services.command.output import EXIT_PROBLEM, REFUSALS, as_json_option, console, print_json, print_problem
from services.command.terminal import clean
from services.policy_file import read_policy_about

EXIT_SIGNED = 2
_STATUS = {"proven": 0, "unproven": EXIT_PROBLEM, "signed": EXIT_SIGNED}
_HEADS = {
    "proven": "PROVEN: the log is faulty, by its own signature",
    "unproven": "NOT PROVEN by this file",
    "signed": "SIGNED BY THE LOG: whether it breaks a rule follows from its other entries",
}


@click.command()
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--key", metavar="VKEY", help="The log's public key, as its operator publishes it; else the file's.")
@click.option(
    "--policy",
    metavar="FILE",
    help="Witnesses whose times you believe (C2SP tlog-policy): without it, no entry is proven to be misdated.",
)
@as_json_option
def evidence(*, file: Path, key: str | None, policy: str | None, as_json: bool) -> None:
    """Check the evidence in FILE against a log, from the file alone: who signed what, and what contradicts what."""
    try:
        finding = decode_finding(_read(file))
        obeyed = read_policy_about(Path(policy), parse_vkey(key or finding.verifier_key)) if policy else None
        checked = check_finding(finding, key=parse_vkey(key) if key else None, policy=obeyed)
    except REFUSALS as problem:
        print_problem(problem, as_json=as_json)
        sys.exit(EXIT_PROBLEM)
    if as_json:
        print_json({"log": finding.origin, "kind": finding.kind, "is_key_given": key is not None, "result": checked})
    else:
        _print(finding.origin, finding.kind, checked, is_key_given=key is not None)
    sys.exit(_STATUS[checked.grade])


def _read(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError as error:
        raise MalformedProblem(f"{file} cannot be read: {error.strerror}") from error


def _print(origin: str, kind: str, checked: Checked, *, is_key_given: bool) -> None:
    console.print(f"{clean(origin)} ({clean(kind)}): {_HEADS[checked.grade]}")
    for step in checked.steps:
        console.print(f"  - {clean(step)}")
    if checked.remains:
        console.print(f"  {clean(checked.remains)}")
    if not is_key_given and checked.grade != "unproven":
        console.print("  By the key in the file: see that it is the log's own, or say --key")
