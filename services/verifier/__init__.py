"""The verifier: replays the log and answers whether a credential is authentic and still holds.

What holds after a crash of it stands in README.md here, and in the first lines of each room.
"""
