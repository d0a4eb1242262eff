"""A credential that was packed into a row comes back as it was, and a damaged row is never read as another."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from proto.ids import AchievementUri, CredentialId, EventId, KeyId, LeafIndex
from proto.lifecycle import Change, Credential, Life, Stamp
from proto.moment import Moment
from services.persistence.packing import name_digest, names_in, pack, unpack

IDS = st.binary(min_size=32, max_size=32).map(bytes.hex)
MOMENTS = st.from_regex(r"[2-8][0-9]{3}-(0[1-9]|1[0-2])-31T2[0-3]:59:60\.[0-9]{3}Z", fullmatch=True).map(Moment)
KEYS = st.integers(0, 3).map(lambda number: KeyId(f"did:web:school-{number}.example#key"))
STAMPS = st.builds(
    Stamp, index=st.integers(0, 2**40).map(LeafIndex), event_id=IDS.map(EventId), key_id=KEYS, received_at=MOMENTS
)
CHANGES = st.builds(
    Change,
    stamp=STAMPS,
    kind=st.sampled_from(["revoked", "suspended", "reinstated"]),
    reason=st.sampled_from(["error", "superseded", "key-compromise"]),
    effective_at=MOMENTS,
    replaced_by=st.none() | IDS.map(CredentialId),
)
PARTS = st.lists(IDS.map(CredentialId), max_size=3).map(tuple)
LIVES = st.builds(
    Life,
    stamp=STAMPS,
    achievement=st.integers(0, 3).map(lambda number: AchievementUri(f"https://school.example/{number}")),
    ects_hundredths=st.integers(0, 100_000),
    eqf_level=st.none() | st.integers(1, 8),
    valid_from=MOMENTS,
    valid_until=st.none() | MOMENTS,
    components=PARTS,
    parts=PARTS,
    level=st.integers(0, 3),
    changes=st.lists(CHANGES, max_size=3).map(tuple),
)
CREDENTIALS = st.builds(
    Credential, credential_id=IDS.map(CredentialId), lives=st.lists(LIVES, min_size=1, max_size=2).map(tuple)
)


def _name_of(credential: Credential) -> dict[bytes, str]:
    return {name_digest(name): name for name in names_in(credential.lives)}


@given(credential=CREDENTIALS)
def test_a_packed_credential_comes_back_as_it_was(credential: Credential) -> None:
    assert unpack(pack(credential.lives), _name_of(credential).__getitem__) == credential.lives


@given(credential=CREDENTIALS, cut=st.integers(1, 60))
def test_a_row_that_was_cut_is_refused(credential: Credential, cut: int) -> None:
    with pytest.raises(msgspec.DecodeError):
        unpack(pack(credential.lives)[:-cut], _name_of(credential).__getitem__)
