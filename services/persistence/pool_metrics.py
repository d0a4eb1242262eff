"""How much of its pools of database connections a service uses; knows no table."""

from collections.abc import Iterator, Mapping

from prometheus_client import Metric
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from services.persistence.postgres import Pool


class PoolMetrics(Collector):
    """The Prometheus view of a service's pools, by name."""

    def __init__(self, pools: Mapping[str, Pool]) -> None:
        self._pools = pools

    def collect(self) -> Iterator[Metric]:
        """Yield how many connections are open, in use or idle, and how many there may be."""
        connections = GaugeMetricFamily(
            "credentify_database_connections",
            "Open connections to the database. `used` that stays at the bound: requests wait for a connection.",
            labels=("pool", "state"),
        )
        bounds = GaugeMetricFamily(
            "credentify_database_connections_max", "Connections that a pool opens at most.", labels=("pool",)
        )
        for name, pool in self._pools.items():
            idle = pool.get_idle_size()
            connections.add_metric([name, "used"], pool.get_size() - idle)
            connections.add_metric([name, "idle"], idle)
            bounds.add_metric([name], pool.get_max_size())
        yield from (connections, bounds)
