"""Whose address counts, and how often it may ask."""

import pytest

from proto.problem import InvalidProblem
from services.edge import RateLimit, TrustedProxies
from services.edge.address import rate_key


def test_without_configured_proxies_the_peer_is_the_client() -> None:
    assert TrustedProxies(()).client_address("10.0.0.1", ["1.2.3.4"]) == "10.0.0.1"


def test_a_peer_that_is_no_proxy_cannot_speak_for_others() -> None:
    assert TrustedProxies(("10.0.0.0/8",)).client_address("9.9.9.9", ["1.2.3.4"]) == "9.9.9.9"


@pytest.mark.parametrize(
    ("forwarded", "client"),
    [
        (["1.2.3.4"], "1.2.3.4"),
        (["6.6.6.6, 1.2.3.4"], "1.2.3.4"),
        (["6.6.6.6, 1.2.3.4, 10.1.1.1"], "1.2.3.4"),
        (["6.6.6.6", "1.2.3.4", "10.1.1.1"], "1.2.3.4"),
        (["1.2.3.4:5555"], "1.2.3.4"),
        (["[2001:db8::1]:5555"], "2001:db8::1"),
        (["::ffff:1.2.3.4"], "1.2.3.4"),
        (["1.2.3.4, unknown"], "10.0.0.1"),
        (["10.1.1.1, 10.2.2.2"], "10.1.1.1"),
        ([], "10.0.0.1"),
    ],
)
def test_behind_a_proxy_the_rightmost_address_that_is_no_proxy_is_the_client(forwarded: list[str], client: str) -> None:
    assert TrustedProxies(("10.0.0.0/8",)).client_address("10.0.0.1", forwarded) == client


def test_a_text_that_is_no_network_is_refused() -> None:
    with pytest.raises(InvalidProblem, match="trusted proxy"):
        TrustedProxies(("example.org",))


def test_ipv6_clients_count_by_their_64_bit_network() -> None:
    assert rate_key("2001:db8::1") == rate_key("2001:db8::ffff")
    assert rate_key("2001:db8::1") != rate_key("2001:db8:0:1::1")
    assert rate_key("1.2.3.4") == "1.2.3.4"


def test_a_burst_is_taken_then_the_rate_counts() -> None:
    limit = RateLimit(per_second=2, burst=3, keys_max=10)
    assert [limit.charge("a", 100.0) for _ in range(3)] == [0, 0, 0]
    assert limit.charge("a", 100.0) == pytest.approx(0.5)
    assert limit.charge("b", 100.0) == 0
    assert limit.charge("a", 100.5) == 0
    assert limit.charge("a", 100.5) > 0


def test_a_refused_request_costs_nothing() -> None:
    limit = RateLimit(per_second=1, burst=1, keys_max=10)
    limit.charge("a", 0.0)
    waits = [limit.charge("a", 0.5) for _ in range(5)]
    assert waits == [pytest.approx(0.5)] * 5


def test_a_batch_costs_what_it_holds() -> None:
    limit = RateLimit(per_second=10, burst=100, keys_max=10)
    assert limit.charge("a", 0.0, cost=90) == 0
    assert limit.charge("a", 0.0, cost=20) == pytest.approx(1.0)


def test_memory_is_bounded_and_the_least_recent_is_forgotten() -> None:
    limit = RateLimit(per_second=1, burst=1, keys_max=3)
    for number in range(1000):
        limit.charge(f"client {number}", 0.0)
    assert len(limit) == 3
    assert limit.charge("client 999", 0.0) > 0
    assert limit.charge("client 0", 0.0) == 0


def test_what_costs_more_than_a_burst_waits_for_a_full_bucket_and_is_let_through() -> None:
    limit = RateLimit(per_second=10, burst=5, keys_max=10)
    limit.charge("a", 0.0)
    wait = limit.charge("a", 0.0, cost=50)
    assert 0 < wait <= 0.5
    assert limit.charge("a", wait, cost=50) == 0


@pytest.mark.parametrize("per_second", [0.1, 1 / 3, 3, 7, 20 / 3_600])
def test_a_full_bucket_of_one_lets_one_through_at_any_time_of_the_clock(per_second: float) -> None:
    limit = RateLimit(per_second=per_second, burst=1, keys_max=1_000)
    assert [limit.charge(str(n), 1_234_567.8 + n * 0.1234567) for n in range(500)] == [0.0] * 500
