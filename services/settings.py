"""From environment variables to one frozen `Config`, and from a `Config` to its manual. Knows no service's settings.

A `Config` is a frozen msgspec Struct; a field's variable is the prefix and its name in capitals, such as
`CREDENTIFY_LEDGER_PORT` for `port`. Secrets are fields of type `Path`: the variable names a file. Any other setting may
be in a file, too, which the variable with `_FILE` behind its name names: a database's URL holds a password.
"""

import difflib
import enum
import os
import re
import stat
import types
import urllib.parse
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Annotated, Any, TypeVar, Union, get_args, get_origin, get_type_hints

import msgspec

from proto.expected import in_words
from proto.log.note_key import parse_vkey
from proto.problem import Problem
from services.operator_fault import OperatorFault

Config = TypeVar("Config", bound=msgspec.Struct)

WEB_ADDRESS = {"form": "web address"}
"""The `extra` of a setting that names a service of HTTP: anything else is refused as it is read."""
LOG_KEY = {"form": "verifier key of a log"}
"""The `extra` of a setting that names a log by its verifier key: what is none is refused as it is read."""
SECRET_BYTES_MAX = 65_536
FILE_ENDING = "_FILE"
_LINK = re.compile(r"(?:tcp|udp|sctp)://[0-9A-Fa-f.:\[\]]+:[0-9]{1,5}")
_LINK_NAME = re.compile(r"(.+?)_PORT(?:_[0-9]{1,5}_(?:TCP|UDP|SCTP))?")
_LINK_ENDING = re.compile(r"PORT(?:_[0-9]{1,5}_(?:TCP|UDP|SCTP))?")
_LINK_PART = re.compile(r"[0-9A-Fa-f.:]+|tcp|udp|sctp")
_LINK_PART_ENDING = re.compile(
    r"SERVICE_HOST|SERVICE_PORT(?:_[A-Z0-9_]+)?|PORT_[0-9]{1,5}_(?:TCP|UDP|SCTP)_(?:PROTO|PORT|ADDR)"
)
_SEQUENCES = (tuple, list, frozenset, set)


class SettingsFault(OperatorFault):
    """The service does not start with these settings; for the operator, never sent over HTTP."""

    title = "The settings are wrong"


def load_settings(kind: type[Config], prefix: str, environ: Mapping[str, str]) -> Config:
    """Return the settings in the variables of `environ` that begin with `prefix` (which ends in `_`).

    Lists are separated by commas; an empty value means the field's default. Raises `SettingsFault` that names every
    variable that is unknown (with the nearest known one), not of its type or missing, and every file that is no
    secret's. What Kubernetes sets for a service of the same name counts as not given (`service_links`).
    """
    fields = {prefix + field.name.upper(): field for field in msgspec.structs.fields(kind)}
    links = service_links(environ)
    given = {name: value for name, value in environ.items() if name.startswith(prefix) and name not in links}
    hints = get_type_hints(kind, include_extras=True)
    unread = _read_files(given, fields)
    faults = [*unread.values(), *(_unknown(name, fields) for name in given if name not in fields)]
    values: dict[str, Any] = {}
    for name, field in fields.items():
        if not given.get(name):
            if field.required and name not in unread:
                faults.append(f"{name} must be set: {_description(hints[field.name])}")
            continue
        try:
            values[field.name] = _converted(given[name], hints[field.name])
            if _extra(hints[field.name]) == WEB_ADDRESS:
                http_url(values[field.name], name)
            if _extra(hints[field.name]) == LOG_KEY:
                log_key(values[field.name], name)
        except SettingsFault as problem:
            faults.append(problem.detail)
        except msgspec.ValidationError as error:
            faults.append(f"{name} is wrong: {in_words(str(error))}")
    if faults:
        raise SettingsFault("; ".join(faults))
    return kind(**values)


def _read_files(given: dict[str, str], known: Mapping[str, Any]) -> dict[str, str]:
    """Put what stands in the files that `NAME_FILE` names in the place of `NAME`; return what is wrong, by `NAME`."""
    faults = {}
    for name in [name for name in given if name not in known and name.removesuffix(FILE_ENDING) in known]:
        path, setting = given.pop(name), name.removesuffix(FILE_ENDING)
        if path and given.get(setting):
            faults[setting] = f"{setting} and {name} are both set: leave one of them out"
        elif path:
            try:
                given[setting] = read_secret(Path(path)).decode()
            except SettingsFault as fault:
                faults[setting] = f"{name}: {fault.detail}"
            except UnicodeDecodeError:
                faults[setting] = f"{name}: {path} is no text in UTF-8"
    return faults


def service_links(environ: Mapping[str, str]) -> frozenset[str]:
    """Return the variables that Kubernetes sets in every container for a service (`enableServiceLinks`).

    They are told by their values, since their names can be those of settings: `CREDENTIFY_LEDGER_PORT` is one of the
    service `credentify-ledger`, and then holds `tcp://10.0.0.1:8101`. Names that continue such a one belong to it.
    """
    bases = {
        found[1] for name, value in environ.items() if (found := _LINK_NAME.fullmatch(name)) and _LINK.fullmatch(value)
    }
    return frozenset(
        name
        for name, value in environ.items()
        if any(name.startswith(f"{base}_") and _is_of_link(name[len(base) + 1 :], value) for base in bases)
    )


def _is_of_link(ending: str, value: str) -> bool:
    if _LINK_ENDING.fullmatch(ending):
        return _LINK.fullmatch(value) is not None
    return _LINK_PART_ENDING.fullmatch(ending) is not None and _LINK_PART.fullmatch(value) is not None


def _unknown(name: str, known: Iterable[str]) -> str:
    nearest = difflib.get_close_matches(name, known, n=1, cutoff=0)
    return f"{name} is no setting; did you mean {nearest[0]}?" if nearest else f"{name} is no setting"


def _extra(hint: Any) -> dict[str, str] | None:
    notes = get_args(hint)[1:] if get_origin(hint) is Annotated else ()
    return next((note.extra for note in notes if isinstance(note, msgspec.Meta) and note.extra), None)


def _converted(text: str, hint: Any) -> Any:
    value: Any = text
    if _is_sequence(hint):
        value = [item.strip() for item in text.split(",") if item.strip()]
    return msgspec.convert(value, hint, strict=False, dec_hook=_path)


def _path(kind: type, value: Any) -> Any:
    if kind is Path:
        return Path(value)
    raise NotImplementedError(f"A setting of type {kind.__name__} cannot be read from a variable")


def _plain(hint: Any) -> Any:
    """Return a hint without its annotations and without `None`."""
    while get_origin(hint) is Annotated:
        hint = get_args(hint)[0]
    if get_origin(hint) in (Union, types.UnionType):
        members = [member for member in get_args(hint) if member is not type(None)]
        if len(members) == 1:
            return _plain(members[0])
    return hint


def _is_sequence(hint: Any) -> bool:
    return get_origin(_plain(hint)) in _SEQUENCES


def encode_settings(settings: msgspec.Struct) -> bytes:
    """Return settings as one line of JSON, for a process of our own."""
    return msgspec.json.encode(settings, enc_hook=str)


def decode_settings(line: bytes, kind: type[Config]) -> Config:
    """Return the settings that `encode_settings` wrote, also inside another Struct."""
    return msgspec.json.decode(line, type=kind, dec_hook=_path)


def describe_settings(kind: type[msgspec.Struct], prefix: str) -> list[tuple[str, str, str, str]]:
    """Return (variable, type, default, description) for each setting, in the order of the fields; README's table.

    The default is the text that the variable would hold, "" for an empty one, "(needed)" where there is none. Raises
    `TypeError` for a field without description: each field's description is its manual.
    """
    hints = get_type_hints(kind, include_extras=True)
    rows = []
    for field in msgspec.structs.fields(kind):
        description = _description(hints[field.name])
        if not description:
            raise TypeError(f"{kind.__name__}.{field.name} has no msgspec.Meta(description=…)")
        rows.append((prefix + field.name.upper(), _type_words(hints[field.name]), _default(field), description))
    return rows


def _description(hint: Any) -> str:
    """Return the description in a hint's annotations, also inside `X | None`; "" where there is none."""
    if get_origin(hint) is Annotated:
        inner, *notes = get_args(hint)
        for note in reversed(notes):
            if isinstance(note, msgspec.Meta) and note.description:
                return note.description
        return _description(inner)
    if get_origin(hint) in (Union, types.UnionType):
        return next(filter(None, map(_description, get_args(hint))), "")
    return ""


def _type_words(hint: Any) -> str:
    plain = _plain(hint)
    if get_origin(plain) in _SEQUENCES:
        return f"list of {_type_words(get_args(plain)[0])}"
    if isinstance(plain, type) and issubclass(plain, enum.Enum):
        return " | ".join(str(member.value) for member in plain)
    if not isinstance(plain, type):
        supertype = getattr(plain, "__supertype__", None)
        return _type_words(supertype) if supertype else " | ".join(map(str, get_args(plain))) or str(plain)
    return {str: "text", int: "whole number", float: "number", bool: "true | false", Path: "path"}.get(
        plain, plain.__name__
    )


def _default(field: msgspec.structs.FieldInfo) -> str:
    if field.required:
        return "(needed)"
    value = field.default_factory() if field.default is msgspec.NODEFAULT else field.default
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, _SEQUENCES):
        return ",".join(map(str, value))
    return str(value.value if isinstance(value, enum.Enum) else value)


def log_key(text: str, name: str) -> str:
    """Return a log's verifier key; raises `SettingsFault` that begins with `name` and says where the key is found."""
    try:
        parse_vkey(text)
    except Problem as problem:
        raise SettingsFault(
            f"{name} is no verifier key of a log, such as log.example.org/2026+1f2e3d4c+AQ…: `credentify ledger init` "
            "printed it, and /v1/log of the ledger shows it"
        ) from problem
    return text


def http_url(text: str, what: str) -> str:
    """Return the address of an HTTP service without a final slash; raises `SettingsFault`, which does not repeat it.

    `what` says in its words whose address it is.
    """
    try:
        parts = urllib.parse.urlsplit(text)
        is_address = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:
        is_address = False
    if not is_address or parts.query or parts.fragment or not text.isprintable() or " " in text:
        raise SettingsFault(
            f"{what} is no web address: it begins with http:// or https:// and names a host, such as "
            "https://ledger.example.org"
        )
    return text.rstrip("/")


def unreadable(path: Path, error: OSError) -> str:
    """Return in words that a file cannot be read, and by whom: a service may run as another user, with another HOME."""
    return (
        f"{path.absolute()} cannot be read: {error.strerror} (as user {os.geteuid()}, whose HOME is "
        f"{os.environ.get('HOME', 'not set')})"
    )


def may_others_read(path: Path) -> bool:
    """Tell whether somebody else than whom a secret is for may read its file.

    A file of our own has mode 0600; one of root's may be readable by a group of ours: so Kubernetes (`fsGroup`) and
    systemd (`LoadCredential`) hand secrets over. PostgreSQL's clients have the same rule. Raises `OSError`.
    """
    found = path.stat()
    mask = stat.S_IRWXG | stat.S_IRWXO
    if found.st_uid == 0 and os.geteuid() != 0:
        mask = stat.S_IWGRP | stat.S_IXGRP | stat.S_IRWXO
    return bool(found.st_mode & mask)


def read_secret(path: Path) -> bytes:
    """Return the content of a secret's file, without the line end that editors add.

    Raises `SettingsFault` where it cannot be read, is empty or too large, or may be read by every user.
    """
    try:
        if path.stat().st_mode & stat.S_IROTH:
            raise SettingsFault(f"{path} holds a secret and can be read by every user; say chmod 600 {path}")
        with path.open("rb") as file:
            content = file.read(SECRET_BYTES_MAX + 1)
    except OSError as error:
        raise SettingsFault(unreadable(path, error)) from error
    content = content.rstrip(b"\r\n")
    if not content or len(content) > SECRET_BYTES_MAX:
        raise SettingsFault(f"{path} holds no secret: it must have 1 to {SECRET_BYTES_MAX} bytes")
    return content
