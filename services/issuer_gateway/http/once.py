"""Forms whose button is pressed twice: each form has a mark of its own, and is carried out once for what it says.

A form that was changed says something else, so it is another; without a mark every sending is one of its own.
"""

import base64
import hashlib
import uuid

from aiohttp import web

from proto.ids import InstitutionId
from services.edge import Form
from services.issuer_gateway.http.caller import GATEWAY
from services.issuer_gateway.unit_of_work.idempotency import KeyedRequest

MARK = "once"
_MARK_CHARACTERS = range(16, 65)


def _mark_of(form: Form) -> str:
    mark = form.text(MARK)
    return mark if len(mark) in _MARK_CHARACTERS else ""


def _said(form: Form) -> bytes:
    """Return a digest of all that a form says."""
    found = hashlib.sha256()
    for name in sorted(form.every or form.fields):
        for content in form.every.get(name) or [form.fields[name]]:
            for part in (name.encode(), content):
                found.update(len(part).to_bytes(8) + part)
    return found.digest()


def keyed_form(request: web.Request, institution_id: InstitutionId, form: Form, session: str) -> KeyedRequest | None:
    """Return the form of a session as a request that is carried out once; None for one without a mark."""
    mark = _mark_of(form)
    if not mark:
        return None
    key = f"form\n{session}\n{mark}\n{request.path}\n{_said(form).hex()}"
    return request.app[GATEWAY].idempotency.keyed(institution_id, key, b"form")


def id_of_form(request: web.Request, institution_id: InstitutionId, form: Form, about: str) -> str | None:
    """Return the id of what a form makes, the same each time it is sent; None for one without a mark.

    `about` is for whom: a mark of one page is nothing on another.
    """
    mark = _mark_of(form)
    if not mark:
        return None
    parts = (institution_id.encode(), about.encode(), mark.encode(), _said(form))
    made = request.app[GATEWAY].keystore.fingerprint(b"form-once-id", *parts)
    return str(uuid.UUID(bytes=made[:16], version=4))


def secret_of_form(request: web.Request, institution_id: InstitutionId, form: Form, prefix: str) -> str | None:
    """Return the secret of the link that a form leads to, the same each time it is sent; None for one without a mark.

    Without the master key nobody makes it: it is as good as one that was made by lot.
    """
    mark = _mark_of(form)
    if not mark:
        return None
    parts = (institution_id.encode(), mark.encode(), _said(form))
    made = request.app[GATEWAY].keystore.fingerprint(b"form-once", *parts)
    return prefix + base64.urlsafe_b64encode(made).rstrip(b"=").decode()
