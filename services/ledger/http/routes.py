"""All routes of the ledger (DESIGN 4) as one table. The handlers are in the `routes_…` modules."""

from services.edge import Route
from services.ledger.config import Config
from services.ledger.http.bundle_routes import bundle_routes
from services.ledger.http.read_routes import read_routes
from services.ledger.http.submit_routes import submit_routes
from services.ledger.http.tlog_routes import tlog_routes


def make_routes(config: Config) -> list[Route]:
    """Return the routes in the order in which the documentation shows them."""
    return [*submit_routes(config), *read_routes(), *bundle_routes(), *tlog_routes()]
