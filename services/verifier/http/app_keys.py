"""What the verifier's routes work with, by the key under which the application holds it. Does nothing."""

from aiohttp import web

from services.crypto.rdf_processes import FormMakers
from services.edge import client_address, rate_key
from services.edge.dispatch import add_headers
from services.verifier.answers.cached_answers import CachedAnswers
from services.verifier.answers.list_service import ListService
from services.verifier.answers.service import AnswerService
from services.verifier.config import Config
from services.verifier.documents.pdf import PdfReader
from services.verifier.limits.api_keys import ApiKeys, QuotaAccount
from services.verifier.pages import Pages
from services.verifier.pages.lists import ListPages
from services.verifier.pages.offline import OfflinePage

ANSWERS: web.AppKey[AnswerService] = web.AppKey("answers", AnswerService)
CACHED_ANSWERS: web.AppKey[CachedAnswers] = web.AppKey("cached_answers", CachedAnswers)
LISTS: web.AppKey[ListService] = web.AppKey("lists", ListService)
LIST_PAGES: web.AppKey[ListPages] = web.AppKey("list_pages", ListPages)
FORM_MAKERS: web.AppKey[FormMakers] = web.AppKey("form_makers", FormMakers)
PDF: web.AppKey[PdfReader] = web.AppKey("pdf", PdfReader)
PAGES: web.AppKey[Pages] = web.AppKey("pages", Pages)
OFFLINE: web.AppKey[OfflinePage] = web.AppKey("offline_page", OfflinePage)
API_KEYS: web.AppKey[ApiKeys] = web.AppKey("api_keys", ApiKeys)
ACCOUNT: web.RequestKey[QuotaAccount] = web.RequestKey("account", QuotaAccount)
SETTINGS: web.AppKey[Config] = web.AppKey("verifier_config", Config)


def is_admitted(request: web.Request) -> bool:
    """Tell whether the request came with an API key, which it was counted for (`services.edge.dispatch.Admit`).

    Raises `UnauthenticatedProblem` for a key that is not known, `QuotaProblem` where its requests are used up.
    """
    keys, sent = request.app.get(API_KEYS), request.headers.get("Authorization")
    if keys is None or sent is None:
        return False
    account = request[ACCOUNT] = keys.account(sent)
    try:
        account.charge_request(keys.now())
    finally:
        add_headers(request, account.headers(keys.now()))
    return True


def address_of(request: web.Request) -> str:
    """Return whose place a request takes: the client's address, or its /64 where that is IPv6."""
    return rate_key(client_address(request))


def charge_documents(request: web.Request, count: int = 1) -> None:
    """Count documents for the API key that the request came with, if it did; raises `QuotaProblem`."""
    if (account := request.get(ACCOUNT)) is not None:
        keys = request.app[API_KEYS]
        try:
            account.charge_documents(count, keys.now())
        finally:
            add_headers(request, account.headers(keys.now()))
