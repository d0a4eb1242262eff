"""The commands of a gateway, each with the few parts that it uses: what may a command touch is answered here."""

from services.issuer_gateway.applications.agreements import Agreements
from services.issuer_gateway.applications.apply import RecognitionApplications
from services.issuer_gateway.applications.at_once import DecideAtOnce
from services.issuer_gateway.applications.decide import DecideApplications
from services.issuer_gateway.applications.evidence import EvidenceCheck
from services.issuer_gateway.applications.export_applications import ExportApplications
from services.issuer_gateway.applications.grade_conditions import GradeConditions
from services.issuer_gateway.applications.list_applications import ListApplications
from services.issuer_gateway.applications.precedents import PublicPrecedents
from services.issuer_gateway.applications.present_status import PresentStatus
from services.issuer_gateway.applications.programme_names import ProgrammeNames
from services.issuer_gateway.applications.publication import PublishRecognitions
from services.issuer_gateway.applications.reminders import RemindOffices
from services.issuer_gateway.applications.whose import WhoseApplications
from services.issuer_gateway.applications.worded_checks import WordedChecks
from services.issuer_gateway.batches.large_lists import LargeLists
from services.issuer_gateway.batches.lists_in_hand import ListsInHand
from services.issuer_gateway.batches.small_batch import CheckList, ListAnswers
from services.issuer_gateway.config import Config
from services.issuer_gateway.credentials.change_credential import ChangeCredential
from services.issuer_gateway.credentials.credential_papers import CredentialPapers
from services.issuer_gateway.credentials.credential_reader import CredentialReader
from services.issuer_gateway.credentials.import_document import ImportDocument
from services.issuer_gateway.credentials.issue_together import IssueTogether
from services.issuer_gateway.credentials.say_again import SayAgain
from services.issuer_gateway.credentials.source_check import CheckSource
from services.issuer_gateway.credentials.stack_credential import StackCredentials
from services.issuer_gateway.credentials.standings import Standings
from services.issuer_gateway.credentials.statements import MakeStatements, StatementReader
from services.issuer_gateway.learners.advise_stacks import AdviseStacks
from services.issuer_gateway.learners.learner_erasure import EraseLearner
from services.issuer_gateway.learners.retention import Retention
from services.issuer_gateway.links.claim_commands import ClaimLinks
from services.issuer_gateway.links.claim_use import UseClaim
from services.issuer_gateway.links.holdings_export import ExportHoldings
from services.issuer_gateway.links.link_commands import HolderLinks
from services.issuer_gateway.links.shown_credentials import ShownByLinks
from services.issuer_gateway.papers.papers import Papers
from services.issuer_gateway.requests.learner_requests import LearnerRequests
from services.issuer_gateway.requests.request_decision import DecideRequest, RequestReader
from services.issuer_gateway.service import Gateway
from services.issuer_gateway.wiring.awards import Issuing, make_batch_reader, make_batch_uploads, make_issue_list
from services.issuer_gateway.wiring.parts import Parts
from services.policy_file import policy_text


def make_gateway(parts: Parts, issuing: Issuing, config: Config) -> Gateway:
    """Return the commands that handlers get."""
    pool, writer, idempotency, reader = parts.pool, parts.writer, parts.idempotency, _credential_reader(parts)
    papers, links = _credential_papers(parts, reader, config), _holder_links(parts, config)
    lists, answers, shown = ListsInHand(), ListAnswers(pool, parts.keystore), ShownByLinks(pool, links, papers)
    statements, erase_learner = MakeStatements(pool, writer, idempotency), _erase_learner(parts, lists)
    return Gateway(
        config=config,
        pool=pool,
        keystore=parts.keystore,
        unit_of_work=parts.unit_of_work,
        idempotency=idempotency,
        log_state=parts.log_state,
        workbooks=parts.workbooks,
        large_lists=LargeLists(),
        status_lists=parts.status_lists,
        achievement_names=parts.achievement_names,
        programme_names=ProgrammeNames(pool, parts.achievement_names),
        issue_together=IssueTogether(parts.storage, writer, idempotency, rows=issuing.rows, issuing=issuing.issue),
        stack_credentials=_stack_credentials(parts, issuing),
        advise_stacks=AdviseStacks(pool, writer, parts.achievement_names),
        change_credential=ChangeCredential(pool, writer, idempotency, effective_margin_ms=config.effective_margin_ms),
        say_again=SayAgain(pool, writer, idempotency),
        make_statements=statements,
        statement_reader=StatementReader(pool, parts.achievement_names),
        import_document=_import_document(parts, issuing),
        credential_reader=reader,
        credential_papers=papers,
        check_list=CheckList(pool, writer, rows=issuing.rows, decide=issuing.decide),
        issue_list=make_issue_list(parts, issuing, answers, lists),
        batch_uploads=make_batch_uploads(parts, config),
        batch_reader=make_batch_reader(parts, answers, config),
        claim_links=_claim_links(parts, issuing, reader, config),
        use_claim=_use_claim(parts, issuing, reader, links),
        recognition_applications=_recognition_applications(parts, config),
        decide_applications=_decide_applications(parts),
        list_applications=ListApplications(pool, parts.learner_keys),
        grade_conditions=_grade_conditions(parts),
        agreements=_agreements(parts),
        whose_applications=WhoseApplications(parts.unit_of_work),
        export_applications=_export_applications(parts, config),
        publish_recognitions=PublishRecognitions(pool, statements, idempotency, parts.log),
        remind_offices=RemindOffices(pool),
        learner_requests=_learner_requests(parts, config),
        request_reader=RequestReader(pool, parts.learner_keys),
        decide_request=_decide_request(parts, issuing),
        erase_learner=erase_learner,
        retention=Retention(pool, parts.unit_of_work, erase_learner, parts.log),
        holder_links=links,
        shown_by_links=shown,
        export_holdings=_export_holdings(parts, links, shown, papers, config),
    )


def _stack_credentials(parts: Parts, issuing: Issuing) -> StackCredentials:
    return StackCredentials(
        parts.pool,
        parts.writer,
        parts.idempotency,
        prepare=issuing.prepare,
        decide=issuing.decide,
        issue=issuing.issue,
    )


def _grade_conditions(parts: Parts) -> GradeConditions:
    return GradeConditions(
        parts.pool,
        parts.idempotency,
        names=parts.achievement_names,
        learner_keys=parts.learner_keys,
        log_state=parts.log_state,
    )


def _credential_reader(parts: Parts) -> CredentialReader:
    return CredentialReader(
        parts.pool,
        parts.learner_keys,
        signing_keys=parts.signing_keys,
        log_state=parts.log_state,
        metrics=parts.metrics.awards,
    )


def _credential_papers(parts: Parts, reader: CredentialReader, config: Config) -> CredentialPapers:
    return CredentialPapers(
        parts.pool,
        reader,
        Standings(parts.pool, parts.log_state),
        Papers(fonts=config.font_folder),
        names=parts.achievement_names,
        bundle=parts.log_client.credential_bundle,
        verifier_url=config.verifier_url,
    )


def _holder_links(parts: Parts, config: Config) -> HolderLinks:
    return HolderLinks(
        parts.pool,
        parts.unit_of_work,
        parts.idempotency,
        keystore=parts.keystore,
        learner_keys=parts.learner_keys,
        public_url=config.public_url,
        days=config.holder_link_days,
    )


def _export_holdings(
    parts: Parts, links: HolderLinks, shown: ShownByLinks, papers: CredentialPapers, config: Config
) -> ExportHoldings:
    return ExportHoldings(
        parts.pool,
        links,
        shown,
        papers,
        learner_keys=parts.learner_keys,
        log_client=parts.log_client,
        applications=_export_applications(parts, config),
        policy=policy_text(config.policy_file, [config.log_verifier_key], config.registrar),
        verifier=config.verifier_url or "",
    )


def _agreements(parts: Parts) -> Agreements:
    return Agreements(
        parts.pool,
        parts.unit_of_work,
        parts.idempotency,
        signing_keys=parts.signing_keys,
        log_state=parts.log_state,
    )


def _decide_applications(parts: Parts) -> DecideApplications:
    return DecideApplications(
        parts.pool,
        parts.idempotency,
        learner_keys=parts.learner_keys,
        precedents=PublicPrecedents(parts.verifier, parts.log),
        statuses=PresentStatus(parts.verifier, parts.log),
        names=parts.achievement_names,
        worded=WordedChecks(parts.pool, parts.learner_keys, parts.verifier, parts.log),
        programmes_named=ProgrammeNames(parts.pool, parts.achievement_names),
    )


def _export_applications(parts: Parts, config: Config) -> ExportApplications:
    return ExportApplications(parts.pool, parts.learner_keys, _recognition_applications(parts, config))


def _import_document(parts: Parts, issuing: Issuing) -> ImportDocument:
    return ImportDocument(
        parts.pool,
        parts.writer,
        parts.idempotency,
        source=CheckSource(parts.pool, parts.log_state, parts.form_makers),
        prepare=issuing.prepare,
        issue=issuing.issue,
        learner_keys=parts.learner_keys,
        keystore=parts.keystore,
    )


def _claim_links(parts: Parts, issuing: Issuing, reader: CredentialReader, config: Config) -> ClaimLinks:
    return ClaimLinks(
        parts.pool,
        parts.unit_of_work,
        parts.idempotency,
        prepare=issuing.prepare,
        decide=issuing.decide,
        reader=reader,
        learner_keys=parts.learner_keys,
        keystore=parts.keystore,
        log_state=parts.log_state,
        log=parts.log,
        public_url=config.public_url,
    )


def _use_claim(parts: Parts, issuing: Issuing, reader: CredentialReader, links: HolderLinks) -> UseClaim:
    return UseClaim(
        parts.pool,
        parts.unit_of_work,
        parts.idempotency,
        prepare=issuing.prepare,
        issue=issuing.issue,
        reader=reader,
        links=links,
        learner_keys=parts.learner_keys,
        writer=parts.writer,
        log_state=parts.log_state,
        metrics=parts.metrics.awards,
    )


def _recognition_applications(parts: Parts, config: Config) -> RecognitionApplications:
    return RecognitionApplications(
        parts.pool,
        parts.unit_of_work,
        parts.learner_keys,
        idempotency=parts.idempotency,
        check=EvidenceCheck(parts.verifier, parts.log),
        at_once=DecideAtOnce(parts.log_state),
        public_url=config.public_url,
        open_max=config.requests_open_max,
        due_days=config.application_due_days,
        kept_days=config.application_kept_days,
    )


def _learner_requests(parts: Parts, config: Config) -> LearnerRequests:
    return LearnerRequests(
        parts.pool,
        parts.unit_of_work,
        parts.learner_keys,
        idempotency=parts.idempotency,
        log_state=parts.log_state,
        metrics=parts.metrics.awards,
        public_url=config.public_url,
        open_max=config.requests_open_max,
        kept_days=config.request_kept_days,
        link_days=config.holder_link_days,
    )


def _decide_request(parts: Parts, issuing: Issuing) -> DecideRequest:
    return DecideRequest(
        parts.pool,
        parts.writer,
        parts.idempotency,
        prepare=issuing.prepare,
        issue=issuing.issue,
        learner_keys=parts.learner_keys,
        metrics=parts.metrics.awards,
    )


def _erase_learner(parts: Parts, lists: ListsInHand) -> EraseLearner:
    return EraseLearner(
        parts.idempotency,
        parts.batch_keys,
        parts.learner_keys,
        pool=parts.pool,
        keystore=parts.keystore,
        lists=lists,
    )
