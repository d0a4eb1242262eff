"""The claims root of many documents, whose claims are mostly the same, is that of each by itself."""

from random import Random

from hypothesis import given, settings
from hypothesis import strategies as st

from proto.canonical import canonical_json
from proto.documents.claims_root import SEED_BYTES, ClaimsOfMany, root_of

_VALUES = st.text(st.characters(exclude_categories=["Cs"]), max_size=70) | st.lists(st.integers(0, 9), max_size=90)
_CLAIMS = st.dictionaries(st.text("abcXYZ", min_size=1, max_size=12), _VALUES, max_size=7)
_SEED = st.binary(min_size=SEED_BYTES, max_size=SEED_BYTES)


@settings(max_examples=200, deadline=None)
@given(claims=_CLAIMS, seeds=st.lists(_SEED, min_size=1, max_size=3), lot=st.randoms())
def test_what_is_shared_and_what_is_put_in_make_the_root_of_all(
    claims: dict[str, object], seeds: list[bytes], lot: Random
) -> None:
    values = {name: canonical_json(value) for name, value in claims.items()}
    open_names = [name for name in values if lot.random() < 0.5]
    many = ClaimsOfMany({name: values[name] for name in values if name not in open_names}, open_names)
    for seed in seeds:
        anew = {name: canonical_json(f"{seed.hex()}{lot.randrange(9)}") for name in open_names}
        assert many.root(seed, {name: values[name] for name in open_names}) == root_of(values, seed)
        assert many.root(seed, anew) == root_of(values | anew, seed)
