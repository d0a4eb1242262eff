"""What a credential's status entry names, and what a status list says of it. Fetches no list and checks no proof.

Everything that cannot be read is refused with its reason: a status that was not read is never "not revoked".
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

from proto.documents.status_list import (
    ENTRY_TYPE,
    LIST_POINTER,
    LIST_TYPE,
    MalformedStatusProblem,
    StatusListMismatchProblem,
    UnsupportedStatusProblem,
    decode_list,
    is_set,
)
from proto.events import Record
from proto.ids import URI_PATTERN, Did
from proto.moment import Moment, normalise
from proto.problem import InvalidProblem

ENTRY_LIST_MAX: Final = 8
_INDEX = re.compile(r"^(0|[1-9][0-9]{0,15})\Z")
_URL = re.compile(URI_PATTERN)


class StatusEntry(Record, frozen=True, kw_only=True):
    """Where a credential's status stands: the list's address, the place in it, what a set bit means."""

    list_url: str
    index: int
    purpose: str


def with_lists(content: Any) -> tuple[Any, tuple[Mapping[str, Any], ...]] | None:
    """Return the document and the status lists of `{"document": …, "status_lists": […]}`, or None for anything else.

    Raises `InvalidProblem` where the lists are none.
    """
    if not isinstance(content, Mapping) or content.keys() != {"document", "status_lists"}:
        return None
    lists = content["status_lists"]
    if not isinstance(lists, list) or len(lists) > ENTRY_LIST_MAX or not all(isinstance(x, Mapping) for x in lists):
        raise InvalidProblem(
            f"`status_lists` is a list of at most {ENTRY_LIST_MAX} status list credentials", pointer="/status_lists"
        )
    return content["document"], tuple(lists)


def read_entries(document: Mapping[str, Any]) -> tuple[StatusEntry, ...]:
    """Return the status entries of a credential, its own or a stranger's; empty only if it has no `credentialStatus`.

    Raises `MalformedStatusProblem`, and `UnsupportedStatusProblem` where a status is there that is not read here.
    """
    if "credentialStatus" not in document:
        return ()
    status = document["credentialStatus"]
    entries = status if isinstance(status, list) else [status]
    if not 1 <= len(entries) <= ENTRY_LIST_MAX:
        raise MalformedStatusProblem(f"A credential has 1 to {ENTRY_LIST_MAX} statuses", pointer="/credentialStatus")
    return tuple(_read_entry(entry) for entry in entries)


def _read_entry(entry: Any) -> StatusEntry:
    if not isinstance(entry, Mapping):
        raise MalformedStatusProblem("A status is an object with a type", pointer="/credentialStatus")
    kind = entry.get("type")
    if kind not in (ENTRY_TYPE, [ENTRY_TYPE]):
        raise UnsupportedStatusProblem(f"A status of type {str(kind)[:80]!r} is not read here", pointer=_at("type"))
    if entry.get("statusSize", 1) != 1 or isinstance(entry.get("statusSize"), bool):
        raise UnsupportedStatusProblem("Statuses of more than one bit are not read here", pointer=_at("statusSize"))
    list_url = _text(entry, "statusListCredential")
    if not _URL.match(list_url):
        raise MalformedStatusProblem("Not an http(s) URL", pointer=_at("statusListCredential"))
    if entry.get("id") == list_url:
        raise MalformedStatusProblem("The id of an entry is not the list's address", pointer=_at("id"))
    index = _text(entry, "statusListIndex")
    if not _INDEX.match(index):
        raise MalformedStatusProblem(f"{index[:40]!r} is not a whole number in base 10", pointer=_at("statusListIndex"))
    return StatusEntry(list_url=list_url, index=int(index), purpose=_text(entry, "statusPurpose"))


def _at(name: str) -> str:
    return f"/credentialStatus/{name}"


def _text(entry: Mapping[str, Any], name: str) -> str:
    value = entry.get(name)
    if not isinstance(value, str) or not value:
        raise MalformedStatusProblem(f"{name} must be a text", pointer=_at(name))
    return value


def read_status(entry: StatusEntry, status_list: Mapping[str, Any], *, issuer: Did, now: Moment) -> bool:
    """Return the bit that `entry` names in the credential `status_list`: section 3.2 without fetching and proof.

    That the list's proof is good is for the caller to know first. `issuer` is the one of the credential: a list by
    another is refused, since nothing says that it may speak. Raises `StatusListMismatchProblem` for a list of another
    address, issuer, purpose or time, `MalformedStatusProblem`, `StatusListLengthProblem` and `StatusIndexProblem`.
    """
    kinds = _as_list(status_list.get("type"))
    if LIST_TYPE not in kinds or "VerifiableCredential" not in kinds:
        raise MalformedStatusProblem(f"A status list is a {LIST_TYPE}", pointer="/type")
    if "id" in status_list and status_list["id"] != entry.list_url:
        raise StatusListMismatchProblem("The list says that it stands at another address", pointer="/id")
    stated = status_list.get("issuer")
    if (stated.get("id") if isinstance(stated, Mapping) else stated) != issuer:
        raise StatusListMismatchProblem("The list is by another issuer than the credential", pointer="/issuer")
    _check_period(status_list, now)
    return is_set(_bits_for(entry, status_list.get("credentialSubject")), entry.index)


def _check_period(status_list: Mapping[str, Any], now: Moment) -> None:
    if "validFrom" not in status_list:
        raise MalformedStatusProblem("A status list says since when it holds", pointer="/validFrom")
    for name in ("validFrom", "validUntil"):
        if name not in status_list:
            continue
        if not isinstance(status_list[name], str):
            raise MalformedStatusProblem("A time is a text", pointer=f"/{name}")
        try:
            stated = normalise(status_list[name])
        except InvalidProblem as error:
            raise MalformedStatusProblem(error.detail, pointer=f"/{name}") from error
        if (name == "validFrom" and now < stated) or (name == "validUntil" and now >= stated):
            raise StatusListMismatchProblem(f"The list is not valid now: {name} {stated}", pointer=f"/{name}")


def _bits_for(entry: StatusEntry, subject: Any) -> bytes:
    if not isinstance(subject, Mapping) or subject.get("type") not in ("BitstringStatusList", ["BitstringStatusList"]):
        raise MalformedStatusProblem("The list's subject is a BitstringStatusList", pointer="/credentialSubject")
    if entry.purpose not in _as_list(subject.get("statusPurpose")):
        raise StatusListMismatchProblem(
            f"The list is not about {entry.purpose[:40]!r}", pointer="/credentialSubject/statusPurpose"
        )
    encoded = subject.get("encodedList")
    if not isinstance(encoded, str):
        raise MalformedStatusProblem("encodedList must be a text", pointer=LIST_POINTER)
    return decode_list(encoded)


def _as_list(value: Any) -> Sequence[Any]:
    return value if isinstance(value, list) else [value]
