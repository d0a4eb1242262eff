"""What handlers get: the commands of the gateway, each of which was given the few things that it uses. Does nothing."""

import dataclasses

from services.issuer_gateway.achievements.named_achievements import AchievementNames
from services.issuer_gateway.applications.agreements import Agreements
from services.issuer_gateway.applications.apply import RecognitionApplications
from services.issuer_gateway.applications.decide import DecideApplications
from services.issuer_gateway.applications.export_applications import ExportApplications
from services.issuer_gateway.applications.grade_conditions import GradeConditions
from services.issuer_gateway.applications.list_applications import ListApplications
from services.issuer_gateway.applications.programme_names import ProgrammeNames
from services.issuer_gateway.applications.publication import PublishRecognitions
from services.issuer_gateway.applications.reminders import RemindOffices
from services.issuer_gateway.applications.whose import WhoseApplications
from services.issuer_gateway.batches.batch_reader import BatchReader
from services.issuer_gateway.batches.batch_upload import BatchUploads
from services.issuer_gateway.batches.large_lists import LargeLists
from services.issuer_gateway.batches.small_batch import CheckList, IssueList
from services.issuer_gateway.batches.workbooks.workbook import Workbooks
from services.issuer_gateway.config import Config
from services.issuer_gateway.credentials.change_credential import ChangeCredential
from services.issuer_gateway.credentials.credential_papers import CredentialPapers
from services.issuer_gateway.credentials.credential_reader import CredentialReader
from services.issuer_gateway.credentials.import_document import ImportDocument
from services.issuer_gateway.credentials.issue_together import IssueTogether
from services.issuer_gateway.credentials.say_again import SayAgain
from services.issuer_gateway.credentials.stack_credential import StackCredentials
from services.issuer_gateway.credentials.statements import MakeStatements, StatementReader
from services.issuer_gateway.keys.keystore import Keystore
from services.issuer_gateway.learners.advise_stacks import AdviseStacks
from services.issuer_gateway.learners.learner_erasure import EraseLearner
from services.issuer_gateway.learners.retention import Retention
from services.issuer_gateway.links.claim_commands import ClaimLinks
from services.issuer_gateway.links.claim_use import UseClaim
from services.issuer_gateway.links.holdings_export import ExportHoldings
from services.issuer_gateway.links.link_commands import HolderLinks
from services.issuer_gateway.links.shown_credentials import ShownByLinks
from services.issuer_gateway.log.log_state import FollowedLogState
from services.issuer_gateway.requests.learner_requests import LearnerRequests
from services.issuer_gateway.requests.request_decision import DecideRequest, RequestReader
from services.issuer_gateway.status_lists import StatusLists
from services.issuer_gateway.unit_of_work.idempotency import Idempotency
from services.issuer_gateway.unit_of_work.transactions import UnitOfWork
from services.persistence.postgres import Pool


@dataclasses.dataclass(frozen=True, kw_only=True)
class Gateway:
    """The commands, and what handlers use that only read or write rows. Only handlers are given the whole."""

    config: Config
    pool: Pool
    keystore: Keystore
    unit_of_work: UnitOfWork
    idempotency: Idempotency
    log_state: FollowedLogState
    workbooks: Workbooks
    large_lists: LargeLists
    status_lists: StatusLists
    achievement_names: AchievementNames
    programme_names: ProgrammeNames

    issue_together: IssueTogether
    stack_credentials: StackCredentials
    advise_stacks: AdviseStacks
    change_credential: ChangeCredential
    say_again: SayAgain
    make_statements: MakeStatements
    statement_reader: StatementReader
    import_document: ImportDocument
    credential_reader: CredentialReader
    credential_papers: CredentialPapers

    check_list: CheckList
    issue_list: IssueList
    batch_uploads: BatchUploads
    batch_reader: BatchReader

    claim_links: ClaimLinks
    use_claim: UseClaim
    recognition_applications: RecognitionApplications
    decide_applications: DecideApplications
    list_applications: ListApplications
    grade_conditions: GradeConditions
    agreements: Agreements
    whose_applications: WhoseApplications
    export_applications: ExportApplications
    publish_recognitions: PublishRecognitions
    remind_offices: RemindOffices
    learner_requests: LearnerRequests
    request_reader: RequestReader
    decide_request: DecideRequest
    erase_learner: EraseLearner
    retention: Retention
    holder_links: HolderLinks
    shown_by_links: ShownByLinks
    export_holdings: ExportHoldings
