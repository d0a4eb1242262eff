"""The three services and what they share at their edges.

Each says what holds after a crash: a room's first lines, and for a whole service its README.
"""
