"""What tells two rows of a file apart is what they say: in one normal form, without blanks at the ends of a text."""

import unicodedata
from zoneinfo import ZoneInfo

import msgspec
from hypothesis import example, given
from hypothesis import strategies as st

from services.issuer_gateway.credentials.earlier_awards import content_of
from tests.support.documents import full_award

ZONE = ZoneInfo("Europe/Amsterdam")
TEXTS = st.text(
    st.sampled_from('aZ9"\\ \t\n\u0085\u00a0\u00e9\u02ff\u0301\u0345\u1e0d\u0323\u2003\u3000\uac00\u1100'), max_size=6
)


def content(given_name: str, family_name: str) -> bytes:
    """Return what tells an award of a learner of these names apart."""
    award = full_award()
    learner = msgspec.structs.replace(award.learner, given_name=given_name, family_name=family_name)
    return content_of(msgspec.structs.replace(award, learner=learner), ZONE)


@given(TEXTS | st.text(max_size=6), TEXTS)
@example("Zoë", "Løvstad")
@example("Zoe\u0308", "\u00a0Løvstad")
@example('"', " ")
def test_a_name_counts_in_its_normal_form_and_without_blanks_around_it(given_name: str, family_name: str) -> None:
    plain = [unicodedata.normalize("NFC", name).strip() for name in (given_name, family_name)]
    assert content(given_name, family_name) == content(*plain)
    assert content(*plain) != content(plain[0] + "x", plain[1])
    found = msgspec.json.decode(content(given_name, family_name))["learner"]
    assert [found.get("given_name"), found.get("family_name")] == plain
