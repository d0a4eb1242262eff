"""What `credentify doctor` looks at on this machine: settings, files, modes, disks, limits. Connects to nothing."""

import os
import resource
from collections.abc import Iterator, Mapping
from pathlib import Path

import msgspec

from proto.problem import Problem
from services.command.doctor_findings import KINDS, About, Config, Diagnosis
from services.edge.connections import DESCRIPTORS_MIN
from services.issuer_gateway.config import Config as GatewayConfig
from services.issuer_gateway.keys.keystore import KEY_BYTES
from services.issuer_gateway.keys.vault import vault_folder
from services.ledger.config import Config as LedgerConfig
from services.ledger.signer import load_key
from services.operator_fault import OperatorFault
from services.policy_file import read_policy
from services.settings import SettingsFault, load_settings, may_others_read, service_links, unreadable

SECRETS = {"log_key_file", "master_key_file", "operator_token_file", "statement_key_file", "witness_key_file"}
FOLDERS = {"state_folder", "mirror_folder", "key_folder"}
_FREE_SHARE_MIN = 0.1
_EVERYBODY = {"0.0.0.0/0", "::/0"}
_MB = 1_000_000


def settings_of(service: str, environ: Mapping[str, str]) -> tuple[Config | None, Diagnosis]:
    """Return a service's settings, None where they are wrong, and what is found of them."""
    kind, prefix = KINDS[service]
    about = About(service, "settings")
    try:
        config = load_settings(kind, prefix, environ)
    except SettingsFault as fault:
        return None, about.bad(fault.detail, "Set what is named; each setting stands in the service's README")
    links = [name for name in service_links(environ) if name.startswith(prefix)]
    if links:
        return config, about.note(f"{', '.join(sorted(links))} are Kubernetes' own", "Set enableServiceLinks: false")
    return config, about.good("all are known and of their type")


def machine(service: str, config: Config) -> Iterator[Diagnosis]:
    """Yield what is found on this machine."""
    for field in msgspec.structs.fields(config):
        value = getattr(config, field.name)
        if isinstance(value, Path) and field.name in SECRETS:
            yield _secret(service, field.name, value)
    if isinstance(config, GatewayConfig):
        yield _folder(service, "key_folder", vault_folder(config.key_folder, config.master_key_file))
    for name in ("state_folder", "mirror_folder"):
        if (folder := getattr(config, name, None)) is not None:
            yield _folder(service, name, folder)
    for name in ("database_file", "witness_memory_file"):
        if (file := getattr(config, name, None)) is not None:
            yield _written_file(service, name, file)
    if (policy := config.policy_file) is not None:
        yield _policy(service, policy)
    yield from _disks(service, config)
    yield _descriptors(service)
    yield from _proxies(service, config)


def _secret(service: str, name: str, path: Path) -> Diagnosis:
    """Look at a secret's file: that it is there, that nobody else reads it, and that it is what it should be."""
    about = About(service, name)
    try:
        if may_others_read(path):
            return about.bad(f"{path} can be read by others than the service", f"Say: chmod 600 {path}")
        content = path.read_bytes()
    except OSError as error:
        return about.bad(unreadable(path, error), "Run this as the user of the service; put the file where it is named")
    if name == "master_key_file" and len(content) != KEY_BYTES:
        return about.bad(f"{path} has {len(content)} bytes", f"A master key has {KEY_BYTES}: bring back the right one")
    if name == "log_key_file":
        try:
            load_key(path)
        except OperatorFault as fault:
            return about.bad(fault.detail, "Bring back the log's key, or name it")
    return about.good(f"{path}, read by its owner alone")


def _folder(service: str, name: str, path: Path) -> Diagnosis:
    about = About(service, name)
    try:
        found = path.stat()
    except FileNotFoundError:
        return _not_there_yet(about, path)
    except OSError as error:
        return about.bad(unreadable(path, error), "Run this as the user of the service")
    if not os.access(path, os.W_OK | os.X_OK):
        return about.bad(f"{path} cannot be written to by user {os.geteuid()}", f"Say: chown {os.geteuid()} {path}")
    if name == "key_folder" and found.st_mode & 0o077:
        return about.bad(f"{path} can be read by others", f"Say: chmod 700 {path}")
    return about.good(f"{path} can be written to")


def _written_file(service: str, name: str, path: Path) -> Diagnosis:
    """Look at a file that the service writes: SQLite writes others beside it, so its folder counts as well."""
    about, user = About(service, name), os.geteuid()
    if path.is_dir():
        return about.bad(f"{path} is a folder", f"Name a file: …_{name.upper()}={path}/{name}.sqlite")
    if not path.parent.exists():
        return _not_there_yet(about, path)
    for place in (path.parent, path):
        if place.exists() and not os.access(place, os.W_OK):
            return about.bad(f"{place} cannot be written to by user {user}", f"Say: chown {user} {place}")
    return about.good(f"{path} can be written to" if path.exists() else f"{path} can be made")


def _not_there_yet(about: About, path: Path) -> Diagnosis:
    """Say of what is made at the first start whether it can be."""
    above = _nearest(path.parent)
    if not os.access(above, os.W_OK | os.X_OK):
        todo = "Make it and give it to that user, or mount what it lies on"
        return about.bad(f"{path} is not there, and user {os.geteuid()} may make nothing in {above}", todo)
    return about.note(
        f"{path} is not there yet", "It is made at the first start; if it was there before, mount its disk"
    )


def _nearest(path: Path) -> Path:
    """Return what is there: the path, or the nearest folder above it."""
    return next((each for each in (path, *path.absolute().parents) if each.exists()), Path("/"))


def _policy(service: str, path: Path) -> Diagnosis:
    about = About(service, "policy_file")
    try:
        policy = read_policy(path)
    except (OperatorFault, Problem) as fault:
        return about.bad(fault.detail, "Correct the line that is named (deploy/OPERATIONS.md, Run a witness)")
    return about.good(f"{path} names {len(policy.witnesses)} witnesses")


def _disks(service: str, config: Config) -> Iterator[Diagnosis]:
    """Look at the free space of each file system that the service writes to."""
    named = ("state_folder", "mirror_folder", "key_folder", "database_file", "free_space_folder", "witness_memory_file")
    paths = {getattr(config, name, None) for name in named}
    if isinstance(config, GatewayConfig):
        paths.add(vault_folder(config.key_folder, config.master_key_file))
    floor = config.free_space_bytes_min if isinstance(config, LedgerConfig) else 0
    seen = set()
    for path in sorted(filter(None, paths)):
        about = About(service, "disk")
        if path == getattr(config, "free_space_folder", None) and not path.exists():
            todo = "Nothing is appended so: name the folder of the database's disk in …_FREE_SPACE_FOLDER, or mount it"
            yield about.bad(f"{path} is not there, so nobody knows whether its disk is full", todo)
            continue
        place = _nearest(path)
        found = os.statvfs(place)
        if (device := place.stat().st_dev) in seen:
            continue
        seen.add(device)
        free, share = found.f_bavail * found.f_frsize, found.f_bavail / max(1, found.f_blocks)
        words = f"{free // _MB} MB are free where {path} lies ({share:.0%})"
        if path == getattr(config, "free_space_folder", None) and free < floor:
            yield about.bad(words, f"Nothing is appended below {floor // _MB} MB: make room")
        elif share < _FREE_SHARE_MIN or (found.f_files and not found.f_favail):
            yield about.note(words, "Make room before it is full")
        else:
            yield about.good(words)


def _descriptors(service: str) -> Diagnosis:
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    about, least = About(service, "descriptors"), DESCRIPTORS_MIN
    if hard != resource.RLIM_INFINITY and hard < least:
        return about.bad(f"a process may have {hard} open at once", f"Allow {least} at least: LimitNOFILE, ulimit -n")
    return about.good(f"a process may have {'any number' if hard == resource.RLIM_INFINITY else hard} open at once")


def _proxies(service: str, config: Config) -> Iterator[Diagnosis]:
    about = About(service, "trusted_proxies")
    hosts = {host.strip() for host in config.host.split(",")}
    if everybody := _EVERYBODY & set(config.trusted_proxies):
        yield about.bad(
            f"{', '.join(sorted(everybody))}: whoever connects may name any address as the client's",
            "Name the networks of your own proxies alone",
        )
    elif not config.trusted_proxies and not hosts <= {"127.0.0.1", "::1", "localhost"}:
        yield about.note(
            "no proxy is named, and the service listens to others",
            "If a proxy stands before it, name its network: else all its clients share the bounds of one address",
        )
    else:
        yield about.good(", ".join(config.trusted_proxies) or "none, and none but this machine connects")
