"""What an operator may set at the edge of every service; each service's `Config` extends it. Reads no environment."""

from typing import Annotated

import msgspec

Port = Annotated[int, msgspec.Meta(ge=0, le=65_535)]


class EdgeConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Bounds and trust of the HTTP edge. A service's `Config` inherits these fields, so its table has them."""

    trusted_proxies: Annotated[
        tuple[str, ...],
        msgspec.Meta(
            description="Networks (CIDR) of reverse proxies and services of ours whose X-Forwarded-For, "
            "X-Request-Id and traceparent are believed"
        ),
    ] = ()
    traces_url: Annotated[
        str | None,
        msgspec.Meta(
            description="Receiver of OpenTelemetry traces (OTLP over HTTP), such as http://127.0.0.1:4318/v1/traces; "
            "needs credentify[tracing], and without it nothing is traced"
        ),
    ] = None
    traces_share: Annotated[
        float,
        msgspec.Meta(ge=0, le=1, description="Share of the traces beginning here that are recorded; 1 records all"),
    ] = 1.0
    rate_per_second: Annotated[
        float,
        msgspec.Meta(ge=0, description="Requests per second that one client address may keep up; 0 sets no limit"),
    ] = 0.0
    rate_burst: Annotated[
        int,
        msgspec.Meta(ge=1, description="Requests that one client address may send at once before its rate counts"),
    ] = 200
    rate_addresses_max: Annotated[
        int,
        msgspec.Meta(ge=1, description="Client addresses remembered for the rate limit; the least recent is forgotten"),
    ] = 20_000
    body_bytes_max: Annotated[
        int,
        msgspec.Meta(ge=1, description="Largest request body in bytes, where a route names no bound of its own"),
    ] = 1_048_576
    body_timeout_seconds: Annotated[
        float,
        msgspec.Meta(gt=0, description="Seconds that a client has to send a whole request body"),
    ] = 30.0
    readiness_timeout_seconds: Annotated[
        float,
        msgspec.Meta(gt=0, description="Seconds after which a readiness check that has not answered counts as failed"),
    ] = 2.0
    shutdown_timeout_seconds: Annotated[
        float,
        msgspec.Meta(gt=0, description="Seconds that running requests have to finish once the service is told to stop"),
    ] = 10.0
    drain_seconds: Annotated[
        float,
        msgspec.Meta(
            ge=0,
            le=60,
            description="Seconds that idle connections are kept once the service is told to stop, so that a request on "
            "its way is answered, with `Connection: close`",
        ),
    ] = 2.0
    connections_max: Annotated[
        int,
        msgspec.Meta(
            ge=1,
            description="Connections open at once, at most as many as the system's limit of descriptors leaves; beyond "
            "it idle ones are closed, then new ones refused",
        ),
    ] = 4_096
    connections_per_address_max: Annotated[
        int,
        msgspec.Meta(
            ge=1,
            description="Connections of one client address (IPv6: of its /64) open at once; trusted proxies have no "
            "such bound",
        ),
    ] = 256
    header_timeout_seconds: Annotated[
        float,
        msgspec.Meta(gt=0, description="Seconds that a client has to send a request's whole head"),
    ] = 15.0
    idle_timeout_seconds: Annotated[
        float,
        msgspec.Meta(
            gt=0,
            description="Seconds that a connection is kept between two requests, or for an answer that is yet to begin "
            "to a client that has closed its own side",
        ),
    ] = 75.0
    unread_timeout_seconds: Annotated[
        float,
        msgspec.Meta(gt=0, description="Seconds after which a client that reads nothing of its answer is cut off"),
    ] = 60.0
    bodies_held_bytes_max: Annotated[
        int,
        msgspec.Meta(
            ge=1_048_576,
            description="Bytes of request bodies held in memory at once, a quarter of it for one client address; "
            "beyond it 503",
        ),
    ] = 67_108_864
