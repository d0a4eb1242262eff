"""What an institution is told of an event that the log's rules overtook: what to do, and not whose software is old."""

from services.issuer_gateway.log.refused_events import overtaken


def test_an_event_that_new_rules_overtook_is_to_be_sent_again() -> None:
    told = {"rule": "general.rules-version", "detail": "Bring the software that said it up to date", "pointer": "/type"}
    answer = overtaken(told)
    assert "send the same again, with another Idempotency-Key" in answer["detail"]
    assert answer | {"detail": None} == told | {"detail": None}


def test_other_refusals_keep_their_words() -> None:
    told = {"rule": "stack.sum", "detail": "The parts carry 3 ECTS"}
    assert overtaken(told) == told
