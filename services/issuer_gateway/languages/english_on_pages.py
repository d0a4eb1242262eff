"""What pages say in English where a refusal names members of the API: the words that stand on the page instead. Pure.

A refusal is said to programs and to people. Who sends JSON needs the name of the member; who fills in a form has never
seen it. Other languages have their own sentences for both, in their files.
"""

from collections.abc import Mapping

ENGLISH_ON_PAGES: Mapping[str, str] = {
    "This cursor is not one that this list gave out; start without one": (
        "The address of this part of the list is not whole: open the list anew"
    ),
    (
        "It counts towards this programme already: {place}. Refuse it, or confirm that it is to count once more "
        "(`despite_counted`)"
    ): ("It counts towards this programme already: {place}. Refuse it, or confirm below that it is to count once more"),
    (
        "It was revoked or suspended since it was shown, or its time is over. Refuse it, decide once it holds"
        " again, or confirm that you know (`despite_status`) and say in words why it counts"
    ): (
        "It was revoked or suspended since it was shown, or its time is over. Refuse it, decide once it holds"
        " again, or confirm below that you know and say in words why it counts"
    ),
    ("Name the achievements, or all of a field of education (isced_f) or of a level (eqf_level)"): (
        "Name the achievements, or all of a field of education (ISCED-F) or of an EQF level"
    ),
    ("In part counts what you say in ects_hundredths; in full counts what the credential carries: leave it out"): (
        "In part counts what you write as credits; in full counts what the credential carries: leave the credits empty"
    ),
    ("This needs an API key with the scope `{scope}`: sign in with another"): (
        "The key that you signed in with may not do this. Ask for one that may ({scope}), and sign in with it"
    ),
    (
        "No {purpose} key that the gateway holds for {institution} may sign now. Make one with POST "
        "/v1/signing-keys and have the institution's recovery key add it on the log"
    ): (
        "No {purpose} key that the gateway holds for {institution} may sign now. Whoever runs the "
        "institution's keys makes one here, and has the recovery key add it on the log"
    ),
    ("effective_at lies between {earliest} and {latest}; {stated} does not"): (
        "The day from which it is to hold lies between {earliest} and {latest}; {stated} does not"
    ),
    ("The recognition {recognition} was withdrawn already: leave out `replaces`"): (
        "The recognition {recognition} was withdrawn already: say this without what it would replace"
    ),
    ("valid_until lies after valid_from"): ("The last day lies after the first"),
    (
        "{institution} recognised it for this programme already: {recognition}. Withdraw that, or name it in `replaces`"
    ): (
        "{institution} recognised it for this programme already: {recognition}. Withdraw that first, or have "
        "this take its place"
    ),
}
"""By a refusal's sentence, with its values' names in braces."""
