"""All routes of the ledger (DESIGN 4) as one table, for the service and for whoever describes it. Handles nothing."""

from services.edge import Route
from services.ledger.config import Config
from services.ledger.http.bundle_routes import bundle_routes
from services.ledger.http.proof_routes import proof_routes
from services.ledger.http.read_routes import read_routes
from services.ledger.http.submit_routes import submit_routes
from services.ledger.http.tlog_routes import tlog_routes


def make_routes(config: Config) -> list[Route]:
    """Return the routes in the order in which the documentation shows them."""
    return [*submit_routes(config), *read_routes(), *proof_routes(), *bundle_routes(), *tlog_routes()]
