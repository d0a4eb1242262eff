"""Every bundle that a world's credentials have, checked."""

from proto.bundles.bundle import decode_bundle, encode_bundle
from proto.bundles.check import check_bundle
from tests.support.bundles import bundle_of, log_policy
from tests.support.worlds import World


def check_every_bundle(world: World) -> None:
    """The bundle of each credential proves it, and says of it what the whole log says."""
    policy = log_policy(world)
    for credential_id in list(world.book.credentials):
        found = check_bundle(decode_bundle(encode_bundle(bundle_of(world, credential_id))), policy)
        assert found.faults == (), credential_id
        assert found.state(world.now) == world.effective(credential_id), credential_id
        assert found.verdict(world.now) == ("indeterminate" if world.state(credential_id) == "active" else "invalid")
