"""The issuer gateway: turns institutions' requests into signed events and documents.

What holds after a crash of it stands in README.md here, and in the first lines of each room.
"""
