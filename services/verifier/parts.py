"""What the verifier's routes work with, by the key under which the application holds it. Does nothing."""

from aiohttp import web

from services.verifier.config import Config
from services.verifier.inquiry import Inquiry
from services.verifier.pages import Pages
from services.verifier.ready import ReadyAnswers

INQUIRY: web.AppKey[Inquiry] = web.AppKey("inquiry", Inquiry)
READY: web.AppKey[ReadyAnswers] = web.AppKey("ready", ReadyAnswers)
PAGES: web.AppKey[Pages] = web.AppKey("pages", Pages)
SETTINGS: web.AppKey[Config] = web.AppKey("verifier_config", Config)
