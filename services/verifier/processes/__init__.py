"""The processes of a verifier: one replays, others answer, all share what is known. Decides no verdict."""
