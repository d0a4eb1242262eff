"""What is said of a field that several forms of the office have, where it was not understood. Pure."""

from collections.abc import Mapping

CREDITS_FAULT = "Write credits as a number such as 3 or 2.5"
LEVEL_FAULT = "An EQF level is a number from 1 to 8"
AWARD_FAULTS: Mapping[str, str] = {
    "achievement_issuer": "Write the DID of whoever awards it, such as did:web:college.example",
    "achievement": "Write the address of the achievement, as it is on the log",
    "programme": "Write the address of a programme of your own",
}
"""Which achievement of others counts towards which programme."""
COUNTED_FAULTS: Mapping[str, str] = {
    "decision": "Choose in full or in part",
    "ects": CREDITS_FAULT,
    "ects_min": f"{CREDITS_FAULT}, or leave it empty",
    "eqf_level": LEVEL_FAULT,
    "eqf_level_min": LEVEL_FAULT,
    "valid_until": "Write the last day as 2029-06-30; it is five years on at most",
}
"""How it counts, and until when."""
