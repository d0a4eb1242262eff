"""How awards become credentials, one by one and in lists: each part with the few others that it uses."""

import dataclasses
from functools import partial

from services.issuer_gateway.achievements.document_parts import AchievementParts
from services.issuer_gateway.batches.batch_changes import ChangeMany
from services.issuer_gateway.batches.batch_reader import BatchReader
from services.issuer_gateway.batches.batch_storage import PostgresBatchStorage
from services.issuer_gateway.batches.batch_upload import BatchUploads
from services.issuer_gateway.batches.batch_worker import BatchWorker
from services.issuer_gateway.batches.lists_in_hand import ListsInHand
from services.issuer_gateway.batches.part_work import PartWork
from services.issuer_gateway.batches.prepare_apart import PrepareApart
from services.issuer_gateway.batches.small_batch import IssueList, ListAnswers
from services.issuer_gateway.config import Config
from services.issuer_gateway.credentials.decide_awards import DecideAwards
from services.issuer_gateway.credentials.issue_credential import IssueCredential
from services.issuer_gateway.credentials.prepare_award import PrepareAward
from services.issuer_gateway.credentials.prepare_rows import PrepareRows
from services.issuer_gateway.store import achievements
from services.issuer_gateway.wiring.parts import Parts

_MS = 1000


@dataclasses.dataclass(frozen=True, kw_only=True)
class Issuing:
    """How awards become credentials, whichever way they come."""

    parts: AchievementParts
    prepare: PrepareAward
    rows: PrepareRows
    decide: DecideAwards
    issue: IssueCredential


def make_issuing(parts: Parts, config: Config) -> Issuing:
    """Return how awards become credentials."""
    achievement_parts = AchievementParts()
    prepare = PrepareAward(
        parts.writer,
        parts.status_lists,
        achievement_parts,
        annex_gate=config.annex_gate,
        verifier_url=config.verifier_url,
    )
    decide = DecideAwards(
        parts.writer,
        parts.log_state,
        parts.learner_keys,
        log=parts.log,
        effective_margin_ms=config.effective_margin_ms,
        group_max=config.group_max,
    )
    issue = IssueCredential(
        parts.pool,
        prepare,
        decide,
        writer=parts.writer,
        idempotency=parts.idempotency,
        learner_keys=parts.learner_keys,
    )
    rows = PrepareRows(parts.pool, prepare, parts.status_lists, log=parts.log)
    return Issuing(parts=achievement_parts, prepare=prepare, rows=rows, decide=decide, issue=issue)


def make_worker(parts: Parts, issuing: Issuing, config: Config) -> BatchWorker:
    """Return what works on batches in the background."""
    changes = ChangeMany(
        writer=parts.writer,
        log_state=parts.log_state,
        prepare=issuing.prepare,
        learner_keys=parts.learner_keys,
        log=parts.log,
        effective_margin_ms=config.effective_margin_ms,
        group_max=config.group_max,
    )
    work = PartWork(
        pool=parts.pool,
        writer=parts.writer,
        rows=issuing.rows,
        decide=issuing.decide,
        issue=issuing.issue,
        changes=changes,
        keystore=parts.keystore,
        prepare_apart=PrepareApart(
            partial(achievements.by_uris, parts.pool),
            parts.status_lists,
            issuing.parts,
            annex_gate=config.annex_gate,
            verifier_url=config.verifier_url,
        ),
    )
    return BatchWorker(
        PostgresBatchStorage(parts.pool),
        work,
        batch_keys=parts.batch_keys,
        called=parts.batch_called,
        moved=parts.batch_moved,
        log=parts.log,
        metrics=parts.metrics.awards,
    )


def make_issue_list(parts: Parts, issuing: Issuing, answers: ListAnswers, lists: ListsInHand) -> IssueList:
    """Return how a small list is issued at once."""
    return IssueList(
        parts.pool,
        parts.unit_of_work,
        parts.writer,
        rows=issuing.rows,
        issue=issuing.issue,
        answers=answers,
        lists=lists,
        keystore=parts.keystore,
        metrics=parts.metrics.awards,
    )


def make_batch_uploads(parts: Parts, config: Config) -> BatchUploads:
    """Return how a file becomes a batch."""
    return BatchUploads(
        pool=parts.pool,
        unit_of_work=parts.unit_of_work,
        writer=parts.writer,
        batch_keys=parts.batch_keys,
        workbooks=parts.workbooks,
        called=parts.batch_called,
        rows_max=config.batch_rows_max,
    )


def make_batch_reader(parts: Parts, answers: ListAnswers, config: Config) -> BatchReader:
    """Return how it is read how far a batch is."""
    return BatchReader(
        parts.pool,
        parts.unit_of_work,
        parts.keystore,
        answers=answers,
        batch_keys=parts.batch_keys,
        moved=parts.batch_moved,
        wait_seconds=config.sequencing_wait_ms / _MS,
    )
