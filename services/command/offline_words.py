"""What is said of a credential that is checked offline, in English; the verifier's languages have it too. Tables."""

from collections.abc import Mapping

from proto.wire.verifier import Result

LATER: Mapping[str, tuple[str, str]] = {
    "status-stale": (
        "status-later-unknown",
        "Nothing in the bundle was said against the credential by {time}. Whether it was revoked since is unknown.",
    ),
    "components-stale": (
        "components-later-unknown",
        "Nothing in the bundle was said by {time} against the credentials that this one is made of.",
    ),
}
"""In place of what a verifier says of records that are not up to date: the code and the sentence."""
NEWER: Mapping[bool, str] = {
    True: (
        "Nothing newer than {time} is known of the credential offline. The bundle shows the log of {shown} (by the "
        "word of its witnesses), and what was said in between may have been left out of it: ask a verifier whether it "
        "still holds."
    ),
    False: (
        "Nothing newer than {time} is known of the credential offline. The bundle shows the log of {shown} (by the "
        "log's own word), and what was said in between may have been left out of it: ask a verifier whether it still "
        "holds."
    ),
}
"""How fresh a bundle is, by whether witnesses vouch for its time."""
NO_TIME = (
    "The bundle shows no time that could be relied on, so nothing is known of what was said since: ask a verifier "
    "whether the credential still holds."
)
SIGNED = "The institution's signature and the keys that it rests on were checked here."
UNREADABLE = "The bundle cannot be read: fetch it again, or ask whoever sent it."
FAULTY: Mapping[Result, str] = {
    "invalid": "What the bundle shows does not hold together.",
    "unknown": "What the bundle shows could not be judged by what is trusted here.",
}
"""What faults of a bundle come to, where their own words are not in the reader's language."""
STATED: Mapping[str, str] = {
    "invalid": "{verifier} states, as its own word, that on {time} the credential was {state} and did not hold.",
    "valid": (
        "{verifier} states, as its own word, that on {time} the credential was {state} and held. Whether it was "
        "revoked since is unknown."
    ),
}
"""What a verifier's dated word comes to, by its verdict."""
