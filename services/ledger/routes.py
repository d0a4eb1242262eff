"""All routes of the ledger (DESIGN 4) as one table. The handlers are in the `routes_…` modules."""

from services.edge import Route
from services.ledger.bundles import bundle_routes
from services.ledger.config import Config
from services.ledger.routes_read import read_routes
from services.ledger.routes_submit import submit_routes
from services.ledger.routes_tlog import tlog_routes


def make_routes(config: Config) -> list[Route]:
    """Return the routes in the order in which the documentation shows them."""
    return [*submit_routes(config), *read_routes(), *bundle_routes(), *tlog_routes()]
