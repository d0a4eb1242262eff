"""`credentify verifier-key`: makes an API key of a verifier: its hash goes into the file, the key is shown once."""

import secrets
from pathlib import Path

import click

from proto.problem import InvalidProblem
from services.command.output import as_json_option, command, console, print_json
from services.edge import token_hash
from services.verifier.limits.api_keys import API_KEY_PREFIX, ApiKeyEntry, read_keys

_DEFAULT = ApiKeyEntry(name="x", token_sha256="0" * 64)
_TOKEN_BYTES = 32


@click.command("verifier-key")
@click.argument("name")
@click.option(
    "--file",
    "path",
    type=click.Path(dir_okay=False, path_type=Path),
    required=True,
    help="The verifier's file of keys (CREDENTIFY_VERIFIER_API_KEYS_FILE); made if it is not there.",
)
@click.option("--requests-per-minute", type=click.IntRange(1), default=_DEFAULT.requests_per_minute, show_default=True)
@click.option("--documents-per-day", type=click.IntRange(1), default=_DEFAULT.documents_per_day, show_default=True)
@as_json_option
@command
async def verifier_key(
    *, name: str, path: Path, requests_per_minute: int, documents_per_day: int, as_json: bool
) -> None:
    """Make an API key NAME, with quotas. To revoke it, take its lines out of the file: a verifier reads it again."""
    if path.exists() and any(key.name == name for key in read_keys(path).values()):
        raise InvalidProblem(f"{path} has a key {name} already; choose another name, or take its lines out first")
    token = API_KEY_PREFIX + secrets.token_urlsafe(_TOKEN_BYTES)
    lines = (
        "[[keys]]",
        f'name = "{name}"',
        f'token_sha256 = "{token_hash(token).hex()}"',
        f"requests_per_minute = {requests_per_minute}",
        f"documents_per_day = {documents_per_day}",
    )
    _append(path, "\n".join(lines) + "\n")
    if as_json:
        print_json({"name": name, "api_key": token, "file": str(path)})
        return
    console.print(f"api key  {token}", soft_wrap=True, markup=False)
    console.print(f"         shown this once; {path} holds its hash only", soft_wrap=True, markup=False)


def _append(path: Path, text: str) -> None:
    """Write the file anew with more at its end, so that whoever reads it meanwhile sees the old one or the new one."""
    before = path.read_text(encoding="utf-8") if path.exists() else ""
    fresh = path.with_name(f".{path.name}.new")
    fresh.write_text(f"{before}\n{text}" if before else text, encoding="utf-8")
    try:
        read_keys(fresh)
        fresh.chmod(path.stat().st_mode & 0o777 if before else 0o640)
        fresh.replace(path)
    finally:
        fresh.unlink(missing_ok=True)
