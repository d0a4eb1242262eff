"""The verifier: replays the log and answers whether a credential is authentic and still holds."""
