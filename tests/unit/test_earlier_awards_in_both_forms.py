"""An award that was made when documents had another form is the same award still."""

from services.issuer_gateway.credentials.earlier_awards import _said
from tests.support.documents import full_award, full_document
from tests.support.earlier_documents import earlier_document


def test_an_award_says_the_same_in_both_forms_and_another_does_not() -> None:
    before = earlier_document()
    before |= {name: before[name].replace("Z", ".000Z") for name in ("awardedDate", "validFrom", "validUntil")}
    assert _said(before, "1") == _said(full_document(), "1")
    assert _said(before, "1") != _said(full_document(award=full_award(other_identifiers=[])), "1")
