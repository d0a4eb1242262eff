"""What pages of achievements, requests and claims call states and faults; each has its translations. Pure."""

from collections.abc import Mapping

REQUEST_STATES: Mapping[str, str] = {
    "open": "Waiting for the institution",
    "accepted": "Accepted",
    "rejected": "Not accepted",
    "withdrawn": "Withdrawn",
    "lapsed": "Lapsed: it was not decided in time",
}
CLAIM_STATES: Mapping[str, str] = {"used": "Used already", "expired": "Its time is over", "cancelled": "Cancelled"}
STATES_NOW: Mapping[str, str] = {"expired": "Expired", "not_yet_valid": "Not valid yet"}
"""Why a credential that was handed out does not hold today; any other state is one that does not hold in full."""
FIELD_FAULTS: Mapping[str, str] = {
    "given_name": "A given name has at most 300 characters.",
    "family_name": "A family name has at most 300 characters.",
    "email": "That is no mail address. Write one such as mia@uni.example, or leave it empty.",
    "message": "That is more than 2000 characters. Say it in fewer.",
    "credentials": "Not all of these are credential ids, or there are more than 16. An id has 64 digits and letters a "
    "to f; a link that ends in one will do, too.",
}
"""What is wrong with a field of the form that asks for an achievement, in words that say what to write."""
NO_NAME = "State a given or a family name: the institution must know who asks."
UNREADABLE = "This holds signs that nobody can see, or nothing else. Type it by hand, rather than copy it."
ANY_FAULT = "This was not understood. Look at each field, and send it again."
WAIT = "So much was sent from where you are that it takes no more now. Try again in an hour."
FULL = "So many wait that it takes no more. Try again later, or ask the institution."
