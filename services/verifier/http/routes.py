"""All routes of the verifier (DESIGN 4) as one table, for the service and for whoever describes it. Handles nothing."""

import dataclasses

from services.edge import Route
from services.edge.problems import UnauthenticatedProblem
from services.verifier.config import Config
from services.verifier.http.catalogue_pages import catalogue_page_routes
from services.verifier.http.catalogue_routes import catalogue_routes
from services.verifier.http.checkpoint_routes import checkpoint_routes
from services.verifier.http.list_pages import list_page_routes
from services.verifier.http.log_routes import log_routes
from services.verifier.http.offline_routes import offline_routes
from services.verifier.http.page_routes import page_routes
from services.verifier.http.precedent_routes import precedent_routes
from services.verifier.http.record_routes import record_routes
from services.verifier.http.register_routes import register_routes
from services.verifier.http.statement_routes import statement_routes
from services.verifier.http.statistics_routes import statistics_routes
from services.verifier.http.verification_routes import verification_routes
from services.verifier.http.witness_routes import witness_routes
from services.verifier.limits.api_keys import QuotaProblem


def make_routes(config: Config) -> list[Route]:
    """Return every route of the verifier; at all of them machines may show an API key, and none needs one."""
    routes = (
        *verification_routes(config),
        *record_routes(),
        *register_routes(),
        *catalogue_routes(),
        *precedent_routes(),
        *log_routes(),
        *statistics_routes(),
        *statement_routes(),
        *checkpoint_routes(),
        *witness_routes(),
        *page_routes(config),
        *offline_routes(),
        *list_page_routes(),
        *catalogue_page_routes(),
    )
    return [
        dataclasses.replace(
            route,
            takes_key=True,
            problems=tuple(dict.fromkeys((*route.problems, UnauthenticatedProblem, QuotaProblem))),
            any_origin=route.path.startswith("/v1/"),
        )
        for route in routes
    ]
