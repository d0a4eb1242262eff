"""A ledger admits no version of the rules that it could not judge by."""

from proto.envelope import open_envelope
from proto.lifecycle import UnknownRulesProblem
from proto.log.merkle import Hash
from services.ledger.domain import BatchPlan, Head, NewEntry, extend_plan
from tests.support.worlds import FirstWorld


def test_rules_that_the_ledger_does_not_have_are_not_activated_and_sink_nothing_else() -> None:
    world = FirstWorld()
    university = world.admit("uni")
    head = Head(
        size=world.size, root_hash=world.root_hash(), last_leaf_hash=Hash(bytes(32)), last_received_at_ms=world.now_ms
    )
    batch = [open_envelope(world.seal(event)) for event in (world.activation(3, 100), world.issue(university))]
    plan = BatchPlan(head=head, received_at=world.now)
    extend_plan(plan, world.book, batch)
    assert isinstance(plan.outcomes[0], UnknownRulesProblem)
    assert isinstance(plan.outcomes[1], NewEntry)
    assert len(plan.entries) == 1
