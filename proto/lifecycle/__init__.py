"""The rules of admission and what follows from them: one pure implementation for all (DESIGN 3.6, 3.7).

`needs` says which states a decision reads, `signing_key` with which key an event must verify, `decide` whether it may
be appended, `evolve` what it changes, `effective` what a credential's state is. Pure: reads no clock and no store.
"""

from proto.lifecycle.book import Book, UnloadedStateError
from proto.lifecycle.decide import SIGNING_PURPOSES, decide, signing_key
from proto.lifecycle.decide_issuer import admitted, check_activation, living_end
from proto.lifecycle.decide_withdrawal import withdrawn_by
from proto.lifecycle.effective import Effective, StateName, changes_that_count, effective, life_of
from proto.lifecycle.evolve import evolve
from proto.lifecycle.liveness import holds, is_in_force, is_live, is_live_recognition
from proto.lifecycle.needs import ROUNDS_MAX, Needs, credential_needs, needs
from proto.lifecycle.refusals import (
    BadSignatureRefusal,
    CredentialsRefusal,
    Refusal,
    UnknownPredecessorProblem,
    UnknownRulesProblem,
)
from proto.lifecycle.rules_versions import (
    RULES_VERSION_OF_NEW_LOGS,
    RULES_VERSIONS_FINISHED,
    RULES_VERSIONS_KNOWN,
)
from proto.lifecycle.statements import (
    Endorsement,
    Invitation,
    StandingDecision,
    Statement,
    StatementGroup,
    decisions_by,
    decisions_like,
    decisions_on,
    endorsements_of,
    invitations_by,
    invitations_like,
    invitations_of,
)
from proto.lifecycle.states import (
    Change,
    Credential,
    Issuer,
    Key,
    Life,
    LogState,
    Profile,
    Recognition,
    Retirement,
    RulesVersion,
    SharedPlace,
    Stamp,
    Standing,
    overlap,
    prefixes_of,
)
from proto.lifecycle.voidness import compromised_from, counts, is_known, is_retired, is_void, profile, standing

__all__ = [
    "ROUNDS_MAX",
    "RULES_VERSIONS_FINISHED",
    "RULES_VERSIONS_KNOWN",
    "RULES_VERSION_OF_NEW_LOGS",
    "SIGNING_PURPOSES",
    "BadSignatureRefusal",
    "Book",
    "Change",
    "Credential",
    "CredentialsRefusal",
    "Effective",
    "Endorsement",
    "Invitation",
    "Issuer",
    "Key",
    "Life",
    "LogState",
    "Needs",
    "Profile",
    "Recognition",
    "Refusal",
    "Retirement",
    "RulesVersion",
    "SharedPlace",
    "Stamp",
    "Standing",
    "StandingDecision",
    "StateName",
    "Statement",
    "StatementGroup",
    "UnknownPredecessorProblem",
    "UnknownRulesProblem",
    "UnloadedStateError",
    "admitted",
    "changes_that_count",
    "check_activation",
    "compromised_from",
    "counts",
    "credential_needs",
    "decide",
    "decisions_by",
    "decisions_like",
    "decisions_on",
    "effective",
    "endorsements_of",
    "evolve",
    "holds",
    "invitations_by",
    "invitations_like",
    "invitations_of",
    "is_in_force",
    "is_known",
    "is_live",
    "is_live_recognition",
    "is_retired",
    "is_void",
    "life_of",
    "living_end",
    "needs",
    "overlap",
    "prefixes_of",
    "profile",
    "signing_key",
    "standing",
    "withdrawn_by",
]
