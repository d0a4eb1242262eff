"""The witness's routes (C2SP tlog-witness v1.0.0): cosign a checkpoint, and show what was cosigned last."""

from typing import Annotated

from aiohttp import web
from msgspec import Meta

from proto.ids import HEX_256_PATTERN
from proto.log.merkle import ProofProblem
from proto.log.witness import (
    REQUEST_BYTES_MAX,
    SIZE_MEDIA_TYPE,
    OtherSizeProblem,
    UnknownLogProblem,
    UntrustedCheckpointProblem,
)
from proto.problem import MalformedProblem, NotFoundProblem
from proto.wire.ledger import Body
from services.edge import Media, Reply, Route, annotate
from services.verifier.witness.memory import ForgetfulWitnessProblem
from services.verifier.witness.witness import NothingCosignedProblem, Witness

WITNESS: web.AppKey[Witness] = web.AppKey("witness", Witness)
_CONFLICT = 409
_NO_STORE = {"Cache-Control": "no-store", "Access-Control-Allow-Origin": "*"}


class NoWitnessProblem(NotFoundProblem):
    """This verifier has no witness key."""

    slug = "no-witness"
    title = "This verifier is no witness"


class OriginPath(Body, frozen=True, kw_only=True):
    """SHA-256 of a log's origin."""

    origin_hash: Annotated[str, Meta(pattern=HEX_256_PATTERN, max_length=64)]


async def add_checkpoint(request: web.Request, *, raw: bytes) -> Reply:
    """Answer with the cosignature, or with the size cosigned last where the request starts from another."""
    witness = _witness(request)
    try:
        line = await witness.add_checkpoint(raw)
    except OtherSizeProblem as problem:
        annotate(request, problem=problem.slug, cosigned_size=problem.size)
        return Reply(f"{problem.size}\n", status=_CONFLICT, headers={**_NO_STORE, "Content-Type": SIZE_MEDIA_TYPE})
    return Reply(line.text, headers=_NO_STORE)


async def cosigned_checkpoint(request: web.Request, *, path: OriginPath) -> Reply:
    """Answer with the checkpoint cosigned last."""
    return Reply(await _witness(request).last_checkpoint(bytes.fromhex(path.origin_hash)), headers=_NO_STORE)


def _witness(request: web.Request) -> Witness:
    found = request.app.get(WITNESS)
    if found is None:
        raise NoWitnessProblem("This verifier cosigns nothing; its operator may give it a witness key")
    return found


def witness_routes() -> list[Route]:
    """Return the routes; without a witness key they answer 404."""
    return [
        Route(
            "POST",
            "/add-checkpoint",
            add_checkpoint,
            summary="Cosign a log's checkpoint (C2SP tlog-witness); 404 without a witness key",
            again="the same checkpoint is cosigned again; nothing changes",
            description="`old <size>`, the consistency proof from there, a blank line, the signed checkpoint. The "
            "answer is the cosignature's line; 409 with the size cosigned last where that is not the old size.",
            tag="witness",
            request=bytes,
            request_media=("*/*",),
            response={200: Media("text/plain"), _CONFLICT: Media(SIZE_MEDIA_TYPE)},
            problems=(
                MalformedProblem,
                UnknownLogProblem,
                UntrustedCheckpointProblem,
                ProofProblem,
                ForgetfulWitnessProblem,
            ),
            body_bytes_max=REQUEST_BYTES_MAX,
        ),
        Route(
            "GET",
            "/{origin_hash:[0-9a-f]{64}}/checkpoint",
            cosigned_checkpoint,
            operation="read_cosigned_checkpoint",
            summary="The checkpoint cosigned last of the log whose origin has this SHA-256",
            tag="witness",
            path_parameters=OriginPath,
            response={200: Media("text/plain")},
            problems=(NothingCosignedProblem, NoWitnessProblem),
        ),
    ]
