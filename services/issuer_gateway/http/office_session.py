"""Who is signed in to the office's pages: by an API key that was typed in once, in a cookie of an hour.

The cookie is sealed under the master key: whose key it is, a token against forms of others, and its end. The key itself
is in it only by its hash, which no request can be made with. A key that was revoked ends its sessions at once, and so
does signing out, for every copy of the cookie: what was signed out of is kept until the cookie ends by itself.
"""

import base64
import binascii
import functools
import hmac
import secrets
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

import msgspec
from aiohttp import web

from proto.canonical import DECODE_ERRORS
from proto.problem import Problem
from proto.sentence import sentence
from services.edge import ForbiddenProblem, Form, annotate, token_hash
from services.issuer_gateway.domain.tenant import Tenant
from services.issuer_gateway.http.caller import CALLERS, GATEWAY, Caller
from services.issuer_gateway.http.once import keyed_form
from services.issuer_gateway.http.people import reader_of, root_of
from services.issuer_gateway.keys.keystore import UnsealableProblem
from services.issuer_gateway.pages.office_pages import OfficePages
from services.issuer_gateway.pages.office_words import SIGN_IN_FAULTS
from services.issuer_gateway.store import office_sessions
from services.issuer_gateway.unit_of_work.idempotency import KeyedRequest

OFFICE_PAGES: web.AppKey[OfficePages] = web.AppKey("gateway_office_pages", OfficePages)
SCOPE = "recognitions:write"
COOKIE = "credentify_office"
COOKIE_CHARACTERS_MAX = 1_024
IDLE_SECONDS = 3_600
"""A session ends so long after its last page."""
SESSION_SECONDS_MAX = 36_000
"""A session ends so long after it began, whatever was done in it."""
_NAME = "session"
_ENCODE = msgspec.json.Encoder().encode
_UNAUTHENTICATED = 401
_OWN_SITE = {"same-origin", "none"}


class OfficeSession(msgspec.Struct, frozen=True, kw_only=True):
    """A session: the hash of its API key, its token for forms, when it began and when it ends, in Unix seconds."""

    token_hash: bytes
    form_token: str
    began_at: int
    ends_at: int


class NotSignedInProblem(Problem):
    """Nobody is signed in, or not any more."""

    slug = "not-signed-in"
    title = "Sign in first"
    status = _UNAUTHENTICATED


class OtherFormProblem(Problem):
    """A form was not made by a page of this session."""

    slug = "form-of-another-session"
    title = "This form is not of your session"
    status = 403


class SignInProblem(Problem):
    """Nobody is signed in by what was typed; `what` is a name in `SIGN_IN_FAULTS`."""

    slug = "sign-in"
    title = "This key signs nobody in"
    status = _UNAUTHENTICATED

    def __init__(self, what: str) -> None:
        super().__init__(SIGN_IN_FAULTS[what])
        self.what = what


class SignedIn(msgspec.Struct, frozen=True, kw_only=True):
    """Who is signed in."""

    caller: Caller
    session: OfficeSession

    @property
    def tenant(self) -> Tenant:
        """The institution."""
        return self.caller.own

    def once(self, request: web.Request, form: Form) -> KeyedRequest | None:
        """Return a form as a request that is carried out once, however often its button is pressed."""
        return keyed_form(request, self.tenant.institution_id, form, self.session.form_token)


def for_office(handler: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
    """Return the handler of a page of the office: whoever is not signed in is shown where, and refusals are pages."""

    @functools.wraps(handler)
    async def shown(request: web.Request, **arguments: Any) -> Any:
        pages, reader = request.app[OFFICE_PAGES], reader_of(request)
        try:
            return await handler(request, **arguments)
        except NotSignedInProblem as problem:
            annotate(request, problem=problem.slug)
            return pages.sign_in(reader, root=root_of(request), then=_wanted(request), status=problem.status)
        except Problem as problem:
            annotate(request, problem=problem.slug)
            return pages.fault(problem, reader, root=root_of(request))

    return shown


def _wanted(request: web.Request) -> str:
    """Return the page that was asked for, to go to after signing in; a form that was sent is not sent again."""
    return request.path if request.method in {"GET", "HEAD"} else "/office"


async def signed_in(request: web.Request, form: Form | None = None) -> SignedIn:
    """Return who is signed in; raises `NotSignedInProblem`, and `OtherFormProblem` for another session's form."""
    session = _session_in(request)
    if await office_sessions.is_over(request.app[GATEWAY].pool, token_hash(session.form_token)):
        raise NotSignedInProblem("You signed out of this session")
    caller = await request.app[CALLERS].find(session.token_hash)
    if caller is None or caller.tenant is None or SCOPE not in caller.scopes:
        raise NotSignedInProblem("The API key with which you signed in works no more")
    if form is not None and not hmac.compare_digest(form.text("token").encode(), session.form_token.encode()):
        raise OtherFormProblem("You signed in again since the page was made: go back, load it anew, and send it then")
    return SignedIn(caller=caller, session=session)


def _session_in(request: web.Request) -> OfficeSession:
    cookie = request.cookies.get(COOKIE, "")
    if not cookie or len(cookie) > COOKIE_CHARACTERS_MAX:
        raise NotSignedInProblem("Nobody is signed in")
    try:
        sealed = base64.urlsafe_b64decode(cookie + "=" * (-len(cookie) % 4))
        opened = request.app[GATEWAY].keystore.open(sealed, "office-session", _NAME)
        session = msgspec.json.decode(opened, type=OfficeSession)
    except (binascii.Error, ValueError, UnsealableProblem, *DECODE_ERRORS) as error:
        raise NotSignedInProblem("Nobody is signed in") from error
    if session.ends_at <= time.time():
        raise NotSignedInProblem("Your session has ended")
    return session


async def sign_in(request: web.Request, key: str) -> OfficeSession:
    """Return a new session of who has this API key; raises `SignInProblem` with what to do.

    A form of another site signs nobody in: browsers say where a form comes from.
    """
    if request.headers.get("Sec-Fetch-Site", "none") not in _OWN_SITE:
        raise OtherFormProblem("This form is not ours: open the page itself, and sign in there")
    caller = await request.app[CALLERS].find(token_hash(key)) if key.isascii() else None
    if caller is None:
        raise SignInProblem("unknown")
    if caller.tenant is None:
        raise SignInProblem("operator")
    if SCOPE not in caller.scopes:
        raise SignInProblem("scope")
    now = int(time.time())
    return OfficeSession(
        token_hash=caller.token_hash,
        form_token=secrets.token_urlsafe(24),
        began_at=now,
        ends_at=now + IDLE_SECONDS,
    )


def keep(request: web.Request, response: web.Response, session: OfficeSession) -> web.Response:
    """Let the browser keep a session for another hour, within its longest time; it sends it to these pages alone."""
    ends_at = min(int(time.time()) + IDLE_SECONDS, session.began_at + SESSION_SECONDS_MAX)
    kept = msgspec.structs.replace(session, ends_at=ends_at)
    sealed = request.app[GATEWAY].keystore.seal(_ENCODE(kept), "office-session", _NAME)
    public = urlsplit(request.app[GATEWAY].config.public_url)
    response.set_cookie(
        COOKIE,
        base64.urlsafe_b64encode(sealed).rstrip(b"=").decode(),
        max_age=max(0, ends_at - int(time.time())),
        path=f"{root_of(request)}/office",
        secure=public.scheme == "https",
        httponly=True,
        samesite="Strict",
    )
    return response


async def end(request: web.Request, response: web.Response, session: OfficeSession) -> web.Response:
    """End the session here, and have the browser forget it."""
    # If we crash on the next line, nobody was told that it is over, and the browser still has it.
    last = datetime.fromtimestamp(session.began_at + SESSION_SECONDS_MAX, UTC)
    await office_sessions.end(request.app[GATEWAY].pool, token_hash(session.form_token), last)
    response.del_cookie(COOKIE, path=f"{root_of(request)}/office", httponly=True, samesite="Strict")
    return response


def check_scope(office: SignedIn, scope: str) -> None:
    """Raise `ForbiddenProblem` where the API key that signed in may not do something."""
    if scope not in office.caller.scopes:
        raise ForbiddenProblem(
            sentence("This needs an API key with the scope `{scope}`: sign in with another", scope=scope), scope=scope
        )
