"""Which versions of the rules there are, and which types of event each of them has (DESIGN 3.6, 9). Pure."""

from proto import events
from proto.ids import LeafIndex
from proto.lifecycle.refusals import RulesVersionRefusal, UnknownRulesProblem
from proto.lifecycle.states import LogState
from proto.sentence import sentence

RULES_VERSIONS_KNOWN = frozenset({1, 2})
RULES_VERSIONS_FINISHED = frozenset({1, 2})
"""Those of which nothing changes any more; a ledger puts others in force in development alone."""
RULES_VERSION_OF_NEW_LOGS = max(RULES_VERSIONS_FINISHED)
_ADMITTED_FROM: dict[type[events.EventBase], int] = {
    events.IssuerAdmittedV2: 2,
    events.IssuerKeyAddedV2: 2,
    events.CredentialIssuedV2: 2,
    events.CredentialStackedV2: 2,
    events.CredentialsIssued: 2,
    events.CredentialsRevoked: 2,
    events.CredentialRecognisedV2: 2,
    events.AchievementRecognised: 2,
    events.AchievementRecognitionWithdrawn: 2,
    events.EndorserInvited: 2,
    events.EndorserUninvited: 2,
    events.CredentialEndorsed: 2,
    events.EndorsementWithdrawn: 2,
}
_ADMITTED_UP_TO: dict[type[events.EventBase], tuple[int, type[events.EventBase]]] = {
    events.IssuerAdmitted: (1, events.IssuerAdmittedV2),
    events.CredentialIssued: (1, events.CredentialIssuedV2),
    events.CredentialStacked: (1, events.CredentialStackedV2),
    events.CredentialRecognised: (1, events.CredentialRecognisedV2),
}
"""The last version that admits a type, and what is said in its place."""


def rules_version(log: LogState, index: LeafIndex) -> int:
    """Return the version that judges the entry at `index`; raises `UnknownRulesProblem` for one that is not here."""
    version = log.rules_version_at(index)
    if version not in RULES_VERSIONS_KNOWN:
        raise UnknownRulesProblem(f"Entry {index} is judged by rules version {version}, which is not known here")
    return version


def check_type(event: events.Event, version: int) -> None:
    """Refuse a type before the version that brings it, and from the one on that replaces it."""
    kind = type(event)
    first = _ADMITTED_FROM.get(kind, 0)
    if version < first:
        raise RulesVersionRefusal(
            sentence(
                "{event} is admitted from rules version {first} on; in force is {version}. Send it again "
                "once the registrar has activated that version and the log has reached it",
                event=kind.__struct_config__.tag,
                first=first,
                version=version,
            ),
            pointer="/type",
        )
    last = _ADMITTED_UP_TO.get(kind)
    if last is not None and version > last[0]:
        raise RulesVersionRefusal(
            sentence(
                "{event} is admitted no more under rules version {version}. Bring the software that said it "
                "up to date: it has to say {successor} in its place",
                event=kind.__struct_config__.tag,
                version=version,
                successor=last[1].__struct_config__.tag,
            ),
            pointer="/type",
            is_final=True,
        )
