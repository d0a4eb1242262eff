"""All routes of the gateway (DESIGN 4) as one table, for the service and for whoever describes it. Handles nothing."""

from collections.abc import Sequence

from services.edge import Route
from services.issuer_gateway.config import Config
from services.issuer_gateway.http import (
    achievement_routes,
    agreement_routes,
    application_export_routes,
    application_routes,
    apply_routes,
    audit_routes,
    batch_routes,
    batch_status_routes,
    claim_routes,
    credential_page_routes,
    credential_routes,
    esco_routes,
    event_routes,
    grade_routes,
    holder_link_routes,
    import_routes,
    institution_routes,
    learner_routes,
    logo_routes,
    office_agreement_routes,
    office_grade_routes,
    office_routes,
    office_statement_routes,
    paper_routes,
    reminder_routes,
    request_routes,
    retention_routes,
    stack_routes,
    statement_routes,
    status_routes,
)


def make_routes(config: Config) -> Sequence[Route]:
    """Return every route that the gateway serves, in the order in which it is described."""
    return [
        *institution_routes.ROUTES,
        *logo_routes.ROUTES,
        *achievement_routes.ROUTES,
        *credential_routes.ROUTES,
        *event_routes.ROUTES,
        *stack_routes.ROUTES,
        *statement_routes.ROUTES,
        *paper_routes.ROUTES,
        *holder_link_routes.ROUTES,
        *credential_page_routes.ROUTES,
        *learner_routes.ROUTES,
        *status_routes.ROUTES,
        *request_routes.ROUTES,
        *application_routes.ROUTES,
        *apply_routes.ROUTES,
        *office_routes.ROUTES,
        *application_export_routes.ROUTES,
        *office_statement_routes.ROUTES,
        *agreement_routes.ROUTES,
        *office_agreement_routes.ROUTES,
        *grade_routes.ROUTES,
        *office_grade_routes.ROUTES,
        *claim_routes.ROUTES,
        *batch_routes.routes(config),
        *import_routes.routes(config),
        *batch_status_routes.ROUTES,
        *reminder_routes.ROUTES,
        *audit_routes.ROUTES,
        *retention_routes.ROUTES,
        *esco_routes.routes(config),
    ]
