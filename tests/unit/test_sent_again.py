"""Every route by which something may change says what the same request does when it is sent again."""

import pytest

from services.edge import Route
from tests.support.reference_tables import sent_again, writing_routes

ROUTES = [route for service in ("gateway", "ledger", "verifier") for route in writing_routes(service)]


@pytest.mark.parametrize("route", ROUTES, ids=lambda route: f"{route.method} {route.template}")
def test_a_route_that_writes_takes_a_key_or_says_what_becomes_of_the_same_request_again(route: Route) -> None:
    assert sent_again(route), "take an Idempotency-Key, or say `again`"
    assert not (route.idempotency and route.again), "with a key the answer is that of then"


def test_only_what_makes_a_new_secret_each_time_does_more_when_it_is_sent_again() -> None:
    new = {route.operation_id for route in ROUTES if route.again.startswith(("new ", "a session"))}
    assert new == {"make_batch_claims", "sign_in_by_form"}
