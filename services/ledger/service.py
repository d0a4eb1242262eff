"""A running ledger: what its routes are handed. Owns nothing of its own; `services.ledger.app` makes and ends it."""

import asyncio

import msgspec
from aiohttp import web

from proto.ids import Origin
from proto.log.note_key import VerifierKey
from proto.log.policy import Policy
from services.ledger.config import Config
from services.ledger.metrics import Metrics
from services.ledger.publishing.publication import Publication
from services.ledger.sequencing.intake import Intake
from services.ledger.succession.predecessor_logs import OlderLogs
from services.persistence.postgres import Pool
from services.persistence.read_confirmations import ReadConfirmations


class Ledger(msgspec.Struct, frozen=True, kw_only=True):
    """Settings, database and the parts that work on it; `policy` is what a client may configure to verify receipts."""

    config: Config
    origin: Origin
    verifier: VerifierKey
    policy: Policy
    policy_text: str
    pool: Pool
    confirmations: ReadConfirmations
    intake: Intake
    publication: Publication
    older_logs: OlderLogs
    metrics: Metrics
    stopping: asyncio.Event


LEDGER: web.AppKey[Ledger] = web.AppKey("ledger", Ledger)
