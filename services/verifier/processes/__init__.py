"""The processes of a verifier that has several: those that answer, and the one that starts them. Decides no verdict."""
